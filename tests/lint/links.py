#!/usr/bin/env python3
"""
A link of a document leads to a file of the tree, and its #anchor to a heading there. A path of the
tree in backticks, as `src/plugins.c`, is there too; CHANGELOG.md alone may name what is gone. Each
chapter in docs/ can be reached from README.md by links.
"""

import pathlib
import re

from documents import Lint, documents, lines_of

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:src|include|transports|examples|tests|docs|docker)/[\w./-]+\.\w+)`")
OUTSIDE = ("http://", "https://", "mailto:")


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    found = set()
    for _, line, is_code in lines_of(path):
        heading = None if is_code else re.match(r"^#+ (.*)$", line)
        if not heading:
            continue
        name, again = slug(heading[1]), 0
        while (name if not again else f"{name}-{again}") in found:
            again += 1
        found.add(name if not again else f"{name}-{again}")
    return found


def wrong_with(path, target):
    """Why the link leads nowhere; None: it does not."""
    name, _, anchor = target.partition("#")
    file = path.parent / name if name else path
    if not file.exists():
        return "is not there"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return "has no such heading"
    return None


def targets_of(path):
    """Each link of a document, with its line."""
    for number, line, is_code in lines_of(path):
        for target in [] if is_code else LINK.findall(re.sub(r"`[^`]*`", "", line)):
            yield number, target


def reached_from(start):
    found, todo = {start.resolve()}, [start]
    while todo:
        path = todo.pop()
        for _, target in targets_of(path):
            file = path.parent / target.partition("#")[0]
            if file.suffix == ".md" and file.is_file() and file.resolve() not in found:
                found.add(file.resolve())
                todo.append(file)
    return found


def main():
    lint = Lint()
    count = 0
    reached = reached_from(pathlib.Path("README.md"))
    for path in documents():
        if path.parts[0] == "docs" and path.resolve() not in reached:
            lint.breach(f"{path}: no chain of links leads there from README.md")
        for number, target in targets_of(path):
            count += 1
            wrong = None if target.startswith(OUTSIDE) else wrong_with(path, target)
            if wrong:
                lint.breach(f"{path}:{number}: the link {target} {wrong}")
        for number, line, is_code in lines_of(path):
            for name in [] if is_code or path.name == "CHANGELOG.md" else PATH.findall(line):
                if not pathlib.Path(name).exists():
                    lint.breach(f"{path}:{number}: `{name}` is not there")
    if not count:
        lint.breach("no document has a link: the pattern is wrong")
    lint.finish()


main()
