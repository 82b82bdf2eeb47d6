#!/usr/bin/env python3
"""The shop as its users run it: real orders, dirty orders, and a process that is killed.

usage: shop.py SHOP northwind|dirty|people|kill

`northwind` and `kill` take Northwind's orders from SAGA_TEST_DATA (by default ../shared/data beside
the project); without them, and if it says `made`, from made_orders.py. `people` is what real orders are like: a product on two lines,
goods that are free. Seeds are printed; SAGA_TEST_SEED repeats one;
SAGA_TEST_SOAK=1 kills a hundred times instead of ten.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import made_orders

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = made_orders.data_folder(ROOT.parent / "shared" / "data")
ORDERS, PRODUCTS = DATA / "northwind-orders.ndjson", DATA / "northwind-products.ndjson"


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


# ---- people: what is on real orders ----

def order(ref, *lines, **more):
    return {"ref": ref, "customer": "X", "ship_to": {"country": "France"}, "lines": list(lines), **more}


def line(quantity, cents, discount=0, sku="1"):
    return {"sku": sku, "quantity": quantity, "unit_price_cents": cents, "discount_percent": discount}


# Each order: what it costs (None: it is cancelled), and the units of product 1 and 2 that leave.
PEOPLE = [
    (order("twice", line(2, 100), line(3, 100)), 500, 5, 0),
    (order("prices", line(2, 100), line(1, 33, 50), line(1, 33, 50), line(1, 7, 0, "2")), 200 + 17 + 17 + 7, 4, 1),
    (order("free", line(2, 0)), 0, 2, 0),
    (order("gift", line(1, 500, 100), line(1, 0, 0, "2")), 0, 1, 1),
    (order("some free", line(1, 500, 100), line(1, 250)), 250, 2, 0),
    (order("too many", line(60, 1), line(60, 1)), None, 0, 0),
    (order("same", *[line(1, 10)] * 30), 300, 30, 0),
    (order("amended", line(1, 100), line(1, 100)), 3 * 50, 3, 0),
    (order("amended free", line(1, 100)), 0, 2, 1),
    (order("amended dear", line(1, 0)), 100, 1, 0),
]
AMENDED = [{"op": "amend", "ref": "amended", "lines": [line(1, 50), line(2, 50)]},
           {"op": "amend", "ref": "amended free", "lines": [line(1, 0), line(1, 9, 100), line(1, 0, 0, "2")]},
           {"op": "amend", "ref": "amended dear", "lines": [line(1, 100)]}]
UNKNOWN = [{"op": "cancel", "ref": f"unknown {n}"} for n in range(20)]
LONG = order("very long", *[line(1, 1)] * 900)


def write_people(path):
    wishes = [order for order, *_ in PEOPLE] + AMENDED + UNKNOWN
    text = "".join(json.dumps(wish) + "\n" for wish in wishes)
    path.write_text(text + json.dumps(LONG) + "\n" + json.dumps({"x": [{"ref": "inner"}], "y": 70000 * "z"}) + "\n")
    return len(wishes)


def rows(data, name, sql):
    with contextlib.closing(sqlite3.connect(data / name)) as db:
        return db.execute(sql).fetchall()


def change(data, name, sql, *values):
    with contextlib.closing(sqlite3.connect(data / name)) as db, db:
        want(db.execute(sql, values).rowcount == 1, sql, str(values))


def check_people(data, said):
    costs = dict(rows(data, "order.db", "SELECT ref, total FROM orders WHERE state <> 'cancelled'"))
    want(costs == {o["ref"]: cost for o, cost, *_ in PEOPLE if cost is not None}, f"what they cost: {costs}", said)
    kept = dict(rows(data, "payment.db", "SELECT ref, cents FROM charge WHERE refunded = 0"))
    want(kept == costs, f"what was charged: {kept}", said)
    for sku, place in (("1", 2), ("2", 3)):
        left = sum(one[place] for one in PEOPLE)
        want(rows(data, "stock.db", f"SELECT opened - free FROM stock WHERE sku = '{sku}'") == [(left,)],
             f"what left of product {sku}", said)


def check_audit(shop, data):
    """It computes what an order costs, and does not believe what the order says."""
    def audit():
        done = subprocess.run([shop, "audit", "--data", data], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    want(audit()[0] == 0, "the audit", audit()[1])
    for ref, wrong in (("twice", 0), ("free", 1)):
        [(total,)] = rows(data, "order.db", f"SELECT total FROM orders WHERE ref = '{ref}'")
        change(data, "order.db", "UPDATE orders SET total = ? WHERE ref = ?", wrong, ref)
        code, said = audit()
        want(code == 1 and f"order {ref} says that it costs {wrong}, its lines come to {total}" in said,
             "a total that is not that of the lines, unseen", said)
        change(data, "order.db", "UPDATE orders SET total = ? WHERE ref = ?", total, ref)
    # All agree on a price that is not that of the lines.
    [(key,)] = rows(data, "payment.db", "SELECT charge_key FROM charge WHERE ref = 'twice'")
    change(data, "order.db", "UPDATE orders SET total = 1 WHERE ref = 'twice'")
    change(data, "payment.db", "UPDATE charge SET cents = 1 WHERE ref = 'twice'")
    change(data, "provider.db", "UPDATE charge SET cents = 1 WHERE charge_key = ?", key)
    code, said = audit()
    want(code == 1 and "order twice costs 500, the provider keeps 1" in said, "a wrong charge, unseen", said)


def people(shop):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        orders, products, data = folder / "orders", folder / "products", folder / "shop"
        last = write_people(orders)
        products.write_text(PRODUCT + PRODUCT.replace('"sku": "1"', '"sku": "2"'))
        for placed in (0, len(PEOPLE)):
            code, summary, said = run(shop, data, orders, products, "--dispatch-ms", "2000", "--restock", "2")
            want_sound(code, summary, said, len(PEOPLE))
            want(f"{placed} orders were there already" in said or not placed, "placed twice?", said)
            want(summary["refused"] == len(UNKNOWN) + 2 and summary["cancelled"] == 1, "refused", said)
            want(f"{orders}:{last + 1}: refused: order very long: the line has " in said, "whose line it is", said)
            want(f"{orders}:{last + 2}: refused: the line has " in said, "a ref of something else", said)
            shown = {int(n) for n in re.findall(r"shop: \d+ of (\d+) orders ended", said)}
            want(shown and max(shown) <= len(PEOPLE), f"progress of {shown} orders", said)
            check_people(data, said)
        check_audit(shop, data)


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
    if len(sys.argv) != 3 or sys.argv[2] not in ("northwind", "dirty", "people", "kill"):
        sys.exit(__doc__)
    globals()[sys.argv[2]](sys.argv[1])
