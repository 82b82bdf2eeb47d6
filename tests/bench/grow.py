#!/usr/bin/env python3
"""How the shop grows over NATS JetStream and PostgreSQL: instances of stock, lanes, what each part costs.

usage: grow.py BUILD [--orders N] [--products N] [--in-flight N] [--bus nats|nats3|nng] [--settings IxL,...]

BUILD is a build directory. For each setting, I instances of stock and L lanes a service, on servers of its
own (fsync on), N orders are driven by HTTP. It prints a table of sagas a second, of the processor time that
each part took a saga (what the rate would be without anything else on the machine follows from it), and of
what a saga is in messages of the bus and in PostgreSQL's transactions.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from services import Service, Shop, drive_once, until, want  # noqa: E402

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
    def __init__(self, programs, folder, products, bus, instances, lanes):
        super().__init__(programs, restock=1000, dispatch_ms=0)
        self.stock.flags[self.stock.flags.index("--products") + 1] = str(products)
        self.scratch, self.kind = folder, bus
        self.database = tell("postgres", "start", folder / "pg", "fsync=on").rsplit("/", 1)[0]
        for service in self.services:
            tell("postgres", "sql", folder / "pg", f"CREATE DATABASE grow_{service.name}")
            service.store = f"{self.database}/grow_{service.name}"
            service.flags += ["--lanes", str(lanes), "--log-level", "warning", "--lease-ms", "3000"]
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

    @staticmethod
    def number(one, name, label=""):
        """Of its /metrics."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in one.ask("GET", "/metrics")[1].splitlines()
                   if line.startswith(name + "{") and label in line)

    def messages(self):
        """Events that the services have sent."""
        return sum(self.number(one, "saga_frames_total", 'way="sent"') for one in self.services)


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def many_products(folder, n):
    return write_lines(folder / "products.ndjson", (
        {"sku": f"P{i}", "name": f"product {i}", "unit_price_cents": 100, "units_in_stock": 1000} for i in range(n)))


def many_orders(path, n, products):
    """Of two products each, so that hardly two under way want the same; with few products, all do."""
    dice = random.Random(1)
    return write_lines(path, (
        {"ref": f"{path.stem}{i}", "customer": f"C{i}", "ship_to": {"country": "Denmark"},
         "lines": [{"sku": f"P{which}", "quantity": 1, "unit_price_cents": 100, "discount_percent": 0}
                   for which in dice.sample(range(products), 2)]} for i in range(n)))


def measure(programs, instances, lanes, options):
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        folder = pathlib.Path(name)
        products = many_products(folder, options.products)
        with Rig(programs, folder, products, options.bus, instances, lanes) as rig:
            rig.start()
            for service, count in ((rig.order, 1), (rig.payment, 1), *((one, instances) for one in rig.stocks)):
                until(lambda: rig.number(service, "saga_shards") == 8 / count, f"{service.name} has its share")
            orders = many_orders(folder / "orders.ndjson", options.orders, options.products)
            drive_once(rig, many_orders(folder / "warm.ndjson", 50, options.products), "--products", str(products))
            before, commits, sent = rig.seconds(), rig.commits(), rig.messages()
            children, begun = os.times().children_user + os.times().children_system, time.monotonic()
            counts, _ = drive_once(rig, orders, "--in-flight", str(options.in_flight), "--products", str(products))
            wall = time.monotonic() - begun
            parts = {part: seconds - before[part] for part, seconds in rig.seconds().items()}
            parts["drive"] = os.times().children_user + os.times().children_system - children
            want(counts["refused"] == 0 and counts["lost"] == 0, "refused", counts)
            sagas = counts["placed"]
            return {"rate": sagas / wall, "sagas": sagas, "parts": {p: s / sagas for p, s in parts.items()},
                    "commits": (rig.commits() - commits) / sagas, "frames": (rig.messages() - sent) / sagas}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--products", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--bus", choices=("nats", "nats3", "nng"), default="nats")
    parser.add_argument("--settings", default="1x1,2x1,4x1,1x2,1x4,4x2")
    options = parser.parse_args()
    shop = options.build.resolve() / "examples" / "shop"
    programs = [*(shop / f"{name}-service" for name in SERVICES), shop / "shop",
                options.build.resolve() / "src" / "tool" / "saga"]
    print(f"{os.cpu_count()} cores, {options.orders} orders of {options.products} products, {options.in_flight} in flight, {options.bus}")
    print("| stocks | lanes | sagas/s | CPU us a saga |", " | ".join(PARTS), "| most by CPU | commits | frames |")
    print("| --- " * (len(PARTS) + 7) + "|")
    for setting in options.settings.split(","):
        instances, lanes = map(int, setting.split("x"))
        one = measure(list(map(str, programs)), instances, lanes, options)
        total = sum(one["parts"].values())
        print(f"| {instances} | {lanes} | {one['rate']:.0f} | {total * 1e6:.0f} |",
              " | ".join(f"{one['parts'][part] * 1e6:.0f}" for part in PARTS),
              f"| {os.cpu_count() / total:.0f} | {one['commits']:.1f} | {one['frames']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
