#!/usr/bin/env python3
"""Two instances of each of the shop's services but the order's, on PostgreSQL, killed under load.

usage: instances.py ORDER PAYMENT STOCK SHOP SAGA

The two stocks have one database, and so have the two payments. While orders are driven, now this one
and now that is killed by SIGKILL or stands still for longer than its lease; another goes on. Then all
must have ended, the audit must find nothing, and of each service all shards must have a worker.
"""
import concurrent.futures
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

from services import SAMPLE, DRIVEN, Service, Shop, drive_once, many_orders, until, want
from shop_postgres import server, stores

LEASE_MS = 3000
KILLS = 20 if os.environ.get("SAGA_TEST_SOAK") else 3


def number(service, name):
    """Of /metrics, without labels but the participant's."""
    code, text, _ = service.ask("GET", "/metrics")
    want(code == 200, "metrics", text)
    for line in text.splitlines():
        if line.startswith(name + "{") or line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return None


def shards(*instances):
    return [number(one, "saga_shards") for one in instances]


def trouble(pairs, ended, seen):
    """Each time one of a pair, so that the other is there to go on."""
    for turn in range(10**6):
        one = pairs[turn % len(pairs)][random.randrange(2)]
        if ended.wait(1.0):
            return
        if turn % 3 == 2:
            one.process.send_signal(signal.SIGSTOP)
            time.sleep(LEASE_MS / 1000 * 1.5)
            one.process.send_signal(signal.SIGCONT)
            seen.append(f"{one.name} paused")
            continue
        one.stop(signal.SIGKILL)
        seen.append(f"{one.name} killed")
        if ended.wait(LEASE_MS / 1000 * (turn % 2) * 1.5):
            one.start()
            return
        one.start()


def twice(shop, service, url):
    """The service on that database, and another instance of it."""
    flags = [*service.flags, "--lease-ms", LEASE_MS]
    pair = []
    for name in (service.name, service.name + "-2"):
        one = Service(shop, name, service.program, *flags)
        one.store_url = lambda: url
        pair.append(one)
    return pair


def main(programs, scratch):
    code, url, why = server("start", scratch / "pg")
    if code != 0:
        print(f"SKIP: no PostgreSQL server: {why.splitlines()[-1] if why else code}")
        sys.exit(77)
    try:
        urls = dict(zip(("order", "payment", "stock"), stores(url, scratch / "pg")[1::2]))
        with Shop(programs, dispatch_ms=700, faults="1,5,20,1,3", restock=DRIVEN) as shop:
            payments = twice(shop, shop.payment, urls["payment"])
            stocks = twice(shop, shop.stock, urls["stock"])
            shop.payment, shop.stock = payments[0], stocks[0]
            shop.order.store_url = lambda: urls["order"]
            shop.services = [shop.order, *payments, *stocks]
            shop.start()
            for pair in (payments, stocks):
                until(lambda: shards(*pair) == [4, 4], f"the {pair[0].name}s share")
            drive(shop, payments, stocks)
            shop.services = [shop.order, payments[0], stocks[0]]
            shop.want_sound()
    finally:
        server("stop", scratch / "pg")


def drive(shop, payments, stocks):
    orders = many_orders(shop.folder / "orders.ndjson")
    ended, seen = threading.Event(), []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        troubles = pool.submit(trouble, (stocks, payments), ended, seen)
        rounds = []
        while len([s for s in seen if "killed" in s]) < KILLS or not rounds:
            path = orders
            if rounds:
                path = shop.folder / f"orders{len(rounds)}.ndjson"
                path.write_text(orders.read_text().replace('"ref": "', f'"ref": "R{len(rounds)}-'))
            rounds.append(drive_once(shop, path, "--products", SAMPLE / "products.ndjson")[0])
        ended.set()
        troubles.result()
    print(*rounds, *seen, sep="\n", flush=True)
    for counts in rounds:
        want(counts["open"] == 0 and counts["lost"] == 0, "not all ended", counts)
    for pair in (payments, stocks):
        until(lambda: sorted(shards(*pair)) == [4, 4], f"the {pair[0].name}s share again")
        pair[1].drain()
        until(lambda: shards(pair[0]) == [8], f"{pair[0].name} has all")
    for service in (shop.order, payments[0], stocks[0]):
        service.drain()


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    random.seed(seed)
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        main([pathlib.Path(p).resolve() for p in sys.argv[1:6]], pathlib.Path(name))
