#!/usr/bin/env python3
"""The services after a long time.

usage: services_time.py ORDER PAYMENT STOCK SHOP SAGA long|forgotten

long       One order has thousands of amendments and carrier's reports: it is read page by page, and
           goes on as any other.
forgotten  What the slots knew is forgotten (after 90 days): what is told and asked again with the same
           keys is done once.
"""
import contextlib
import os
import sqlite3
import sys
import urllib.parse

from services import LINE, Shop, refused, until, want

AMENDMENTS, REPORTS = 1500, 3000


@contextlib.contextmanager
def database(shop, name):
    with contextlib.closing(sqlite3.connect(shop.folder / f"{name}.db", timeout=60)) as db, db:
        yield db


def saga_of(shop, ref):
    return bytes.fromhex(shop.order_of(ref)["saga"].replace("-", ""))


# ---- long ----

def pages(service, path, member):
    """All of a member, page by page; how long the longest page was."""
    found, longest, after = [], 0, None
    while after is not None or not found:
        code, page, _ = service.ask("GET", path + (f"?after={urllib.parse.quote(after, safe='')}" if after else ""))
        want(code == 200, f"a page of {path}", page)
        found += page[member]
        longest = max(longest, len(page[member]))
        after = page.get("next")
    return found, longest


def check_amendments(shop):
    """Names, reasons and lines as long as they may be."""
    order = shop.order
    lines = [{"sku": f"{n:03}{37 * 'x'}", "quantity": 1000000 - n, "unit_price_cents": 0, "discount_percent": 0}
             for n in range(500)]
    code, taken, _ = order.ask("POST", "/orders", {"ref": 40 * "L", "customer": 40 * "c", "country": 40 * "d",
                                                   "lines": lines}, key="long")
    want(code == 202, "an order of 500 lines", taken)
    shop.wait_for(40 * "L", "cancelled")
    shop.place("L1")
    shop.wait_paid("L1")
    names = [f"{n:05} {249 * 'ü'}"[:255] for n in range(AMENDMENTS)]
    for ref in (40 * "L", "L1"):
        saga = saga_of(shop, ref)
        with database(shop, "order") as db:
            db.executemany("INSERT INTO amendment (saga, name, state, why) VALUES (?, ?, 'refused', ?)",
                           [(saga, name, 255 * "w") for name in names])
        found, longest = pages(order, f"/orders/{ref}", "amendments")
        want([a["name"] for a in found] == names and longest == 16, f"{len(found)} amendments, {longest} a page")
    want([line["sku"] for line in order.ask("GET", f"/orders/{40 * 'L'}")[1]["lines"]] == [l["sku"] for l in lines],
         "lines in their order")
    one = order.ask("GET", f"/orders/L1?amendment={urllib.parse.quote(names[700])}")[1]
    want([a["name"] for a in one["amendments"]] == [names[700]] and "next" not in one, "one amendment", one)
    # It is amended and cancelled as any other.
    code, taken, headers = order.ask("PATCH", "/orders/L1", {"lines": [LINE, LINE]}, key="zz")
    want(code == 202 and headers["Location"] == "/orders/L1", "amended", taken)
    until(lambda: order.ask("GET", "/orders/L1?amendment=zz")[1]["amendments"][0]["state"] == "applied", "applied")
    want(order.ask("DELETE", "/orders/L1", key="cancel")[0] == 202, "cancelled")
    shop.wait_for("L1", "cancelled")


def check_reports(shop):
    stock = shop.stock
    shop.place("S1")
    shop.wait_for("S1", "fulfilled")
    first = stock.ask("GET", "/shipments/S1")[1]
    path = f"/shipments/{first['tracking']}/events"
    at = first["history"][0]["at"]
    # Two at a time each, so that a page ends between them.
    reports = [(f"{n:05} {249 * 'k'}", f"{n} {250 * 'p'}", at + 1 + n // 2) for n in range(REPORTS)]
    saga = saga_of(shop, "S1")
    with database(shop, "stock") as db:
        db.executemany("INSERT INTO parcel_event (saga, name, what, place, at) VALUES (?, ?, 'moved', ?, ?)",
                       [(saga, *report) for report in reports])
    found, longest = pages(stock, "/shipments/S1", "history")
    want([h["place"] for h in found] == ["the warehouse"] + [place for _, place, _ in reports] and longest == 64,
         f"{len(found)} reports, {longest} a page")
    beyond = stock.ask("GET", "/shipments/S1?after=9999999999999%20x")[1]
    want(beyond["tracking"] == first["tracking"] and not beyond["history"], "beyond the last page", beyond)
    code, noted, headers = stock.ask("POST", path, {"place": "the door", "delivered": True}, key="door")
    want(code == 202 and headers["Location"] == "/shipments/S1", "reported", noted)
    shop.wait_for("S1", "completed")


def long(programs):
    with Shop(programs, dispatch_ms=600000) as shop:
        shop.start()
        check_amendments(shop)
        shop.stock.drain()
        shop.stock.start("--dispatch-ms", 1)
        shop.stock.wait_well()
        check_reports(shop)
        for service in shop.services:
            service.drain()
        shop.want_sound()


# ---- forgotten ----

def forget(shop):
    """What is forgotten 90 days after the last move: of sagas at rest, their slots."""
    for service in shop.services:
        service.drain()
    for service in shop.services:
        with database(shop, service.name) as db:
            left = db.execute("SELECT count(*) FROM saga_slot WHERE state NOT IN"
                              " ('done', 'rejected', 'failed', 'barred', 'undone')").fetchone()[0]
            want(left == 0, f"{service.name} is not at rest", left)
            want(db.execute("DELETE FROM saga_slot").rowcount > 0, "nothing was known")
    for service in shop.services:
        service.start()
    for service in shop.services:
        service.wait_well()


def what_is_open(shop):
    with database(shop, "stock") as db:
        goods = db.execute("SELECT sku, opened, free FROM stock ORDER BY sku").fetchall()
        countries = db.execute("SELECT country FROM excluded ORDER BY country").fetchall()
    with database(shop, "payment") as db:
        return goods, countries, db.execute("SELECT customer, credit_cents FROM account ORDER BY 1").fetchall()


def check_start(shop, opened):
    until(lambda: all("what=start.told" in s.log().rsplit("listens", 1)[-1] for s in (shop.stock, shop.payment)),
          "the data of its start are in")
    want(what_is_open(shop) == opened, "something was opened twice", (opened, what_is_open(shop)))
    for service in shop.services:
        want("level=alarm" not in service.log() and "start.refused" not in service.log(), "an alarm", service.log())
        said = service.ask("GET", "/healthz")[1]
        want(said["dead"] == said["parked"] == said["waiting"] == 0, "something is left", said)


def forgotten(programs):
    with Shop(programs, dispatch_ms=1) as shop:
        shop.start()
        for ref in ("F1", "F2"):
            shop.place(ref)
            shop.wait_for(ref, "fulfilled")
            tracking = shop.stock.ask("GET", f"/shipments/{ref}")[1]["tracking"]
            report = ("POST", f"/shipments/{tracking}/events", {"place": "the door", "delivered": True})
            want(shop.stock.ask(*report, key="door")[0] == 202, "delivered")
            shop.wait_for(ref, "completed")
        opened = what_is_open(shop)
        history = shop.stock.ask("GET", "/shipments/F2")[1]["history"]
        for _ in range(2):
            forget(shop)
            check_start(shop, opened)
            # The customer, and the carrier, ask again with keys that nobody knows any more.
            refused(shop.order, 409, "POST", "/orders", "placed before", key="F2",
                    body={"ref": "F2", "customer": "Teehaus Linde", "country": "Denmark", "lines": [LINE]})
            refused(shop.order, 409, "POST", "/orders", "by this key", key="F1",
                    body={"ref": "F3", "customer": "Teehaus Linde", "country": "Denmark", "lines": [LINE]})
            want(shop.stock.ask(*report, key="door")[0] == 202, "reported again")
            want(shop.stock.ask("GET", "/shipments/F2")[1]["history"] == history, "reported twice")
            want(shop.order_of("F2")["state"] == "completed", "it is completed")
            check_start(shop, opened)
        for service in shop.services:
            service.drain()
        shop.want_sound()


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("long", "forgotten"):
        sys.exit(__doc__)
    globals()[sys.argv[6]]([os.path.abspath(program) for program in sys.argv[1:6]])
