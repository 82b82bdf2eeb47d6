#!/usr/bin/env python3
"""A bank for trying the pair: charges once for each Idempotency-Key, and forgets all when it ends.

usage: bank.py PORT [GUEST=decline|GUEST=silent]...

POST /charges   {"guest": ..., "cents": ...}: 201 and a receipt, or 402 and why not
GET /charges    all charges as JSON

A guest who is `silent` is charged, but the first answer does not come: it hangs until the caller
gives up. Asked again with the same key, the bank answers as it would have done.
"""
import http.server
import json
import sys
import threading

HANG_S = 60
manners = dict(word.split("=") for word in sys.argv[2:])
lock = threading.Lock()
charges = {}  # by key


class Bank(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        key = self.headers["Idempotency-Key"]
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        manner = manners.get(order["guest"])
        if manner == "decline":
            return self.answer(402, "the card has expired")
        with lock:
            is_new = key not in charges
            receipt = charges.setdefault(key, {**order, "receipt": f"R{len(charges) + 1}"})["receipt"]
        print(f"{order['guest']}: {'charged' if is_new else 'asked again'}, {receipt}", flush=True)
        if manner == "silent" and is_new:
            threading.Event().wait(HANG_S)
        return self.answer(201, receipt)

    def do_GET(self):
        with lock:
            self.answer(200, json.dumps(list(charges.values())))

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text.encode())
        except OSError:
            pass  # the caller did not wait for it

    def log_message(self, *_):
        pass


if len(sys.argv) < 2:
    sys.exit(__doc__)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bank).serve_forever()
