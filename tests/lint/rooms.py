#!/usr/bin/env python3
"""
Rooms stay small and doors open one way. A struct has at most 30 members; an option table, whose
members are the user's, is a public header's and is not counted. Files do not call each other in a
circle: a file is floor or roof, never both. The objects of the build say who calls whom.

Where there is more, the lists below have what there was when this lint began. A count may only
fall: lower it with each commit that mends some, and take the line out at the limit.
"""

import collections
import pathlib
import re
import shutil
import subprocess
import sys

from documents import Lint

MEMBERS = 30
MORE = {}

# Each circle by its files, without `.c`; those that stand here may lose files, and gain none.
CIRCLES = []


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.S)


def body_of(text, start):
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return text[start + 1 : at]
    return text[start + 1 :]


def members_of(body):
    """The declarators at the first level: `int a, b;` are two, a nested struct is one."""
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


def symbols(nm, build):
    """By source file: the names that its object defines, and those that it uses."""
    defines, uses = {}, collections.defaultdict(set)
    for path in sorted(build.glob("libsaga.so*.p/*.o")) or sorted(build.glob("libsaga.a.p/*.o")):
        name = re.sub(r"\.c\.o$", "", path.name).replace("_", "/", 1)
        lines = subprocess.run(
            [nm, "-P", path], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        for symbol, kind in (line.split()[:2] for line in lines):
            if kind == "U":
                uses[name].add(symbol)
            elif kind.isupper():
                defines[symbol] = name
    return defines, uses


def circles(calls):
    """The strongly connected parts of more than one file, by Tarjan."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(calls[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] != index[name]:
            return
        part = stack[stack.index(name) :]
        del stack[stack.index(name) :]
        if len(part) > 1:
            found.append(sorted(part))

    for name in sorted(calls):
        if name not in index:
            visit(name)
    return found


def main():
    lint = Lint()
    for top in ("src", "transports", "examples"):
        for path in sorted(pathlib.Path(top).rglob("*.[ch]")):
            for name, count in structs(path):
                if count > 20: print(name,count)
    nm = shutil.which("nm")
    defines, uses = symbols(nm, pathlib.Path(sys.argv[2]))
    calls = collections.defaultdict(set)
    for name, used in uses.items():
        calls[name] |= {defines[symbol] for symbol in used if symbol in defines} - {name}
    for part in circles(calls):
        print(len(part), part)
        for a in part:
            for b in sorted(calls[a] & set(part)):
                print("   ", a, "->", b, sorted(s for s in uses[a] if defines.get(s) == b))
    lint.finish()


main()
