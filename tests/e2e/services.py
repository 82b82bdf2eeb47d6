#!/usr/bin/env python3
"""The shop as three processes, by HTTP.

usage: services.py ORDER PAYMENT STOCK SHOP SAGA routes|drive|away|settings|postgres

ORDER, PAYMENT and STOCK are the services' programs, SHOP and SAGA the commands. Each test has a
folder, a bus and ports of its own. What is asked, and each status that comes back, must stand in
examples/shop/openapi.yaml. `postgres` is routes and drive on a server of its own.
"""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import made_orders

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "shop" / "sample"
DATA = made_orders.data_folder(ROOT.parent / "shared" / "data")
PATIENCE_S = 120
DRIVEN = 40  # times the sample
SANITIZER = re.compile("ERROR: [A-Z][A-Za-z]+Sanitizer|DEADLYSIGNAL|runtime error:")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LINE = {"sku": "TEA-1", "quantity": 2, "unit_price_cents": 650}


def telling(said):
    """The lines that matter: what a sanitizer says, else the last that are not of the usual."""
    lines = str(said).splitlines()
    for at, line in enumerate(lines):
        if SANITIZER.search(line):
            return [line[:200] for line in lines[at:at + 40]]
    return [line[:300] for line in lines if "level=info" not in line and "http.replied" not in line][-15:]


def fail(what, said=""):
    """What failed comes last: a log is often cut, and never there."""
    sys.exit("\n".join([*telling(said), f"FAILED: {what}"]))


def want(true, what, said=""):
    if not true:
        fail(what, said)


def until(true, what, patience_s=PATIENCE_S, said=str):
    """Waits until it is so; what it answered."""
    end = time.monotonic() + patience_s
    while True:
        is_so = true()
        if is_so:
            return is_so
        if time.monotonic() > end:
            fail(f"after {patience_s} s still not: {what}", said())
        time.sleep(0.02)


given_ports = set()


def free_port():
    """
    Below those that the system gives to whoever connects, or asks for any: nobody gets it while
    its owner is killed and started again.
    """
    least = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10000, least if least > 12000 else 32768)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            if port not in given_ports:
                given_ports.add(port)
                return port


# ---- openapi.yaml: which statuses each method of each path may have ----

def read_openapi():
    paths, path, method = {}, None, None
    text = (ROOT / "examples" / "shop" / "openapi.yaml").read_text()
    for line in text[text.index("\npaths:"):text.index("\ncomponents:")].splitlines():
        if found := re.fullmatch(r"  (/\S+):", line):
            path = found[1]
        elif found := re.fullmatch(r"    (get|post|patch|delete|put):", line):
            method = found[1].upper()
        elif found := re.match(r'        "(\d+)":', line):
            paths.setdefault((path, method), set()).add(int(found[1]))
    return paths


OPENAPI = read_openapi()
asked = set()  # of it


def shape_of(service, method, path):
    path = path.split("?")[0]
    for shape, known in OPENAPI:
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", shape), path):
            return shape, known
    return None


# ---- processes ----

class Service:
    def __init__(self, shop, name, program, *flags):
        self.shop, self.name, self.flags = shop, name, [str(f) for f in flags]
        self.program = program
        self.log_path = shop.folder / f"{name}.log"
        self.log_path.touch()
        self.port, self.process, self.token = free_port(), None, None
        self.store = None

    def start(self, *more, **environment):
        """Starts it, at the port that it had before; waits until it listens."""
        size = self.log_path.stat().st_size
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--bus", self.shop.bus_url, "--store", self.store_url(),
                 "--listen", f"127.0.0.1:{self.port}", *self.flags, *map(str, more)],
                stdout=log, stderr=log, cwd=self.shop.folder, env={**os.environ, **environment})

        def port():
            found = re.search(r"listens at port (\d+)", self.log()[size:])
            want(self.process.poll() is None, f"{self.name} ended", self.log()[size:])
            return found and int(found[1])

        self.port = until(port, f"{self.name} listens")

    def store_url(self):
        return self.store or f"sqlite:{self.shop.folder}/{self.name}.db"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """Its exit code, which must come within its drain time and some."""
        if not self.process:
            return 0
        self.process.send_signal(number)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            fail(f"{self.name} does not end", self.log())
        self.process = None
        return code

    def drain(self):
        code = self.stop()
        want(code == 0, f"{self.name} did not drain: exit {code}", self.log())

    def ask(self, method, path, body=None, key=None, headers=None, raw=None):
        """Status, JSON or text, headers."""
        headers = dict(headers or {})
        if body is not None:
            raw = json.dumps(body)
        if raw is not None:
            headers.setdefault("Content-Type", "application/json")
        if key is not None:
            headers["Idempotency-Key"] = key
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=raw, headers=headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        kind = reply.headers.get("Content-Type", "")
        shape = shape_of(self, method, path)
        if shape:
            asked.add(shape)
            want(reply.status in OPENAPI[shape], f"openapi.yaml has no {reply.status} of {shape}",
                 text)
        if reply.status >= 400:
            want(kind == "application/problem+json", f"{method} {path}: {reply.status} is {kind}",
                 text)
            problem = json.loads(text)
            want(problem["status"] == reply.status and problem["title"] and problem["detail"],
                 "a problem that says little", text)
        return reply.status, json.loads(text) if "json" in kind else text, reply.headers

    def health(self):
        """Its status, and why it is not well."""
        try:
            code, said, _ = self.ask("GET", "/healthz")
            return code, said.get("detail", "")
        except (OSError, http.client.HTTPException) as away:
            return 0, str(away)

    def is_well(self):
        return self.health()[0] == 200

    def wait_well(self):
        until(self.is_well, f"{self.name} is well", said=lambda: f"{self.log()}\n{self.health()}")


class Shop:
    """A folder with a bus and three services that are not started yet."""

    def __init__(self, programs, *, dispatch_ms=300, faults="1,0,0,0,0", restock=1, stores=None):
        order, payment, stock, self.shop, self.saga = programs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shop-"))
        self.bus_url = f"nng+ipc://{self.folder}/bus"
        self.bus = None
        self.order = Service(self, "order", order)
        self.payment = Service(self, "payment", payment, "--credit", SAMPLE / "credit.ndjson",
                               "--provider-faults", faults,
                               "--ledger", self.folder / "provider.db")
        self.stock = Service(self, "stock", stock, "--products", SAMPLE / "products.ndjson",
                             "--carrier", SAMPLE / "carrier.ndjson", "--restock", restock,
                             "--dispatch-ms", dispatch_ms)
        self.services = [self.order, self.payment, self.stock]
        for service in self.services:
            service.flags += ["--drain-ms", "60000"]  # the machine may be slow
            service.store = stores(service.name) if stores else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in [self.bus] + [s.process for s in self.services]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_bus(self):
        with open(self.folder / "bus.log", "ab") as log:
            self.bus = subprocess.Popen([self.saga, "bus", "--in", self.bus_url],
                                        stdout=log, stderr=log)

    def stop_bus(self):
        self.bus.kill()
        self.bus.wait()

    def start(self):
        self.start_bus()
        for service in self.services:
            service.start()
        for service in self.services:
            service.wait_well()

    def place(self, ref, *lines, key=None, customer="Teehaus Linde", country="Denmark", **more):
        return self.order.ask("POST", "/orders", {"ref": ref, "customer": customer,
                                                  "country": country,
                                                  "lines": list(lines or [LINE])},
                              key=key or ref, **more)

    def order_of(self, ref):
        return self.order.ask("GET", f"/orders/{ref}")[1]

    def wait_for(self, ref, state):
        return until(lambda: self.order_of(ref).get("state") == state, f"order {ref} is {state}")

    def wait_paid(self, ref):
        until(lambda: self.stock.ask("GET", f"/shipments/{ref}")[1].get("paid"), f"{ref} is paid")

    def audit(self):
        said = subprocess.run(
            [self.shop, "audit", "--ledger", self.folder / "provider.db",
             *[f"--store-{s.name}={s.store_url()}" for s in self.services], "--json"],
            capture_output=True, text=True)
        return said.returncode, said.stdout + said.stderr

    def want_sound(self):
        for service in self.services:  # a process may have been killed while it said this
            want(not SANITIZER.search(service.log()), f"{service.name} went wrong", service.log())
        code, said = self.audit()
        want(code == 0 and '"violations":0' in said and '"dead":0' in said, "the audit", said)


# ---- routes: what each answers, and refuses ----

def refused(service, status, method, path, says=None, **how):
    code, problem, headers = service.ask(method, path, **how)
    want(code == status, f"{method} {path}: {code}, not {status}", problem)
    if says:
        want(says in problem["detail"], f"{method} {path}: {status} without `{says}`", problem)
    return headers


def check_quoted_keys(shop):
    order = shop.order
    body = {"ref": "Q1", "customer": "X", "country": "Denmark", "lines": [LINE]}
    first = order.ask("POST", "/orders", body=body, key="Q1")
    again = order.ask("POST", "/orders", body=body, key='"Q1"')
    want(first[0] == 202 and again[0] in (200, 202) and again[1]["repeated"]
         and again[1]["saga"] == first[1]["saga"], "a quoted key is another one", (first, again))
    escaped = {**body, "ref": "Q2"}
    first = order.ask("POST", "/orders", body=escaped, key='"a\\"b\\\\c"')
    again = order.ask("POST", "/orders", body=escaped, key='a"b\\c')
    want(first[0] == 202 and again[1].get("repeated"), "an escaped key is another one", (first, again))
    for key in ('"Q1', '""', '"Q1"x', '"' + "k" * 256 + '"'):
        refused(order, 400, "POST", "/orders", "Idempotency-Key", body=body, key=key)


def check_refusals(shop):
    order, stock, payment = shop.order, shop.stock, shop.payment
    good = {"ref": "R1", "customer": "X", "country": "Denmark", "lines": [LINE]}
    refused(order, 400, "POST", "/orders", "Idempotency-Key", body=good)
    refused(order, 400, "POST", "/orders", "Idempotency-Key", body=good, key="k" * 256)
    refused(order, 415, "POST", "/orders", body=good, key="k",
            headers={"Content-Type": "text/plain"})
    refused(order, 400, "POST", "/orders", "no body", raw="", key="k")
    for raw in ('{"ref": "R1"', "[]", "\xff", '{"ref": "R1"}', "null", "{}", "[" * 5000,
                json.dumps({**good, "colour": "red"}), json.dumps({**good, "lines": "TEA-1"}),
                json.dumps({**good, "customer": 7})):
        refused(order, 400, "POST", "/orders", raw=raw.encode("latin-1"), key="k")
    for line, says in (({**LINE, "quantity": 0}, "quantity"), ({**LINE, "quantity": 1 << 40}, "quantity"),
                       ({**LINE, "unit_price_cents": -1}, "price"),
                       ({**LINE, "discount_percent": 101}, "discount"), ({**LINE, "sku": ""}, "product")):
        refused(order, 400, "POST", "/orders", says, body={**good, "lines": [line]}, key="k")
    refused(order, 400, "POST", "/orders", "lines", body={**good, "lines": []}, key="k")
    refused(order, 400, "POST", "/orders", "40 bytes", body={**good, "ref": "r" * 41}, key="k")
    refused(order, 413, "POST", "/orders", "65536", raw=" " * 65537, key="k")
    chunks = (b" " * 8192 for _ in range(10))
    refused(order, 413, "POST", "/orders", "65536", raw=chunks, key="k")
    refused(order, 431, "GET", "/orders/x", "8192", headers={"X-Long": "x" * 9000})
    want(order.ask("GET", "/orders/R1")[0] == 404, "a refused order is there")
    # Paths and methods that are none.
    for service in shop.services:
        refused(service, 404, "GET", "/nothing")
        refused(service, 404, "GET", "/")
        want(refused(service, 405, "PUT", "/healthz")["Allow"] == "GET, HEAD", "no Allow")
        refused(service, 405, "POST", "/metrics")
    want(refused(order, 405, "PUT", "/orders")["Allow"] == "POST, GET, HEAD", "Allow of /orders")
    want(refused(order, 405, "POST", "/orders/x")["Allow"] == "GET, HEAD, PATCH, DELETE",
         "Allow of an order")
    refused(order, 404, "GET", "/orders/x/y")
    for path in ("/orders/%zz", "/orders/%00", "/orders/a%0", "/orders?after=%zz"):
        refused(order, 400, "GET", path)
    refused(order, 400, "GET", "/orders/%ff%fe")  # no UTF-8
    refused(order, 400, "GET", "/orders?status=lost", "status")
    # What is not there.
    refused(order, 404, "GET", "/orders/none", "no such order")
    refused(order, 404, "PATCH", "/orders/none", body={"lines": [LINE]}, key="k")
    refused(order, 404, "DELETE", "/orders/none", key="k")
    refused(payment, 404, "GET", "/payments/none", "charged")
    refused(stock, 404, "GET", "/stock/NOT", "no such product")
    refused(stock, 404, "GET", "/shipments/none")
    report = {"place": "Oslo", "delivered": False}
    refused(stock, 404, "POST", "/shipments/none/events", body=report, key="k")
    refused(stock, 404, "POST", f"/shipments/{'0' * 8}-0000-7000-8000-{'0' * 12}/events",
            body=report, key="k")
    refused(stock, 400, "POST", "/shipments/none/events", body=report)
    # An odd name goes its way.
    code, taken, headers = shop.place("a/b c%ü?", key="odd")
    want(code == 202 and taken["ref"] == "a/b c%ü?", "an odd ref", taken)
    want(headers["Location"] == "/orders/a%2Fb%20c%25%C3%BC%3F", "where it is", headers)
    want(order.ask("GET", "/orders/a%2Fb%20c%25%C3%BC%3F")[1]["ref"] == "a/b c%ü?", "its order")
    # What is not there may be null.
    want(shop.place("N1", {**LINE, "discount_percent": None})[0] == 202, "null")
    refused(order, 400, "POST", "/orders", "quantity", body={**good, "lines": [{**LINE, "quantity": None}]}, key="k")


def raw(service, *pieces, pause_s=0.05):
    """What comes back for these bytes, sent piece by piece, until the service closes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65536):
            said += part
    return said


def check_wire(shop):
    """Requests as no library sends them."""
    order = shop.order
    body = json.dumps({"ref": "W1", "customer": "X", "country": "Denmark", "lines": [LINE]}).encode()
    head = (b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Idempotency-Key: W1\r\nContent-Length: %d\r\n" % len(body))
    # Byte by byte; two in one piece; the client gone before its answer: it was placed all the same.
    want(b" 202 " in raw(order, head[:20], head[20:] + b"\r\n" + body[:9], body[9:]), "in pieces")
    two = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    want(raw(order, two + two).count(b"HTTP/1.1 200 OK") == 2, "two in one piece")
    want(b" 100 Continue" in raw(order, head + b"Expect: 100-continue\r\n\r\n", body, pause_s=0.3),
         "100-continue")
    gone = head.replace(b"W1", b"W2") + b"Connection: close\r\n\r\n" + body.replace(b"W1", b"W2")
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", order.port)) as connection:
            connection.sendall(gone)
    until(lambda: order.ask("GET", "/orders/W2")[0] == 200, "W2 is placed")
    head_only = raw(order, b"HEAD /orders/W2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    want(b" 200 " in head_only and head_only.endswith(b"\r\n\r\n"), "HEAD", head_only)
    for bad in (b"GET\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"GET /orders HTTP/9.9\r\n\r\n",
                b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"GET /orders HTTP/1.1\r\n\r\n", head + b"\r\n" + body[:5]):
        want(b" 200 " not in raw(order, bad) and b" 202 " not in raw(order, bad), "a bad request", bad)
    # More connections than it takes: those that it took go on.
    many = [socket.create_connection(("127.0.0.1", order.port)) for _ in range(600)]
    for connection in many:
        connection.close()
    order.wait_well()
    want(order.log().count("what=http.replied") > 20, "its log")


def check_keys(shop):
    code, first, headers = shop.place("K1", headers={"traceparent": TRACE})
    want(code == 202 and not first["repeated"] and headers["traceparent"] == TRACE, "place", first)
    want(headers["Location"] == "/orders/K1", "where it is", headers)
    want(abs(shop.order_of("K1")["placed_at"] - 1000 * time.time()) < 1000 * PATIENCE_S, "when", shop.order_of("K1"))
    code, again, _ = shop.place("K1")
    want(code == 202 and again == {**first, "repeated": True}, "the same again", again)
    code, problem, _ = shop.place("K1", {**LINE, "quantity": 3})
    want(code == 422 and problem["code"] == "CONFLICT", "another body", problem)
    for _ in range(2):
        refused(shop.order, 409, "POST", "/orders", "placed before", key="K1 again",
                body={"ref": "K1", "customer": "X", "country": "Denmark", "lines": [LINE]})
    shop.wait_for("K1", "fulfilled")
    # A trace that is none is replaced, and all answers bear one.
    other = shop.order.ask("GET", "/orders/K1", headers={"traceparent": "00-zz"})[2]["traceparent"]
    want(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", other), "a new traceparent", other)
    return first["saga"]


def check_trace(shop, saga):
    """What came by HTTP is in the events of all three."""
    for service in shop.services:
        shown = subprocess.run([shop.saga, "show", "--json", "--store", service.store_url(), saga],
                               capture_output=True, text=True)
        want(TRACE in shown.stdout, f"no traceparent in what {service.name} keeps",
             shown.stdout + shown.stderr)
    want(f"traceparent={TRACE}" in shop.order.log(), "no traceparent in the log", shop.order.log())


def check_ends(shop):
    """Orders that end ill end for their reason."""
    shop.place("E1", {**LINE, "sku": "NOT"})
    shop.place("E2", {**LINE, "sku": "POT-2", "quantity": 7})
    shop.place("E3", {**LINE, "sku": "CUP-1", "quantity": 50, "unit_price_cents": 900}, customer="Ben")
    shop.place("E4", country="Iceland")
    for ref, why in (("E1", "no such product"), ("E2", "not enough"), ("E3", "credit"), ("E4", "carrier")):
        shop.wait_for(ref, "cancelled")
        want(why in shop.order_of(ref)["why"], f"{ref}: not because of {why}", shop.order_of(ref))
    refused(shop.payment, 404, "GET", "/payments/E3")
    want(shop.payment.ask("GET", "/payments/E4")[1]["refunded"], "E4 was refunded")
    want(shop.stock.ask("GET", "/shipments/E4")[1]["state"] == "released", "E4 was released")
    numbers = read_metrics(shop.payment.ask("GET", "/metrics")[1])
    want(numbers["saga_steps_total", 'participant="payment",step="charge",outcome="rejected"'] == 1,
         "one was declined", numbers)
    for how in ({"method": "DELETE"}, {"method": "PATCH", "body": {"lines": [LINE]}}):
        refused(shop.order, 409, path="/orders/E4", says="cancelled", key=f"late {how['method']}", **how)


def check_changes(shop):
    """Amend, cancel, deliver; a change under way is in the way of another."""
    order, stock = shop.order, shop.stock
    more = {"lines": [{**LINE, "quantity": 5}]}
    shop.place("C1")
    shop.place("C2")
    shop.wait_paid("C1")
    free = stock.ask("GET", "/stock/TEA-1")[1]["free"]
    code, taken, _ = order.ask("PATCH", "/orders/C1", more, key="amend C1")
    want(code == 202 and taken["ref"] == "C1", "amend", taken)
    code, again, _ = order.ask("PATCH", "/orders/C1", more, key="amend C1")
    want(code == 202 and again["repeated"], "amend again", again)
    refused(order, 422, "PATCH", "/orders/C1", body={"lines": [LINE]}, key="amend C1")
    until(lambda: shop.order_of("C1")["amendments"][0]["state"] != "asked", "C1 is amended")
    want(shop.order_of("C1")["amendments"][0]["state"] == "applied", "amended", shop.order_of("C1"))
    want(shop.order_of("C1")["lines"][0]["quantity"] == 5, "five", shop.order_of("C1"))
    want(stock.ask("GET", "/stock/TEA-1")[1]["free"] == free - 3, "three more are taken")
    refused(stock, 409, "POST", f"/shipments/{taken['saga']}/events", "not on its way",
            body={"place": "Oslo", "delivered": False}, key="early")
    want(shop.payment.ask("GET", "/payments/C1")[1]["cents"] == 5 * 650, "five are paid")
    refused(order, 400, "PATCH", "/orders/C1", "lines", body={"lines": []}, key="bad")
    code, taken, _ = order.ask("DELETE", "/orders/C2", key="cancel C2")
    want(code == 202, "cancel", taken)
    want(order.ask("DELETE", "/orders/C2", key="cancel C2")[1]["repeated"], "cancel again")
    refused(order, 409, "DELETE", "/orders/C2", "cancel", key="cancel C2 once more")
    refused(order, 409, "PATCH", "/orders/C2", "cancel", body=more, key="amend C2")
    shop.wait_for("C2", "cancelled")
    want(shop.order_of("C2")["why"] == "cancelled by the customer", "why", shop.order_of("C2"))
    shop.wait_for("C1", "fulfilled")
    refused(order, 409, "PATCH", "/orders/C1", "fulfilled", body=more, key="late")
    refused(order, 409, "DELETE", "/orders/C1", "fulfilled", key="late")
    tracking = stock.ask("GET", "/shipments/C1")[1]["tracking"]
    path = f"/shipments/{tracking}/events"
    for place, delivered in (("Hamburg", False), ("Aarhus", True)):
        code, noted, _ = stock.ask("POST", path, {"place": place, "delivered": delivered}, key=place)
        want(code == 202 and not noted["repeated"], "reported", noted)
    want(stock.ask("POST", path, {"place": "Aarhus", "delivered": True}, key="Aarhus")[1]["repeated"],
         "reported again")
    refused(stock, 422, "POST", path, body={"place": "Oslo", "delivered": True}, key="Aarhus")
    refused(stock, 400, "POST", path, body={"place": "Oslo"}, key="half")
    refused(stock, 400, "POST", path, "255", body={"place": "x" * 300, "delivered": False}, key="long")
    history = stock.ask("GET", "/shipments/C1")[1]["history"]
    want([(h["what"], h["place"]) for h in history] ==
         [("created", "the warehouse"), ("moved", "Hamburg"), ("delivered", "Aarhus")],
         "the history", history)
    shop.wait_for("C1", "completed")
    refused(order, 409, "PATCH", "/orders/C1", "completed", body=more, key="too late")
    refused(order, 409, "DELETE", "/orders/C1", "completed", key="too late")


def check_under_way(shop):
    """An amendment that is under way: 409 for the next. The payment is away, so that it lasts."""
    shop.place("U1")
    shop.wait_paid("U1")
    shop.payment.stop()
    more = {"lines": [{**LINE, "quantity": 1}]}
    want(shop.order.ask("PATCH", "/orders/U1", more, key="first")[0] == 202, "first")
    want(shop.order_of("U1")["state"] == "amending" and shop.order_of("U1")["pending"] == "first",
         "under way", shop.order_of("U1"))
    refused(shop.order, 409, "PATCH", "/orders/U1", "amending", body=more, key="second")
    refused(shop.order, 409, "DELETE", "/orders/U1", "amending", key="third")
    shop.payment.start()
    shop.wait_for("U1", "fulfilled")


def check_list(shop):
    refs = []
    page = shop.order.ask("GET", "/orders")[1]
    want("next" not in page, "one page", page)
    before = [o["ref"] for o in page["orders"]]
    want(before == sorted(before, key=str.encode) and "C1" in before, "by ref", before)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        taken = pool.map(lambda n: shop.place(f"L{n:03}", {**LINE, "sku": "TIN-1", "quantity": 1})[0],
                         range(120))
        want(set(taken) == {202}, "120 orders")
    after = ""
    while after is not None:
        page = shop.order.ask("GET", f"/orders?after={after}")[1]
        refs += [o["ref"] for o in page["orders"]]
        after = page.get("next")
        after = after and after.replace("/", "%2F").replace(" ", "%20").replace("%ü", "%25%C3%BC")
    want(len(refs) == len(before) + 120 and len(set(refs)) == len(refs), "all pages", refs)
    until(lambda: not any(shop.order.ask("GET", f"/orders?status={s}")[1]["orders"]
                          for s in ("placed", "amending", "cancelling")), "all have ended")
    done = shop.order.ask("GET", "/orders?status=completed")[1]["orders"]
    want([o["ref"] for o in done] == ["C1"] and done[0]["placed_at"] > 0, "completed", done)


SAMPLE_LINE = re.compile(
    r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?\d+(?:\.\d+)?)')


def read_metrics(text):
    """The strict grammar of text format 0.0.4: samples of a name together, HELP and TYPE before."""
    kinds, samples, at, seen = {}, {}, None, set()
    want(text.endswith("\n"), "metrics end without a newline")
    for line in text.splitlines():
        if found := re.fullmatch(r"# HELP ([a-z_]+) (\S.*)", line):
            want(found[1] not in seen, f"{found[1]} comes twice", text)
            at = found[1]
            seen.add(at)
        elif found := re.fullmatch(r"# TYPE ([a-z_]+) (counter|gauge|histogram)", line):
            want(found[1] == at and at not in kinds, f"TYPE of {found[1]}", text)
            kinds[at] = found[2]
        else:
            found = SAMPLE_LINE.fullmatch(line)
            want(found, f"no sample: {line}")
            name, labels = found[1], dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            base = re.sub("_(bucket|sum|count)$", "", name) if kinds[at] == "histogram" else name
            want(base == at, f"{name} stands under {at}")
            want((name, found[2]) not in samples, f"{line} comes twice")
            samples[name, found[2] or ""] = float(found[3])
            want(kinds[at] != "counter" or name.endswith("_total"), f"counter {name}")
    for name in (n for n, kind in kinds.items() if kind == "histogram"):
        check_histogram(name, samples)
    return samples


def check_histogram(name, samples):
    rows = {}
    for (sample, labels), value in samples.items():
        if sample == name + "_bucket":
            *rest, bound = labels.split(",")
            rows.setdefault(",".join(rest), []).append((bound, value))
    for labels, buckets in rows.items():
        values = [v for _, v in buckets]
        want(buckets[-1][0] == 'le="+Inf"' and values == sorted(values), f"{name}: {buckets}")
        want(values[-1] == samples[name + "_count", labels], f"{name}_count")
        want((name + "_sum", labels) in samples, f"{name}_sum")


def check_metrics(shop):
    numbers = {}
    for service in shop.services:
        code, text, headers = service.ask("GET", "/metrics")
        want(code == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"),
             "metrics", headers)
        numbers.update(read_metrics(text))
    for step, outcome in (("order", 'step="place",outcome="done"'), ("stock", 'step="reserve",outcome="undone"'),
                          ("order", 'step="place",outcome="undone"'), ("stock", 'step="ship",outcome="barred"'),
                          ("stock", 'step="reserve",outcome="rejected"'), ("order", 'step="get",outcome="read"'),
                          ("payment", 'step="adjust",outcome="done"')):
        want(numbers.get(("saga_steps_total", f'participant="{step}",{outcome}'), 0) > 0,
             f"no {step} {outcome}", sorted(n for n in numbers if n[0] == "saga_steps_total"))
    want(numbers["saga_commit_seconds_count", 'participant="order"'] > 0, "no commits")
    want(numbers["shop_order_seconds_count", 'end="fulfilled"'] > 3, "no order took any time")
    want(numbers["saga_dead_letters_total", 'participant="stock"'] == 0, "a dead letter")
    want(numbers["http_requests_total", 'method="POST",route="/orders",status="422"'] == 1, "one 422")


def check_description(shop):
    file = (ROOT / "examples" / "shop" / "openapi.yaml").read_text()
    for service in shop.services:
        code, text, headers = service.ask("GET", "/openapi.yaml")
        want(code == 200 and headers["Content-Type"] == "application/yaml" and text == file, "openapi.yaml", text)


def routes(programs, stores=None):
    with Shop(programs, dispatch_ms=1500, stores=stores) as shop:
        shop.start()
        check_quoted_keys(shop)
        check_refusals(shop)
        check_wire(shop)
        saga = check_keys(shop)
        check_trace(shop, saga)
        check_ends(shop)
        check_changes(shop)
        check_under_way(shop)
        check_list(shop)
        check_metrics(shop)
        check_description(shop)
        want(asked == set(OPENAPI), "openapi.yaml has routes that nobody asked", set(OPENAPI) - asked)
        for service in shop.services:
            service.drain()
        shop.want_sound()


# ---- drive: a load, while services come and go ----

def drive_once(shop, orders, *more):
    done = subprocess.run(
        [shop.shop, "drive", "--url", f"http://127.0.0.1:{shop.order.port}", "--stock-url",
         f"http://127.0.0.1:{shop.stock.port}", "--orders", orders, "--json", *more],
        capture_output=True, text=True, timeout=400)
    said = done.stdout + done.stderr
    want(done.returncode == 0, f"drive: exit {done.returncode}", said)
    return json.loads(done.stdout.splitlines()[-1]), said


def many_orders(path):
    """The sample's orders, so many times that all services can be restarted meanwhile."""
    lines = (SAMPLE / "orders.ndjson").read_text().splitlines()
    with open(path, "w") as out:
        for n in range(DRIVEN):
            for line in lines:
                out.write(re.sub(r'"ref": "(\w+)"', rf'"ref": "\1-{n}"', line) + "\n")
    return path


def drive(programs, stores=None):
    with Shop(programs, dispatch_ms=700, faults="1,5,20,1,3", restock=DRIVEN, stores=stores) as shop:
        for service in shop.services:
            service.flags += ["--lease-ms", "3000"]
        shop.start()
        orders = many_orders(shop.folder / "orders.ndjson")
        ended = threading.Event()
        restarted = []

        def restart():
            """Each in turn ends while it is asked, now by SIGTERM, now by SIGKILL."""
            for number, service in enumerate(shop.services * 2):
                if ended.wait(0.7) and number >= len(shop.services):
                    return
                code = service.stop(signal.SIGKILL if number % 2 else signal.SIGTERM)
                want(number % 2 or code == 0, f"{service.name} did not drain", service.log())
                service.start()
                restarted.append(service.name)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            restarts = pool.submit(restart)
            counts, said = drive_once(shop, orders, "--products", SAMPLE / "products.ndjson")
            ended.set()
            restarts.result()
        print(counts, "restarted:", *restarted, flush=True)
        want(set(restarted) == {"order", "payment", "stock"}, "not all were restarted", restarted)
        want(counts["open"] == 0 and counts["lost"] == 0, "not all ended", said)
        want(counts["completed"] > 0 and counts["cancelled"] > 0 and counts["refused"] > 0, "ends", said)
        again, said = drive_once(shop, orders, "--products", SAMPLE / "products.ndjson")
        want(again["placed"] == 0 and again["repeated"] == counts["placed"] + counts["repeated"],
             "placed twice?", said)
        for service in shop.services:
            service.drain()
        shop.want_sound()


# ---- away: the bus, the store, the process ----

def health(service):
    code, said, headers = service.ask("GET", "/healthz")
    if code == 503:
        want(headers["Retry-After"], "no Retry-After", said)
    return code, said.get("detail", "")


def drain_without_store(shop):
    """What waits for a store that is not there is answered, and the process ends in its time."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(shop.stock.ask, "GET", "/stock/TEA-1")
        until(lambda: "saga_queue_items{participant=\"stock\",lane=\"0\"} 0" not in
              shop.stock.ask("GET", "/metrics")[1], "it waits")
        begun = time.monotonic()
        shop.stock.drain()
        want(time.monotonic() - begun < 30, "the drain took long")
        code, problem, headers = waits.result()
        # It may have been told that the store is away before it was told of the stop.
        want(code == 503 and problem["code"] in ("STOPPED", "AWAY") and headers["Retry-After"], "503", problem)


def away(programs):
    with Shop(programs, faults="1,0,0,0,100") as shop:  # each first answer of the provider is lost
        # No bus yet, and no folder for a store.
        shop.order.start()
        until(lambda: health(shop.order) == (503, "the bus can't be reached"), "order has no bus")
        shop.start_bus()
        shop.order.wait_well()
        folder = shop.folder / "later"
        shop.stock.store_url = lambda: f"sqlite:{folder}/stock.db"
        shop.stock.start("--drain-ms", 10000)
        until(lambda: health(shop.stock) == (503, "the store can't be reached"), "stock has no store")
        drain_without_store(shop)
        shop.stock.start("--drain-ms", 2000)
        folder.mkdir()
        shop.payment.start()
        for service in shop.services:
            service.wait_well()
        # What is placed while the bus is away waits, and ends once it is there.
        shop.stop_bus()
        until(lambda: health(shop.order)[0] == 503, "order sees that the bus is away")
        want(shop.place("A1", headers={"traceparent": TRACE})[0] == 202, "placed without a bus")
        want(shop.order_of("A1")["state"] == "placed", "it waits")
        shop.start_bus()
        shop.wait_for("A1", "fulfilled")
        retried = [line for line in shop.payment.log().splitlines() if "what=call.retried" in line]
        want(retried and f"traceparent={TRACE}" in retried[-1] and "saga=" in retried[-1],
             "no trace of the retried call", shop.payment.log())
        # A kept connection is told to go; what was asked before is answered.
        kept = http.client.HTTPConnection("127.0.0.1", shop.order.port, timeout=30)
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        begun = time.monotonic()
        shop.order.drain()
        want(time.monotonic() - begun < 30, "the drain took long")
        kept.close()
        shop.order.start()
        want(shop.order_of("A1")["state"] == "fulfilled", "it is there after the restart")
        want(shop.place("A1")[1]["repeated"], "and its key is known")
        for service in shop.services:
            want(service.stop(signal.SIGINT) == 0, f"{service.name}: SIGINT", service.log())
        shop.want_sound()


# ---- settings: what is wrong is named, and nothing is opened ----

def start_wrong(program, folder, says, *flags, **environment):
    done = subprocess.run([program, *map(str, flags)], capture_output=True, text=True, timeout=60,
                          cwd=folder, env={**os.environ, **environment})
    want(done.returncode == 2 and says in done.stderr,
         f"{flags} {environment}: exit {done.returncode}, no `{says}`", done.stderr)
    want(not list(folder.iterdir()), "something was opened", list(folder.iterdir()))


def settings(programs):
    order, payment, stock = programs[:3]
    with tempfile.TemporaryDirectory() as name, tempfile.NamedTemporaryFile() as blank:
        folder, empty = pathlib.Path(name), blank.name
        pathlib.Path(empty).write_text("\nsqlite:order.db\n")
        for program in (order, payment, stock):
            for flag, value in (("--lanes", "9"), ("--lanes", "x"), ("--drain-ms", "-1"),
                                ("--log-level", "loud"), ("--listen", "8081"),
                                ("--listen", "localhost:8081"), ("--listen", "127.0.0.1:70000"),
                                ("--store", "nothing"), ("--store", "nosuch:x"), ("--bus", "nosuch:x"),
                                ("--token", "short"), ("--token-file", "/nonexistent")):
                wrong = flag[2:] if flag in ("--token", "--store", "--bus") else value
                wrong = "transport" if wrong == "bus" else wrong
                start_wrong(program, folder, wrong, flag, value)
                variable = "SHOP_" + flag[2:].upper().replace("-", "_")
                start_wrong(program, folder, wrong, **{variable: value})
            start_wrong(program, folder, "needs a token", "--listen", "0.0.0.0:0")
            start_wrong(program, folder, "needs a token", "--listen", "[::]:0")
            start_wrong(program, folder, "@/nonexistent", "--store", "@/nonexistent")
            start_wrong(program, folder, "its first line is empty", "--store", f"@{empty}")
            start_wrong(program, folder, "more than 1023 bytes", SHOP_STORE="sqlite:" + 1024 * "x")
            start_wrong(program, folder, "no-such", "--no-such", "1")
            start_wrong(program, folder, "too much", "word")
            helped = subprocess.run([program, "--help"], capture_output=True, text=True)
            want(helped.returncode == 0 and "SHOP_DRAIN_MS" in helped.stdout, "help", helped.stdout)
            check_documented(helped.stdout)
        start_wrong(order, folder, "SHOP_DEADLINE_MS", SHOP_DEADLINE_MS="soon")
        start_wrong(payment, folder, "provider-faults", "--provider-faults", "1,2")
        start_wrong(payment, folder, "nothing.ndjson", "--credit", "nothing.ndjson")
        start_wrong(stock, folder, "nothing.ndjson", "--products", "nothing.ndjson")
    check_token(programs)
    check_taken(order)


def check_taken(order):
    """A port is listened at by one: a second service would get some of its requests."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        done = subprocess.run([order, "--bus", "none", "--listen", f"127.0.0.1:{port}"], cwd=folder,
                              capture_output=True, text=True, timeout=60)
        want(done.returncode == 1 and f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr,
             f"a port that is taken: exit {done.returncode}", done.stderr)


def check_documented(helped):
    """Each setting of --help stands in SERVICES.md, or in the kit's README.md without the prefix."""
    own = (ROOT / "examples" / "shop" / "SERVICES.md").read_text()
    common = (ROOT / "examples" / "kit" / "README.md").read_text()
    for flag, variable in re.findall(r"^  --(\S+) .*, SHOP(_\w+)$", helped, re.M):
        want(f"`--{flag}" in own + common and (f"`SHOP{variable}`" in own or f"`{variable}`" in common),
             f"neither document has {flag}", helped)


def check_token(programs):
    """On an address that others can reach: a token, for all but /healthz."""
    with Shop(programs) as shop:
        token = shop.folder / "token"
        token.write_text("0123456789abcdef0123\nmore\n")
        shop.start_bus()
        order = shop.order
        store = shop.folder / "store"
        store.write_text(f"{order.store_url()}\n")
        order.start("--listen", "0.0.0.0:0", "--token-file", token, "--store", f"@{store}")
        order.wait_well()  # without a token
        for given in (None, "Bearer wrong", "Bearer 0123456789abcdef012", "Basic 0123456789abcdef0123",
                      "Bearer 0123456789abcdef01234"):
            headers = {"Authorization": given} if given else {}
            want(refused(order, 401, "GET", "/orders", headers=headers)["WWW-Authenticate"] == "Bearer",
                 "no WWW-Authenticate")
            refused(order, 401, "GET", "/metrics", headers=headers)
            refused(order, 401, "GET", "/no/such/path", headers=headers)
        order.token = "0123456789abcdef0123"
        want(order.ask("GET", "/orders")[0] == 200, "with the token")
        want(order.ask("GET", "/metrics")[0] == 200, "with the token")
        want("0123456789abcdef" not in order.log(), "the token is in the log", order.log())
        want((shop.folder / "order.db").exists(), "the store that the file names")


# ---- postgres: the same on a server ----

@contextlib.contextmanager
def postgres_server():
    """Its URL without a database, and how it is told something in SQL."""
    server = ROOT / "tests" / "postgres"

    def tell(*words):
        done = subprocess.run([server, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        url = tell("start", folder)
        if url is None:
            print("SKIP: no PostgreSQL server can be started here")
            sys.exit(77)
        try:
            yield url.rsplit("/", 1)[0], lambda sql: tell("sql", folder, sql)
        finally:
            tell("stop", folder)


def postgres(programs):
    with postgres_server() as (url, sql):
        def new_store(name):
            want(sql(f"DROP DATABASE IF EXISTS services_{name} WITH (FORCE)") is not None, "drop")
            want(sql(f"CREATE DATABASE services_{name}") is not None, "create")
            return f"{url}/services_{name}"

        routes(programs, new_store)
        drive(programs, new_store)


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("routes", "drive", "away", "settings", "postgres"):
        sys.exit(__doc__)
    globals()[sys.argv[6]]([os.path.abspath(program) for program in sys.argv[1:6]])
