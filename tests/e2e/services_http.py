#!/usr/bin/env python3
"""A service's HTTP as no library speaks it.

usage: services_http.py ORDER PAYMENT STOCK SHOP SAGA wire|crowd|late

wire   What two readers could read in two ways, and what RFC 9110 and 9112 allow.
crowd  Clients that take all connections: `/healthz`, and other addresses, get through.
late   Clients that send a byte now and then: a request has a time, which no byte prolongs.
"""
import contextlib
import http.client
import json
import os
import socket
import sys
import threading
import time

from services import LINE, Shop, raw, read_metrics, until, want

TOKEN = "0123456789abcdef0123"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
OTHER = "127.0.0.2"  # another client's address, which every Linux has


@contextlib.contextmanager
def order_service(programs):
    with Shop(programs) as shop:
        shop.start_bus()
        shop.order.flags += ["--token", TOKEN]
        shop.order.token = TOKEN
        shop.order.start()
        shop.order.wait_well()
        yield shop.order
        shop.order.drain()


# ---- wire ----

def request(*headers, method="GET", path="/orders", body=b"", version="1.1", token=TOKEN):
    """Its bytes; a header may be text or bytes."""
    head = [f"{method} {path} HTTP/{version}", "Host: x", *headers]
    if token:
        head.append(f"Authorization: Bearer {token}")
    lines = [line if isinstance(line, bytes) else line.encode() for line in head]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def placing(ref, *headers, **how):
    body = json.dumps({"ref": ref, "customer": "X", "country": "Denmark", "lines": [LINE]}).encode()
    headers = [h.replace("LENGTH", str(len(body))) for h in headers]
    return request("Content-Type: application/json", f"Idempotency-Key: {ref}", *headers, method="POST",
                   body=body, **how)


def want_refused(order, status, what, data):
    """And closed: what follows is not taken for a request."""
    said = raw(order, data + HEALTH)
    want(said.startswith(b"HTTP/1.1 %d " % status) and b"\r\nConnection: close\r\n" in said
         and b"HTTP/1.1 2" not in said, what, said)


def check_framing(order):
    """Of any request: also where nobody wants a body, or nothing is found."""
    wrong = [(400, ["Content-Length: 0", "Content-Length: 0"]),
             (400, ["Content-Length: 5", "Content-Length: 6"]),
             (400, ["Content-Length: 5", "Transfer-Encoding: chunked"]),
             (400, ["Transfer-Encoding: chunked", "Content-Length: 5"]),
             (400, ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]),
             (400, ["Content-Length: 5, 5"]), (400, ["Content-Length: +5"]), (400, ["Content-Length: 5x"]),
             (501, ["Transfer-Encoding: xchunked"]), (501, ["Transfer-Encoding: gzip, chunked"]),
             (400, ["Transfer-Encoding : chunked"]), (400, ["X: a", " folded: b"]), (417, ["Expect: gold"]),
             (400, ["Host: y"]), (400, ["Authorization: Bearer no"])]
    for status, headers in wrong:
        for method, path in (("GET", "/orders"), ("GET", "/healthz"), ("DELETE", "/orders/none"),
                             ("POST", "/orders"), ("PUT", "/none")):
            want_refused(order, status, f"{method} {path} {headers}", request(*headers, method=method, path=path))
    want_refused(order, 400, "two lengths", placing("W1", "Content-Length: LENGTH", "Content-Length: LENGTH"))
    want_refused(order, 400, "a chunk", request("Content-Type: application/json", "Idempotency-Key: W1",
                                                "Transfer-Encoding: chunked", method="POST",
                                                body=b"5\r\nabcdefg\r\n0\r\n\r\n"))
    want(order.ask("GET", "/orders/W1")[0] == 404, "a refused order is there")
    # A body that nobody wanted is no request.
    said = raw(order, request(f"Content-Length: {len(HEALTH)}", path="/orders/none", body=HEALTH) + HEALTH)
    want(said.count(b"HTTP/1.1 ") == 2 and b" 404 " in said and b" 200 " in said, "a body of GET", said)
    said = raw(order, request(f"Content-Length: {len(HEALTH)}", path="/orders", body=HEALTH, token=None))
    want(said.count(b"HTTP/1.1 ") == 1 and b" 401 " in said, "a body behind a 401", said)


def check_bytes(order):
    for what, data in (("header", request(b"X: a\0b")), ("path", request(path="/orders/a\0b")),
                       ("token", request(token=TOKEN + "\0")), ("token and more", request(token=TOKEN + "\0x")),
                       ("ESC", request(b"X: \x1b[31m")), ("bare LF", request().replace(b"\r\n", b"\n")),
                       ("bare CR", request(b"X: a\rb")), ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")):
        want_refused(order, 400, what, data)
    want_refused(order, 431, "a long head", request("X: " + 9000 * "y"))
    want_refused(order, 431, "many headers", request(*101 * ["X: y"]))
    want_refused(order, 505, "HTTP/2.0", request(version="2.0"))


def check_allowed(order):
    for token in (f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer   {TOKEN}"):
        said = raw(order, request(f"Authorization: {token}", token=None))
        want(b" 200 OK" in said, token, said)
    for token in (f"Bearer{TOKEN}", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", TOKEN):
        said = raw(order, request(f"Authorization: {token}", token=None))
        want(b" 401 " in said, token, said)
    for n, kind in enumerate(("Application/JSON", "application/json;charset=UTF-8",
                              "APPLICATION/json\t; charset=utf-8")):
        said = raw(order, placing(f"T{n}", "Content-Length: LENGTH").replace(b"application/json", kind.encode()))
        want(b" 202 " in said, kind, said)
    for kind in ("application/jsonx", "application/merge-patch+json", "text/json"):
        said = raw(order, placing("T9", "Content-Length: LENGTH").replace(b"application/json", kind.encode()))
        want(b" 415 " in said, kind, said)
    said = raw(order, placing("T9", "Content-Length: LENGTH", "Content-Encoding: gzip"))
    want(b" 415 " in said, "a coded body", said)
    for path in (f"http://127.0.0.1:{order.port}/orders/T0", "HTTP://x/orders/T0?a=b", "https://x/orders/T0"):
        said = raw(order, request(path=path))
        want(b" 200 OK" in said and b'"ref":"T0"' in said, path, said)
    said = raw(order, request(path="*", method="OPTIONS"))
    want(b" 405 " in said and b"Allow: POST, GET, HEAD, PATCH, DELETE\r\n" in said, "OPTIONS *", said)
    said = raw(order, b"\r\n\r\n" + request(version="1.0"))
    want(b" 200 OK" in said and b"Connection: close" in said and b"\r\nDate: " in said, "HTTP/1.0", said)


def wire(programs):
    with order_service(programs) as order:
        check_framing(order)
        check_bytes(order)
        check_allowed(order)


# ---- crowd ----

def connect(order, address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", order.port), timeout=60, source_address=(address, 0))


def answer(order, data, address="127.0.0.1"):
    """The status of one request, on a connection of its own."""
    with connect(order, address) as connection:
        connection.sendall(data)
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        return reply.status, reply.headers, reply.read()


def lost(order, why):
    return read_metrics(order.ask("GET", "/metrics")[1])["http_lost_total", f'why="{why}"']


def want_full(order):
    """For the crowd's address alone; and for nobody who asks how it is."""
    for _ in range(100):
        want(answer(order, HEALTH)[0] == 200, "health beside a crowd")
    status, headers, said = answer(order, request())
    want(status == 503 and headers["Retry-After"] and b"too many connections" in said, "no room", said)
    want(answer(order, request(), OTHER)[0] == 200, "another address beside a crowd")


def check_slow_crowd(order):
    """More connections than there are, each in the middle of a request."""
    for begun in (b"POST /orders HTTP/1.1\r\nHost: x\r\nX: ",
                  request("Content-Length: 60000", "Content-Type: application/json", "Idempotency-Key: x",
                          method="POST", body=b"{")):
        crowd = [connect(order) for _ in range(600)]
        for connection in crowd:
            with contextlib.suppress(OSError):  # it has been closed for a newer one
                connection.sendall(begun)
        want_full(order)
        for connection in crowd:
            connection.close()
        until(lambda: answer(order, request())[0] == 200, "room after a crowd")
    want(lost(order, "crowded") > 0, "nobody counted the crowd")


def check_gone(order):
    """Clients that went in the middle of a request hold nothing."""
    for _ in range(1000):
        with connect(order) as connection:
            connection.sendall(b"GET /healthz HT")
    until(lambda: answer(order, request())[0] == 200, "room after those that went", 10)
    half = [connect(order) for _ in range(300)]
    for connection in half:
        connection.sendall(b"GET /healthz HT")
        connection.shutdown(socket.SHUT_WR)
    for connection in half:
        want(connection.recv(100) == b"", "a half-closed connection was answered")
        connection.close()
    want(answer(order, request())[0] == 200, "room after the half-closed")


def check_idle(order):
    """Idle connections are closed for newer ones, the oldest first."""
    idle = [connect(order) for _ in range(256)]
    until(lambda: answer(order, request())[0] == 200, "room beside the idle")
    idle[0].settimeout(20)
    want(idle[0].recv(100) == b"", "the first idle one is still there")
    idle[-1].sendall(HEALTH)
    want(b" 200 OK" in idle[-1].recv(4096), "the last idle one is gone")
    for connection in idle:
        connection.close()


def crowd(programs):
    with order_service(programs) as order:
        check_slow_crowd(order)
        check_gone(order)
        check_idle(order)


# ---- late ----

def trickle(order, begun, ends):
    """A byte twice a second, until the service closes; how long that took."""
    with connect(order) as connection:
        connection.sendall(begun)
        at = time.monotonic()
        connection.settimeout(0.5)
        while time.monotonic() - at < 90:
            try:
                if connection.recv(100) == b"":
                    break
            except TimeoutError:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
            except OSError:
                break
        ends.append(time.monotonic() - at)


def late(programs):
    """30 s: some are left to a slow machine."""
    with order_service(programs) as order:
        ends = []
        threads = [threading.Thread(target=trickle, args=(order, begun, ends)) for begun in (
            b"G", request()[:-2] + b"X: ", request("Content-Length: 60000", "Content-Type: application/json",
                                                   "Idempotency-Key: x", method="POST", body=b"{"),
            request("Transfer-Encoding: chunked", "Content-Type: application/json", "Idempotency-Key: x",
                    method="POST", body=b"ffff\r\n{"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        want(len(ends) == 4 and all(25 < end < 75 for end in ends), "a request had no time, or none left", ends)
        # The first, whose line never ended, counts as idle.
        want(lost(order, "late") == 3, "nobody counted the late")


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("wire", "crowd", "late"):
        sys.exit(__doc__)
    globals()[sys.argv[6]]([os.path.abspath(program) for program in sys.argv[1:6]])
