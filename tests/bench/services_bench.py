#!/usr/bin/env python3
"""Whole sagas through the three services: HTTP in, the bus between them, each on PostgreSQL.

usage: services_bench.py ORDER PAYMENT STOCK SHOP SAGA [--orders N] [--posts N,N...] [--fsync on|off]

One saga at a time, then so many POSTs at once: sagas a second from the first POST to the last end, how
long one takes by the order service's clock (p50, p99, within their buckets), and beside it its
commits: how many a saga, and what all of them together take. A server of its own, a database a
service.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "e2e"))
from services import LINE, SAMPLE, Shop, read_metrics, want  # noqa: E402


def server(*words):
    done = subprocess.run([ROOT / "tests" / "postgres", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"SKIP: no PostgreSQL server: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        sys.exit(77)
    return done.stdout.strip()


def write_orders(path, count):
    """Orders that all are fulfilled: one line each, of products in turn."""
    lines = map(json.loads, (SAMPLE / "products.ndjson").read_text().splitlines())
    products = [product["sku"] for product in lines if product["units_in_stock"]]
    with open(path, "w") as out:
        for n in range(count):
            json.dump({"ref": f"{path.stem}-{n}", "customer": "Teehaus Linde", "ship_to": {"country": "Denmark"},
                       "lines": [{"sku": products[n % len(products)], "quantity": 1, "unit_price_cents": 100,
                                  "discount_percent": 0}]}, out)
            out.write("\n")
    return path


class Counts:
    """What the services have counted so far."""

    def __init__(self, shop):
        self.samples = {}
        for service in shop.services:
            self.samples.update(read_metrics(service.ask("GET", "/metrics")[1]))

    def of(self, name):
        return {labels: value for (sample, labels), value in self.samples.items() if sample == name}

    def since(self, before, name):
        """All services' together."""
        return sum(self.of(name).values()) - sum(before.of(name).values())

    def quantile(self, before, name, label, q):
        """In seconds, where in its bucket it would be if that were even."""
        old = before.of(name + "_bucket")
        buckets = [(labels.rsplit('le="', 1)[1][:-1], value - old.get(labels, 0))
                   for labels, value in self.of(name + "_bucket").items() if label in labels]
        wanted, low, below = q * buckets[-1][1], 0.0, 0
        for bound, count in buckets:
            if count >= wanted and bound != "+Inf":
                return low + (float(bound) - low) * (wanted - below) / max(count - below, 1)
            low, below = float(bound), count
        return float("inf")


def drive(shop, count, posts):
    """So many POSTs at once, whether the sagas before them have ended or not. Seconds to the last end."""
    done = subprocess.run(
        [shop.shop, "drive", "--url", f"http://127.0.0.1:{shop.order.port}", "--stock-url",
         f"http://127.0.0.1:{shop.stock.port}", "--orders", write_orders(shop.folder / f"posts{posts}.ndjson", count),
         "--in-flight", str(posts), "--json"], capture_output=True, text=True)
    want(done.returncode == 0, "drive", done.stderr + done.stdout)
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def one_by_one(shop, count):
    """The next is placed when the one before has ended."""
    begun = time.monotonic()
    for n in range(count):
        want(shop.place(f"alone-{n}", {**LINE, "quantity": 1})[0] == 202, "place")
        while shop.order_of(f"alone-{n}")["state"] != "fulfilled":
            time.sleep(0.005)
    return time.monotonic() - begun


def measure(shop, what, count, load):
    before = Counts(shop)
    seconds = load()
    after = Counts(shop)
    want(after.since(before, "shop_order_seconds_count") == count, "not all were fulfilled")
    commits = after.since(before, "saga_commit_seconds_count")
    committing = 1000 * after.since(before, "saga_commit_seconds_sum")
    p50, p99 = (1000 * after.quantile(before, "shop_order_seconds", 'end="fulfilled"', q) for q in (0.5, 0.99))
    print(f"{what}: {count / seconds:.0f} sagas/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms; {commits / count:.2f} commits"
          f" a saga, {committing / commits:.2f} ms each, {committing / count:.2f} ms together", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("programs", nargs=5)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--posts", default="16,64")
    parser.add_argument("--fsync", choices=["on", "off"], default="on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        url = server("start", folder, f"fsync={options.fsync}").rsplit("/", 1)[0]
        try:
            def new_store(name):
                server("sql", folder, f"CREATE DATABASE bench_{name}")
                return f"{url}/bench_{name}"

            with Shop([str(pathlib.Path(p).resolve()) for p in options.programs], dispatch_ms=0,
                      restock=100000, stores=new_store) as shop:
                shop.payment.flags[:2] = ["--credit", str(shop.folder / "credit")]
                (shop.folder / "credit").write_text('{"customer": "*", "credit_cents": 1000000000000}\n')
                for service in shop.services:
                    service.flags += ["--log-level", "warning"]
                shop.start()
                alone = options.orders // 10
                measure(shop, "one by one", alone, lambda: one_by_one(shop, alone))
                for posts in map(int, options.posts.split(",")):
                    measure(shop, f"{posts} POSTs at once", options.orders,
                            lambda: drive(shop, options.orders, posts))
        finally:
            server("stop", folder)


if __name__ == "__main__":
    main()
