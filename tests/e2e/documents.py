#!/usr/bin/env python3
"""What `saga` makes of the shop's contracts, judged by the official readers from npm: AsyncAPI's
parser, Mermaid, and JSON Schema on every event of a shop's run.

usage: documents.py ORDER PAYMENT STOCK SHOP SAGA

SAGA_TEST_NPM names a folder with tests/npm installed, tests/npm itself by default; where npm ci was
not run there, this is skipped.
"""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "shop" / "sample"
SKIPPED = 77


def run(*words, fails=False):
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    if (done.returncode != 0) != fails:
        sys.exit(f"FAILED: {words}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def contracts_of(services, folder):
    files = []
    for service in services:
        text = run(service, "--contract")
        files.append(folder / (json.loads(text)["participant"] + ".json"))
        files[-1].write_text(text)
    return files


def breaches_of(saga, files):
    """Without the stock service the shop is not right; each breach has a diagram, indented."""
    diagrams, lines = [], None
    for line in run(saga, "check", "--subjects", "1", *files[:-1], fails=True).splitlines():
        if line.strip() == "sequenceDiagram":
            lines = []
            diagrams.append(lines)
        elif not line.startswith("      "):
            lines = None
        if lines is not None:
            lines.append(line.strip())
    return ["\n".join(lines) for lines in diagrams]


def events_of(saga, data):
    """All that the three outboxes of a run hold."""
    events = []
    for name in ("order", "payment", "stock"):
        store = f"sqlite:{data / name}.db"
        sagas = run("python3", "-c", "import sqlite3, sys\n"
                    "for row in sqlite3.connect(sys.argv[1]).execute('SELECT DISTINCT hex(saga) FROM saga_outbox'):\n"
                    "    print(row[0].lower())", str(data / f"{name}.db")).split()
        for one in sagas:
            for line in run(saga, "show", "--json", "--store", store, one).splitlines():
                row = json.loads(line)
                if row["what"] == "event":
                    events.append(row["event"])
    return events


def changed(event, path, value):
    """The event with another value there; `...`: without that member."""
    event = copy.deepcopy(event)
    at = event
    for name in path[:-1]:
        at = at[name]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return event


def broken_of(events):
    placed = next(e for e in events if e["type"] == "order.placed")
    line = ("data", "lines", 0)
    faults = [(("specversion",), ...), (("specversion",), "0.3"), (("id",), ...), (("id",), "7"),
              (("source",), ...), (("sagaid",), ...), (("sagaid",), placed["sagaid"][:-1]),
              (("time",), "yesterday"), (("type",), "order.dreamt"), (("version",), 2), (("version",), "1"),
              (("sequence",), "one"), (("data",), []), (("data", "customer"), ...),
              (("data", "customer"), 7), (("data", "customer"), "a\0b"), (("data", "total"), "1299"), (("data", "total"), 12.5),
              (("data", "total"), None), (("data", "lines"), {}), ((*line, "sku"), ...), ((*line, "quantity"), "12"),
              (("data", "ref"), 10248)]
    return [changed(placed, path, value) for path, value in faults]


def main(*services, shop, saga):
    npm = os.environ.get("SAGA_TEST_NPM", ROOT / "tests" / "npm")
    if shutil.which("node") is None or not pathlib.Path(npm, "node_modules", "ajv").is_dir():
        print("SKIP: node is not installed, or npm ci was not run in tests/npm")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = contracts_of(services, folder)
        run(shop, "run", "--orders", SAMPLE / "orders.ndjson", "--products", SAMPLE / "products.ndjson",
            "--data", folder / "data")
        events = events_of(saga, folder / "data")
        job = {"asyncapi": json.loads(run(saga, "asyncapi", *files)), "diagrams": breaches_of(saga, files),
               "events": events, "broken": broken_of(events)}
    if not job["diagrams"] or len({e["type"] for e in events}) < 6 or len(job["broken"]) < 20:
        sys.exit(f"FAILED: too little to judge: {len(job['diagrams'])} diagrams, {len(events)} events")
    judged = subprocess.run(["node", pathlib.Path(npm, "validate.mjs")], input=json.dumps(job), capture_output=True,
                            text=True, timeout=240)
    print(judged.stdout[-4000:] + judged.stderr[-2000:])
    sys.exit(judged.returncode != 0)


main(*sys.argv[1:4], shop=sys.argv[4], saga=sys.argv[5])
