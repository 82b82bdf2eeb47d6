#!/usr/bin/env python3
"""
docs/operations.md has a line for each `what=` of the log and for each metric, and for nothing else.
There the first cell of a table names them, in the sections "The log" and "The metrics".

A `what=` of the code is a string like "store.away" that no SAGA_EVENT or SAGA_REQUEST declares; a
metric is a string like "saga_shards" in a file that makes metrics. <saga/metrics.h> lists the
library's own.
"""

import pathlib
import re

from documents import Lint

MANUAL = pathlib.Path("docs/operations.md")
HEADER = pathlib.Path("include/saga/metrics.h")
TOPS = ("src", "transports", "examples/kit", "examples/shop")

# Strings of that form that are neither said by the log nor the type of an event.
OTHERS = {
    "provider.db",      # a file of the shop
    "saga.unreadable",  # the type that `saga dead` shows of an event that cannot be read
}

WHAT = re.compile(r'"([a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)"')
TYPE = re.compile(r'SAGA_(?:BARE_)?(?:EVENT|REQUEST)\(\s*\w+,\s*"([^"]+)"', re.S)
METRIC = re.compile(r'"((?:saga|shop|kit|http)_[a-z_]+)"')
MAKES_METRICS = re.compile(r"\bSAGA_(?:COUNTER|GAUGE|HISTOGRAM)\b|\btimes_tell\b")


def code_files():
    for top in TOPS:
        for path in sorted(pathlib.Path(top).rglob("*.[ch]")):
            text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
            yield path, "\n".join(l for l in text.splitlines() if not l.startswith("#include"))


def names_of_code():
    whats, types, metrics = {}, set(OTHERS), {}
    for path, text in code_files():
        types |= set(TYPE.findall(text))
        for name in WHAT.findall(text):
            whats.setdefault(name, path)
        if MAKES_METRICS.search(text):
            for name in METRIC.findall(text):
                metrics.setdefault(name, path)
    return {name: path for name, path in whats.items() if name not in types}, metrics


def names_of_manual():
    whats, metrics, section = set(), set(), ""
    for line in MANUAL.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        if section not in ("The log", "The metrics"):
            continue
        cell = line.split("|")[1] if line.startswith("|") else ""
        for name in re.findall(r"`([^`]+)`", cell):
            if WHAT.fullmatch(f'"{name}"'):
                whats.add(name)
            elif METRIC.fullmatch(f'"{name}"'):
                metrics.add(name)
    return whats, metrics


def compare(lint, kind, code, manual):
    for name in sorted(set(code) - manual):
        lint.breach(f"{MANUAL} has no line for the {kind} {name} of {code[name]}")
    for name in sorted(manual - set(code)):
        lint.breach(f"{MANUAL} has a line for the {kind} {name}, which no code has")
    print(f"{len(code)} of kind `{kind}`")


def main():
    lint = Lint()
    whats, metrics = names_of_code()
    said_whats, said_metrics = names_of_manual()
    compare(lint, "what=", whats, said_whats)
    compare(lint, "metric", metrics, said_metrics)
    listed = set(re.findall(r"^ \*\t(saga_[a-z_]+)", HEADER.read_text(), re.M))
    own = {name for name in metrics if name.startswith("saga_")}
    for name in sorted(own ^ listed):
        lint.breach(f"{HEADER} and src/ do not agree on {name}")
    if len(whats) < 20 or len(metrics) < 20:
        lint.breach("hardly a name was found in the code: the patterns are wrong")
    lint.finish()


main()
