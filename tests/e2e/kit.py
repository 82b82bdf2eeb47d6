#!/usr/bin/env python3
"""The kit, used by services that are none of the shop's.

usage: kit.py GREETER ODD

GREETER is the service that examples/kit/README.md shows, ODD one with as much of everything as a service may have.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 120


def want(true, what, said=""):
    if not true:
        sys.exit(f"FAILED: {what}\n{said}")


class Running:
    """A service on a port of its own, in a directory of its own."""

    def __init__(self, program, folder, *flags, **environment):
        self.log = open(pathlib.Path(folder) / "log", "w+")
        self.process = subprocess.Popen([program, "--listen", "127.0.0.1:0", *flags], cwd=folder,
                                        stderr=self.log, env={**os.environ, **environment})
        self.port = self.until(lambda: (re.search(r"listens at port (\d+)", self.said()) or [0, 0])[1], "it listens")

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def until(self, true, what):
        end = time.monotonic() + PATIENCE_S
        while not (found := true()):
            want(time.monotonic() < end and self.process.poll() is None, what, self.said())
            time.sleep(0.05)
        return found

    def ask(self, method, path, body=None, key=None):
        """Status, and the body as JSON where it is."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, text, kind = reply.status, reply.read().decode(), reply.headers["Content-Type"]
        except urllib.error.HTTPError as refusal:
            status, text, kind = refusal.code, refusal.read().decode(), refusal.headers["Content-Type"]
        return status, json.loads(text) if "json" in kind else text

    def wait_well(self):
        self.until(lambda: self.ask("GET", "/healthz")[0] == 200, "it is well")

    def drain(self):
        self.process.send_signal(signal.SIGTERM)
        want(self.process.wait(PATIENCE_S) == 0, "it drains", self.said())


@contextlib.contextmanager
def running(program, *flags, **environment):
    with tempfile.TemporaryDirectory() as folder:
        service = Running(program, folder, *flags, **environment)
        try:
            yield service
            service.drain()
        finally:
            service.process.kill()
            service.process.wait()
            service.log.close()


def the_shown_one_serves(greeter):
    lines = (ROOT / "examples/kit/greeter.c").read_text().splitlines()
    want(len(lines) < 60, f"greeter.c has {len(lines)} lines; a service takes less than 60")
    with running(greeter) as service:
        service.wait_well()
        for key, times in (("a", 1), ("b", 2), ("a", 1)):
            said = service.ask("POST", "/greetings", {"name": "ada"}, key=key)
            want(said == (200, {"name": "ada", "times": times}), f"the greeting {key}", said)
        status, said = service.ask("POST", "/greetings", {"nobody": 1}, key="c")
        want(status == 400 and said["title"] == "Bad Request" and "nobody" in said["detail"], "a wrong body", said)
        want(service.ask("POST", "/greetings", {"name": "x"})[0] == 400, "no key")
        want(service.ask("GET", "/greetings")[0] == 405, "a method that it lacks")
        want(service.ask("GET", "/openapi.yaml")[0] == 404, "a description that it lacks")
        numbers = service.ask("GET", "/metrics")[1]
        for line in ('saga_steps_total{participant="greeter",step="greet",outcome="done"} 2',
                     'http_requests_total{method="POST",route="/greetings",status="200"} 3'):
            want(f"\n{line}\n" in numbers, line, numbers)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([greeter], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S,
                              env={**os.environ, "GREETER_LANES": "x"})
        want(done.returncode == 2 and "GREETER_LANES" in done.stderr, "a wrong setting", done.stderr)


def the_odd_one_serves(odd):
    environment = {f"VERY_ODD_NUMBER_{n}": str(n) for n in range(40)}
    with running(odd, "--number-0", "77", **environment) as service:
        service.wait_well()  # so all that it is told at its start is in
        want(service.ask("GET", "/count") == (200, {"count": 3, "first": 77}), "what it was told")
        said = service.ask("GET", "/two/x%2Fy/and/z?a=1&b=2&c=3&d=4&e=5&f=%C3%A9")
        want(said == (200, {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "é"}), "six arguments", said)
        want(service.ask("GET", "/two/x%2Fy/and/z")[1] == {"a": "x/y", "b": "z"}, "two of a path")
        for path in ("/two/x/and/", "/two/x/and", "/two//and/z", "/two/x/and/z/", "/two/x/or/z"):
            want(service.ask("GET", path)[0] == 404, path)
        want(service.ask("POST", "/body", "x" * 98) == (200, 100), "a body as large as it takes")
        status, said = service.ask("POST", "/body", "x" * 99)
        want(status == 413 and "100 bytes" in said["detail"], "a larger body", said)
        for n in range(20):
            want(service.ask("GET", f"/many/{n}")[0] == 200, f"route {n}")
        numbers = service.ask("GET", "/metrics")[1]
        for n in range(20):
            want(f'http_requests_total{{method="GET",route="/many/{n}",status="200"}} 1\n' in numbers,
                 f"route {n} is counted", numbers)
        want("\nodd_seconds_count 1\n" in numbers and numbers.count("# TYPE http_requests_total") == 1,
             "numbers of its own", numbers)
    with running(odd, "--unwell", "it rains") as service:
        service.until(lambda: service.ask("GET", "/healthz")[1].get("detail") == "it rains", "it says why it is unwell")
        want(service.ask("GET", "/healthz")[0] == 503, "it is unwell")


def main():
    greeter, odd = (pathlib.Path(program).resolve() for program in sys.argv[1:])
    the_shown_one_serves(greeter)
    the_odd_one_serves(odd)


if __name__ == "__main__":
    main()
