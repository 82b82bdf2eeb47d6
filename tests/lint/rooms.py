#!/usr/bin/env python3
"""
Rooms stay small, and doors open one way. A struct has at most 30 members. Files do not call each
other in a circle: a file is floor or roof, never both. The objects of the build say who calls whom.

Where there is more, the tables below have what there was when this lint began, and it may only
fall: lower a count, or take a file out of its circle, with each commit that mends some.
"""

import collections
import pathlib
import re
import shutil
import subprocess
import sys

from documents import Lint

TREES = ("src", "transports", "examples")
MEMBERS = 30

# By struct: the members that it has.
MORE = {
    "saga__batch": 54,
    "saga__member": 42,
    "saga__model_step": 32,
    "saga__nats": 66,
    "saga_participant": 93,
    "saga_sim": 36,
}

# Files that still call each other in a circle. They may leave it; no other file may join.
CIRCLES = [
    {
        "src/choreography/document.c",
        "src/choreography/read.c",
    },
    {
        "src/step/check.c",
        "src/step/check_contract.c",
        "src/step/plan.c",
    },
    {
        "transports/nats.c",
        "transports/nats_link.c",
        "transports/nats_pull.c",
        "transports/nats_take.c",
        "transports/nats_watch.c",
    },
    {
        "src/participant/broker.c",
        "src/participant/followings.c",
        "src/participant/halts.c",
        "src/participant/inbox.c",
        "src/participant/kept.c",
        "src/participant/loop.c",
        "src/participant/participant.c",
        "src/participant/shards.c",
        "src/participant/streams.c",
        "src/participant/submit.c",
        "src/participant/tick.c",
    },
    {
        "src/sim/broker.c",
        "src/sim/broker_loss.c",
        "src/sim/calls.c",
        "src/sim/check.c",
        "src/sim/client.c",
        "src/sim/faults.c",
        "src/sim/handlers.c",
        "src/sim/late.c",
        "src/sim/member.c",
        "src/sim/mirror.c",
        "src/sim/network.c",
        "src/sim/outcomes.c",
        "src/sim/restore.c",
        "src/sim/stall.c",
        "src/sim/store.c",
        "src/sim/world.c",
        "src/sim/writes.c",
    },
]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def body_of(text, start):
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return text[start + 1 : at]
    return text[start + 1 :]


def members_of(body):
    """How many declarators stand at the first level: `int a, b;` are two, a nested struct is one."""
    flat, depth = [], 0
    for character in body:
        depth -= character in "})]"
        if not depth:
            flat.append(character)
        depth += character in "{(["
    return sum(part.count(",") + 1 for part in "".join(flat).split(";") if part.strip())


def structs(path):
    text = without_comments(path.read_text())
    for found in re.finditer(r"\b(?:struct|union)\s+(\w+)\s*\{", text):
        yield found[1], members_of(body_of(text, found.end() - 1))


def check_structs(lint):
    largest = ("", 0)
    for path in sorted(path for tree in TREES for path in pathlib.Path(tree).rglob("*.[ch]")):
        for name, count in structs(path):
            most = MORE.get(name, MEMBERS)
            largest = max(largest, (name, count), key=lambda one: one[1])
            if count > most:
                lint.breach(f"{path}: struct {name} has {count} members; {most} are the most")
            elif name in MORE and count < most:
                lint.breach(f"{path}: struct {name} has {count} members: lower it in rooms.py")
    print(f"largest: struct {largest[0]}, {largest[1]} members")


def calls_of(build):
    """By source file, the files whose functions or tables it uses. Empty: nothing is built."""
    nm = shutil.which("nm")
    sources = {
        str(path).replace("/", "_") + ".o": str(path)
        for tree in TREES
        for path in pathlib.Path(tree).rglob("*.c")
    }
    defines, uses = {}, collections.defaultdict(set)
    for path in sorted(build.glob("libsaga.*.p/*.o")) if nm else []:
        name = sources.get(path.name)
        if not name:
            continue
        shown = subprocess.run([nm, "-P", path], check=True, capture_output=True, text=True)
        for symbol, kind in (line.split()[:2] for line in shown.stdout.splitlines()):
            if kind == "U":
                uses[name].add(symbol)
            elif kind.isupper():
                defines[symbol] = name
    return {
        name: {defines[symbol] for symbol in used if symbol in defines} - {name}
        for name, used in uses.items()
    }


def circles_of(calls):
    """The strongly connected parts of more than one file, by Tarjan."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(calls.get(name, ())):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            part = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            found.extend([part] if len(part) > 1 else [])

    for name in sorted(calls):
        if name not in index:
            visit(name)
    return found


def check_circles(lint, calls):
    left = CIRCLES
    found = [set(part) for part in circles_of(calls)]
    for part in found:
        known = next((circle for circle in left if circle & part), set())
        more = sorted(part - known)
        if more:
            lint.breach(f"files call each other in a circle: {', '.join(sorted(part))}")
            for name in more:
                lint.breach(f"    {name} calls {', '.join(sorted(calls[name] & part))}")
    for circle in left:
        gone = circle - set().union(*found)
        if gone:
            lint.breach(f"no circle has them any more, take them out: {', '.join(sorted(gone))}")
    print(f"{len(found)} circles, of {sum(map(len, found))} files")


def main():
    sys.setrecursionlimit(10000)
    lint = Lint()
    check_structs(lint)
    calls = calls_of(lint.build)
    if not calls and not lint.breaches:
        print("SKIP: no nm, or no objects of the library in the build")
        sys.exit(77)
    check_circles(lint, calls)
    lint.finish()


main()
