#!/usr/bin/env python3
"""The pair of examples/pair as two processes over nng, with its bank; both are killed in the middle.

usage: pair.py PAIR SAGA sqlite|postgres

The till is killed while the bank has charged and not answered, seats when two seats are sold. In the end
each seat is sold and charged once, or free; the log of the last processes has no alarm.
"""
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request

from services import ROOT, fail, free_port, until, want
from shop_postgres import server, sql

BANK = ROOT / "examples" / "pair" / "bank.py"


class Process:
    def __init__(self, log, *words):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen([str(word) for word in words], stdout=out, stderr=out)

    def says(self, *texts):
        said = self.log.read_text()
        return all(text in said for text in texts)

    def end(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        return self.child.wait(60)


class Stores:
    """Where both services keep their rows; `rows` reads them from outside."""

    def __init__(self, kind, scratch):
        self.kind, self.scratch, self.directory = kind, scratch, scratch / "server"
        if kind == "postgres":
            code, self.url, why = server("start", self.directory)
            if code != 0:
                print(f"SKIP: no PostgreSQL server: {why.splitlines()[-1] if why else code}")
                sys.exit(77)
            for service in ("seats", "till"):
                want(sql(self.directory, f"CREATE DATABASE {service}") is not None, f"create {service}")

    def of(self, service):
        if self.kind == "sqlite":
            return f"sqlite:{self.scratch / service}.db"
        return f"{self.url.rsplit('/', 1)[0]}/{service}"

    def rows(self, service, text):
        if self.kind == "postgres":
            said = sql(self.directory, text, service) or ""
            return sorted(tuple(line.split("|")) for line in said.splitlines())
        try:
            store = sqlite3.connect(f"file:{self.scratch / service}.db?mode=ro", uri=True)
            return sorted(tuple(map(str, row)) for row in store.execute(text))
        except sqlite3.OperationalError:
            return []  # not made yet

    def close(self):
        if self.kind == "postgres":
            server("stop", self.directory)


def play(pair, saga, stores, scratch):
    bank_port, bus = free_port(), f"nng+ipc://{scratch}/bus"
    url = f"http://127.0.0.1:{bank_port}/charges"
    processes = []

    def start(name, *words):
        processes.append(Process(scratch / f"{name}.log", *words))
        return processes[-1]

    def start_till():
        return start("till", pair, "till", stores.of("till"), bus, url)

    def start_seats(*guests):
        return start("seats", pair, "seats", stores.of("seats"), bus, 600, *guests)

    def sold():
        return {guest for guest, receipt in stores.rows(
            "seats", "SELECT guest, receipt FROM booking WHERE receipt IS NOT NULL")}

    def free():
        return stores.rows("seats", "SELECT free FROM hall")

    def said():
        return "".join(f"-- {log.name}\n{log.read_text()[-4000:]}" for log in sorted(scratch.glob("*.log")))

    bank = start("bank", sys.executable, BANK, bank_port, "dan=decline", "eve=silent")
    start("bus", saga, "bus", "--in", bus)
    try:
        seats = start_seats("ada", "dan", "eve", "fay")
        until(lambda: seats.says("ada: a seat", "dan: a seat", "eve: a seat", "fay: no seat is left"),
              "the seats are held", said=said)
        till = start_till()
        until(lambda: bank.says("eve: charged") and sold() == {"ada"}, "ada is sold, eve is charged", said=said)

        till.end(signal.SIGKILL)
        till = start_till()
        until(lambda: sold() == {"ada", "eve"} and free() == [("1",)],
              "the bank is asked for eve again, and dan's seat is free", said=said)
        want(bank.says("eve: asked again"), "the till asked without the same key", said())

        seats.end(signal.SIGKILL)
        seats = start_seats("ada", "gus")
        until(lambda: sold() == {"ada", "eve", "gus"} and free() == [("0",)], "gus is sold", said=said)

        with urllib.request.urlopen(url) as answer:
            charges = json.load(answer)
        want(sorted(charge["guest"] for charge in charges) == ["ada", "eve", "gus"], f"charges {charges}", said())
        want(len(stores.rows("till", "SELECT cents, receipt FROM charge")) == 3, "the till's rows", said())
        want([seats.end(), till.end()] == [0, 0], "SIGTERM ends both in peace", said())
        want("level=alarm" not in said(), "an alarm", said())
    finally:
        for process in processes:
            if process.child.poll() is None:
                process.end(signal.SIGKILL)


def main():
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        scratch = pathlib.Path(name)
        stores = Stores(sys.argv[3], scratch)
        try:
            play(sys.argv[1], sys.argv[2], stores, scratch)
        finally:
            stores.close()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in ("sqlite", "postgres"):
        fail(__doc__)
    main()
