#!/usr/bin/env python3
"""The shop over one nats-server that loses what it confirmed, and what an operator sees of it.

usage: loss.py ORDER PAYMENT STOCK SHOP SAGA calm|tail|wiped|restored|large|tight

calm      Nothing is lost, while the eight shards of PostgreSQL stores are busy and the broker is
          asked all the time: no alarm.
tail      The server's files are put back to a copy of a few seconds ago, as by a power failure.
wiped     Its files are gone: the stream is another one.
restored  Its files stay, and a service's store is restored from a backup.
large     One event is larger than the server takes, until its limit is raised.
tight     One event is larger than the stream takes, until its limit is raised.

The other processes run on all the while. In the end every order has ended and the audit finds no
violation; the log, `saga stream` and `saga dead` say what happened.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from bad_day import skip
from cluster import Servers
from services import LINE, Shop, postgres_server, until, want

SETTLE_S = 40  # longer than from the copy to the failure, on a slow machine
CALM_S = 1  # a quarter of it between two questions how the stream is


class LossShop(Shop):
    def __init__(self, programs, servers, settle_s, new_store):
        super().__init__(programs, dispatch_ms=1, stores=new_store)
        self.servers = servers
        self.bus_url = f"{servers.url}/shop?settle={settle_s}&ack=2"

    def start_bus(self):
        pass  # the nats-server is there

    def said(self, what):
        return [line for service in self.services for line in service.log().splitlines()
                if what in line and "level=alarm" in line]

    def run(self, *words):
        done = subprocess.run([self.saga, *words], capture_output=True, text=True)
        want(done.returncode == 0, f"saga {words}", done.stderr)
        return done.stdout

    def stream(self, service, *words):
        return self.run("stream", *words, "--store", service.store_url())

    def place_all(self, refs):
        for ref in refs:
            status, body, _ = self.place(ref)
            want(status in (200, 202), f"{ref} is taken", body)

    def want_ended(self, refs):
        """Some are cancelled: a customer's credit has its end, and so has the tea."""
        for ref in refs:
            until(lambda: self.order_of(ref).get("state") in ("fulfilled", "cancelled"),
                  f"{ref} ends")


@contextlib.contextmanager
def shop_on(programs, folder, *lines, settle_s=SETTLE_S, new_store=None):
    servers = Servers.__new__(Servers)
    servers.folder, servers.n = folder / "nats", 1
    done = servers.tell("start", *lines)
    if done.returncode != 0:
        skip(f"no nats-server: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    servers.url = done.stdout.strip()
    try:
        with LossShop(programs, servers, settle_s, new_store) as shop:
            shop.start()
            yield shop
    finally:
        servers.tell("stop")


def refs(letter, n):
    return [f"{letter}{i}" for i in range(n)]


def files_of(shop):
    return pathlib.Path(shop.servers.folder) / "server1" / "jetstream"


def seen_by_an_operator(shop, service, state):
    """It is told of until an operator says that it was seen."""
    until(lambda: state in shop.stream(service, "list"), f"{service.name}'s streams say {state}",
          said=lambda: shop.stream(service, "list"))
    shop.stream(service, "accept", "--all")
    until(lambda: state not in shop.stream(service, "list"), "the operator's order is carried out")


def calm(shop):
    placing = [threading.Thread(target=shop.place_all, args=(refs(letter, 40),))
               for letter in "ABCD"]
    for thread in placing:
        thread.start()
    for thread in placing:
        thread.join()
    for letter in "ABCD":
        shop.want_ended(refs(letter, 40))
    time.sleep(2 * CALM_S)
    want(not shop.said(""), "there is no alarm", shop.said(""))


def tail(shop):
    shop.place_all(refs("A", 10))
    shop.want_ended(refs("A", 10))
    placing = threading.Thread(target=shop.place_all, args=(refs("B", 30),))
    placing.start()
    until(lambda: shop.order_of("B3").get("state"), "B3 is placed")
    copy = shop.folder / "copy"
    shutil.copytree(files_of(shop), copy)
    placing.join()
    shop.place_all(refs("C", 10))
    shop.want_ended(refs("C", 10))
    shop.servers.must("kill")
    shutil.rmtree(files_of(shop))
    shutil.copytree(copy, files_of(shop))
    shop.servers.must("again")
    shop.place_all(refs("D", 20))
    shop.want_ended([*refs("B", 30), *refs("D", 20)])
    until(lambda: shop.said("broker.lost"), "what was lost is told")


def wiped(shop):
    shop.place_all(refs("A", 10))
    shop.want_ended(refs("A", 5))
    shop.servers.must("kill")
    shutil.rmtree(files_of(shop))
    shop.servers.must("again")
    shop.place_all(refs("B", 10))
    shop.want_ended([*refs("A", 10), *refs("B", 10)])
    until(lambda: shop.said("broker.remade"), "that it is another stream is told")
    seen_by_an_operator(shop, shop.stock, "remade")
    shop.stream(shop.order, "republish")
    until(lambda: "stream.republished" in shop.order.log(), "it is published again by hand")
    shop.place_all(refs("C", 3))
    shop.want_ended(refs("C", 3))


def restored(shop):
    """Of two ages: of before it was closed, and of before it had consumed the newest."""
    shop.place_all(refs("A", 5))
    shop.want_ended(refs("A", 5))
    shop.stock.drain()
    shutil.copy(shop.folder / "stock.db", shop.folder / "backup.db")
    shop.stock.start()
    shop.place_all(refs("B", 5))
    shop.want_ended(refs("B", 5))
    shop.stock.drain()
    for file in shop.folder.glob("stock.db*"):
        file.unlink()
    shutil.copy(shop.folder / "backup.db", shop.folder / "stock.db")
    shop.stock.start()
    until(lambda: shop.said("store.set_back"), "that its store was set back is told")
    shop.place_all(refs("C", 5))
    shop.want_ended(refs("C", 5))
    until(lambda: all(shop.stock.ask("GET", f"/shipments/{ref}")[0] == 200 for ref in refs("B", 5)),
          "what it had forgotten is shipped again")
    seen_by_an_operator(shop, shop.stock, "set-back")


def too_large(shop, limit, raise_limit):
    lines = [{**LINE, "sku": f"PRODUCT-{i:03}-{'X' * 27}", "quantity": 1} for i in range(200)]
    shop.place_all(refs("A", 2))
    status, body, _ = shop.place("BIG", *lines)
    want(status in (200, 202), "BIG is taken", body)
    shop.place_all(refs("B", 20))
    shop.want_ended([*refs("A", 2), *refs("B", 20)])
    want(shop.order_of("BIG")["state"] == "placed", "BIG waits", shop.order_of("BIG"))
    until(lambda: shop.said("event.refused"), "that it was too large is told")
    letters = shop.run("dead", "list", "--store", shop.order.store_url())
    want(limit in letters and "publish" in letters, "a dead letter", letters)
    want(shop.order.is_well(), "order is well", shop.order.health())
    raise_limit()
    until(lambda: shop.order_of("BIG")["state"] == "cancelled", "BIG goes on: nobody sells that")
    letters = shop.run("dead", "list", "--store", shop.order.store_url())
    want("publish" not in letters, "no dead letter", letters)


def large(shop):
    def raise_limit():
        config = shop.servers.folder / "server1" / "nats.conf"
        config.write_text(re.sub("max_payload: .*", "max_payload: 1048576", config.read_text()))
        os.kill(int((shop.servers.folder / "server1" / "pid").read_text()), signal.SIGHUP)

    too_large(shop, "max_payload", raise_limit)


def tight(shop):
    def limit_to(most):
        config = shop.servers.ask("$JS.API.STREAM.INFO.shop", b"")["config"]
        done = shop.servers.ask("$JS.API.STREAM.UPDATE.shop",
                                json.dumps({**config, "max_msg_size": most}).encode())
        want("error" not in done, "the stream has another limit", done)

    limit_to(8192)
    too_large(shop, "max_msg_size", lambda: limit_to(-1))


@contextlib.contextmanager
def any_shop(what, programs, folder):
    if what != "calm":
        lines = ["max_payload: 8192"] if what == "large" else []
        with shop_on(programs, folder, *lines) as shop:
            yield shop
        return
    with postgres_server() as (url, sql):
        def new_store(name):
            want(sql(f"CREATE DATABASE loss_{name}") is not None, "create")
            return f"{url}/loss_{name}"

        with shop_on(programs, folder, settle_s=CALM_S, new_store=new_store) as shop:
            yield shop


def main():
    what = sys.argv[6]
    with tempfile.TemporaryDirectory() as folder:
        programs = [str(pathlib.Path(program).resolve()) for program in sys.argv[1:6]]
        with any_shop(what, programs, pathlib.Path(folder)) as shop:
            globals()[what](shop)
            for service in shop.services:
                service.drain()
            shop.want_sound()


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("calm", "tail", "wiped", "restored", "large", "tight"):
        sys.exit(__doc__)
    main()
