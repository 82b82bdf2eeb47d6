#!/usr/bin/env python3
"""How the shop grows over NATS JetStream and PostgreSQL: instances of stock, lanes, what each part costs.

usage: grow.py BUILD [--orders N] [--in-flight N] [--bus nats|nats3|nng] [--settings IxL,...]

BUILD is a build directory. For each setting, I instances of stock and L lanes a service, on servers of its
own (fsync on), N orders are driven by HTTP. It prints a table of sagas a second, of the processor time that
each part took a saga (what the rate would be without anything else on the machine follows from it), and of
what a saga is in messages of the bus and in PostgreSQL's transactions.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from services import SAMPLE, Service, Shop, drive_once, want  # noqa: E402

PARTS = ("order", "payment", "stock", "postgres", "bus", "drive")
SERVICES = ("order", "payment", "stock")
TICKS = os.sysconf("SC_CLK_TCK")


def tell(what, command, folder, *more):
    done = subprocess.run([HERE.parent / what, command, folder, *map(str, more)], capture_output=True, text=True)
    want(done.returncode == 0, f"tests/{what} {command}", done.stderr)
    return done.stdout.strip()


# ---- processor time ----

def stat(pid):
    """Its parent, and its seconds of processor; with those of its children that have ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0, 0.0
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS


def seconds_of(pids):
    """Of these, and of their children that live."""
    stats = {int(p.name): stat(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()}
    return sum(seconds for pid, (parent, seconds) in stats.items() if pid in pids or parent in pids)


def pid_in(path):
    return int(path.read_text().split()[0])


# ---- servers, and the shop on them ----

class Rig(Shop):
    def __init__(self, programs, folder, bus, instances, lanes):
        super().__init__(programs, restock=10**6, dispatch_ms=0)
        self.scratch, self.kind = folder, bus
        self.database = tell("postgres", "start", folder / "pg", "fsync=on").rsplit("/", 1)[0]
        for service in self.services:
            tell("postgres", "sql", folder / "pg", f"CREATE DATABASE grow_{service.name}")
            service.store = f"{self.database}/grow_{service.name}"
            service.flags += ["--lanes", str(lanes), "--log-level", "warning"]
        self.stocks = [self.stock]
        for n in range(2, instances + 1):
            one = Service(self, f"stock-{n}", self.stock.program, *self.stock.flags)
            one.store = self.stock.store
            self.stocks.append(one)
        self.services += self.stocks[1:]

    def start_bus(self):
        if self.kind == "nng":
            super().start_bus()
            return
        replicas = 3 if self.kind == "nats3" else 1
        url = tell("nats", "start" if replicas == 1 else "cluster", self.scratch / "nats")
        self.bus_url = f"{url}/shop?replicas={replicas}"

    def __exit__(self, *error):
        super().__exit__(*error)
        tell("postgres", "stop", self.scratch / "pg")
        if self.kind != "nng":
            tell("nats", "stop", self.scratch / "nats")

    def seconds(self):
        """Of processor, by part."""
        bus = {self.bus.pid} if self.bus else {pid_in(p) for p in self.scratch.glob("nats/server*/pid")}
        return {"order": seconds_of({self.order.process.pid}),
                "payment": seconds_of({self.payment.process.pid}),
                "stock": seconds_of({one.process.pid for one in self.stocks}),
                "postgres": seconds_of({pid_in(self.scratch / "pg/server/data/postmaster.pid")}),
                "bus": seconds_of(bus)}

    def commits(self):
        """Of all three databases; a server says them some time later."""
        time.sleep(1.5)
        return int(tell("postgres", "sql", self.scratch / "pg",
                        "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE 'grow_%'"))

    def messages(self):
        """Events that the services have sent."""
        return sum(int(float(line.rsplit(" ", 1)[1])) for one in self.services
                   for line in one.ask("GET", "/metrics")[1].splitlines()
                   if line.startswith("saga_frames_total") and 'way="sent"' in line)


def many_orders(path, n):
    """The sample's, again and again."""
    lines = [line for line in (SAMPLE / "orders.ndjson").read_text().splitlines() if "ship_to" in line]
    path.write_text("".join(lines[i % len(lines)].replace('"ref": "', f'"ref": "{path.stem}{i}-') + "\n"
                            for i in range(n)))
    return path


def measure(programs, bus, instances, lanes, n, in_flight):
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        folder = pathlib.Path(name)
        with Rig(programs, folder, bus, instances, lanes) as rig:
            rig.start()
            orders = many_orders(folder / "orders.ndjson", n)
            drive_once(rig, many_orders(folder / "warm.ndjson", 50))
            before, commits, sent = rig.seconds(), rig.commits(), rig.messages()
            children, begun = os.times().children_user + os.times().children_system, time.monotonic()
            counts, _ = drive_once(rig, orders, "--in-flight", str(in_flight))
            wall = time.monotonic() - begun
            parts = {part: seconds - before[part] for part, seconds in rig.seconds().items()}
            parts["drive"] = os.times().children_user + os.times().children_system - children
            sagas = counts["fulfilled"] + counts["completed"] + counts["cancelled"]
            return {"rate": sagas / wall, "sagas": sagas, "parts": {p: s / sagas for p, s in parts.items()},
                    "commits": (rig.commits() - commits) / sagas, "frames": (rig.messages() - sent) / sagas}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--bus", choices=("nats", "nats3", "nng"), default="nats")
    parser.add_argument("--settings", default="1x1,2x1,4x1,1x2,1x4,4x2")
    options = parser.parse_args()
    shop = options.build.resolve() / "examples" / "shop"
    programs = [*(shop / f"{name}-service" for name in SERVICES), shop / "shop",
                options.build.resolve() / "src" / "tool" / "saga"]
    print(f"{os.cpu_count()} cores, {options.orders} orders, {options.in_flight} in flight, {options.bus}")
    print("| stocks | lanes | sagas/s | CPU us a saga |", " | ".join(PARTS), "| most by CPU | commits | frames |")
    print("| --- " * (len(PARTS) + 7) + "|")
    for setting in options.settings.split(","):
        instances, lanes = map(int, setting.split("x"))
        one = measure(list(map(str, programs)), options.bus, instances, lanes, options.orders, options.in_flight)
        total = sum(one["parts"].values())
        print(f"| {instances} | {lanes} | {one['rate']:.0f} | {total * 1e6:.0f} |",
              " | ".join(f"{one['parts'][part] * 1e6:.0f}" for part in PARTS),
              f"| {os.cpu_count() / total:.0f} | {one['commits']:.1f} | {one['frames']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
