#!/usr/bin/env python3
"""The shop's services print their contracts, and `saga check` proves of them that every order ends.

usage: contracts.py ORDER PAYMENT STOCK SAGA
"""
import json
import pathlib
import subprocess
import sys
import tempfile

MAP = pathlib.Path(__file__).resolve().parents[2] / "examples/shop/shop.mmd"


def want(true, what, said=""):
    if not true:
        sys.exit(f"FAILED: {what}\n{said}")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=240)


def contract_of(service):
    """Printed without a store, a bus or a token; twice the same bytes."""
    first, second = run(service, "--contract"), run(service, "--contract")
    want(first.returncode == 0 and not first.stderr, f"{service} --contract", first.stderr)
    want(first.stdout == second.stdout, f"{service} prints two contracts")
    want("--contract" in run(service, "--help").stdout, f"{service} --help tells nothing of --contract")
    return first.stdout


def main(*services, saga):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for service in services:
            text = contract_of(service)
            files.append(pathlib.Path(folder, json.loads(text)["participant"] + ".json"))
            files[-1].write_text(text)
        right = run(saga, "check", "--subjects", "1", *files)
        want(right.returncode == 0 and right.stdout.endswith("\nright\n"), "the shop is not right", right.stdout)
        less = run(saga, "check", "--subjects", "1", *files[:-1])
        want(less.returncode == 1, "without stock it is right", less.stdout)
        want("nobody emits stock.reserved, which payment.charge needs" in less.stdout, "it misses no stock", less.stdout)
        order, payment, stock = files
        drawn = run(saga, "draw", order, stock, payment).stdout
        want(drawn == MAP.read_text(), f"{MAP.name} is not what saga draws: saga draw order.json stock.json payment.json", drawn)
    print(right.stdout.splitlines()[0])


main(*sys.argv[1:4], saga=sys.argv[4])
