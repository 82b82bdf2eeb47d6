#!/usr/bin/env python3
"""The shop as its users run it: real orders, dirty orders, and a process that is killed.

usage: shop.py SHOP northwind|dirty|kill

`northwind` and `kill` take Northwind's orders from SAGA_TEST_DATA (by default ../shared/data beside
the project) and are skipped without them. Seeds are printed; SAGA_TEST_SEED repeats one;
SAGA_TEST_SOAK=1 kills a hundred times instead of ten.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("SAGA_TEST_DATA", ROOT.parent / "shared" / "data"))
ORDERS, PRODUCTS = DATA / "northwind-orders.ndjson", DATA / "northwind-products.ndjson"


def need_northwind():
    if not ORDERS.exists():
        print(f"SKIP: {ORDERS.name} is not there; SAGA_TEST_DATA says where it is")
        sys.exit(77)


def run(shop, data, orders=ORDERS, products=PRODUCTS, *more):
    """One whole run; its summary and all that it said."""
    done = subprocess.run(
        [shop, "run", "--orders", orders, "--products", products, "--data", data, "--json", *more],
        capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    try:
        return done.returncode, json.loads(done.stdout.splitlines()[-1]), said
    except (IndexError, ValueError):
        sys.exit(f"no summary, exit {done.returncode}:\n{said}")


def want(true, what, said, most=4000):
    if not true:
        sys.exit(f"{what}\n{said if most is None else said[-most:]}")


def want_sound(code, summary, said, orders):
    want(code == 0, f"exit {code}", said)
    want(summary["violations"] == 0 and summary["dead"] == 0, "violations", said)
    want(summary["orders"] == orders, f"{summary['orders']} orders, not {orders}", said)
    want(summary["fulfilled"] + summary["cancelled"] == orders, "not every order ended", said)


def northwind(shop):
    need_northwind()
    with tempfile.TemporaryDirectory() as data:
        code, summary, said = run(shop, data)
        want_sound(code, summary, said, 830)
        want(summary["fulfilled"] > 415, "hardly any fulfilled", said)
        for rule in ("beyond the credit limit", "not enough is free", "the carrier does not go there"):
            want(rule in said, f"nobody was refused because: {rule}", said)
        code, again, said = run(shop, data)
        want(code == 0 and "830 orders were there already" in said, "placed twice?", said)
        ended = ("fulfilled", "cancelled", "violations")
        want(all(again[k] == summary[k] for k in ended), f"{again} is not {summary}", said)
        audit = subprocess.run([shop, "audit", "--data", data], capture_output=True, text=True)
        want(audit.returncode == 0, "audit", audit.stdout + audit.stderr)


LINE = '{"sku": "1", "quantity": 2, "unit_price_cents": 100, "discount_percent": 0}'
DIRTY = [  # a line, and what must be said of it (None: it is fine)
    ('{"ref": "a", "customer": "X", "ship_to": {"country": "France"}, "lines": [%s]}' % LINE, None),
    ('{"ref": "b", "customer": "X", "ship_to": {"country": "France"}, "lines": [%s]' % LINE, "bad JSON"),
    ('{"ref": "c", "customer": "X", "ship_to": {"country": "France"}, "lines":'
     ' [{"sku": "no such", "quantity": 1, "unit_price_cents": 1, "discount_percent": 0}]}', "no such"),
    ('{"ref": "d", "customer": "X", "ship_to": {"country": "France"}, "lines":'
     ' [{"sku": "1", "quantity": 0, "unit_price_cents": 1, "discount_percent": 0}]}', "quantity"),
    ('{"ref": "e", "customer": "X", "ship_to": {"country": "France"}, "lines":'
     ' [{"sku": "1", "quantity": -3, "unit_price_cents": 1, "discount_percent": 0}]}', "quantity"),
    ('{"ref": "f", "ship_to": {"country": "France"}, "lines": [%s]}' % LINE, "customer"),
    ('{"ref": "a", "customer": "X", "ship_to": {"country": "France"}, "lines": [%s]}' % LINE, "a"),
    ('{"op": "cancel", "ref": "never"}', "never"),
    ('{"op": "amend", "ref": "never", "lines": [%s]}' % LINE, "never"),
    ('{"op": "fly", "ref": "a"}', "fly"),
    ('{"ref": "g", "customer": "X", "ship_to": {"country": "France"}, "lines": [%s]}' % LINE, None),
    ('{"op": "cancel", "ref": "g"}', None),
    ('{"ref": "h", "customer": "X", "ship_to": {"country": "France"}, "lines": [%s]}' % LINE, None),
    ('{"op": "amend", "ref": "h", "lines": [%s]}' % LINE.replace('"quantity": 2', '"quantity": 5'), None),
    ('{"op": "deliver", "ref": "h"}', None),
    ("\x01\x02 garbage", "bad JSON"),
    ("[]", "not a JSON object"),
]
PRODUCT = ('{"sku": "1", "name": "Chai", "unit_price_cents": 100, "units_in_stock": 50,'
           ' "discontinued": false}\n')


def dirty(shop):
    with tempfile.TemporaryDirectory() as data:
        orders, products = pathlib.Path(data, "orders"), pathlib.Path(data, "products")
        orders.write_text("".join(line + "\n" for line, _ in DIRTY))
        products.write_text(PRODUCT)
        code, summary, said = run(shop, pathlib.Path(data, "shop"), orders, products,
                                  "--dispatch-ms", "500", "--restock", "1")
        refused = [why for _, why in DIRTY if why]
        want_sound(code, summary, said, 3)
        want(summary["refused"] == len(refused), f"refused {summary['refused']}", said)
        want(summary["cancelled"] == 1 and summary["completed"] == 1, "the good ones", said)
        for number, (_, why) in enumerate(DIRTY, 1):
            told = [l for l in said.splitlines() if f"{orders}:{number}: " in l]
            want(len(told) == bool(why), f"line {number}: {told}", said)
            want(not why or why in told[0], f"line {number}: {told}", said)


def mixed(path, rng):
    """Northwind's orders, and changes of some of them."""
    lines = ORDERS.read_text().splitlines()
    out = []
    for line in lines:
        order = json.loads(line)
        out.append(line)
        chance = rng.random()
        if chance < 0.15:
            out.append(json.dumps({"op": "cancel", "ref": order["ref"]}))
        elif chance < 0.35:
            change = [dict(l, quantity=max(1, l["quantity"] // 2)) for l in order["lines"]]
            out.append(json.dumps({"op": "amend", "ref": order["ref"], "lines": change}))
        if rng.random() < 0.2:
            out.append(json.dumps({"op": "deliver", "ref": order["ref"]}))
    path.write_text("\n".join(out) + "\n")


def kill(shop):
    need_northwind()
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    kills = 100 if os.environ.get("SAGA_TEST_SOAK") else 10
    print(f"seed {seed}, {kills} kills", flush=True)
    rng = random.Random(seed)
    left = kills
    while left:
        with tempfile.TemporaryDirectory() as data:
            orders = pathlib.Path(data, "orders")
            mixed(orders, rng)
            for _ in range(min(left, rng.randint(1, 4))):
                child = subprocess.Popen(
                    [shop, "run", "--orders", orders, "--products", PRODUCTS, "--data",
                     pathlib.Path(data, "shop")], stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
                time.sleep(rng.uniform(0.01, 1.2))
                child.send_signal(signal.SIGKILL)
                child.wait()
                left -= 1
            code, summary, said = run(shop, pathlib.Path(data, "shop"), orders)
            want_sound(code, summary, said, 830)
            print(f"{kills - left} killed, {summary}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("northwind", "dirty", "kill"):
        sys.exit(__doc__)
    globals()[sys.argv[2]](sys.argv[1])
