#!/usr/bin/env python3
"""
Each C block of a document quotes a file that the tests build, to the letter. The line above the
block says which:

    <!-- quotes: FILE -->                      the whole file
    <!-- quotes: FILE: FIRST -->               from the line that begins with FIRST to the blank line
    <!-- quotes: FILE: FIRST ... LAST -->      ... to the first line behind it that begins with LAST

With --update as third argument the blocks are made so.
"""

import json
import pathlib
import re

from documents import Lint, documents

MARK = re.compile(r"^<!-- quotes: (\S+?)(?:: (.+?)(?: \.\.\. (.+))?)? -->$")
C_BLOCK = re.compile(r"^```(c|h|cpp|c\+\+)$")


def built_files(build):
    """The files that the build compiles, and headers beside them; `headers` compiles the public ones."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = {(build / command["file"]).resolve() for command in commands}
    beside = {path for folder in {file.parent for file in files} for path in folder.glob("*.h")}
    return files | beside | {path.resolve() for path in pathlib.Path("include/saga").glob("*.h")}


def part_of(lines, first, last):
    """The quoted lines, or None where a mark does not fit the file."""
    if first is None:
        return lines
    starts = [i for i, line in enumerate(lines) if line.startswith(first)]
    if not starts:
        return None
    begin = starts[0]
    for end in range(begin + 1, len(lines)):
        if last is not None and lines[end].startswith(last):
            return lines[begin:end + 1]
        if last is None and not lines[end].strip():
            return lines[begin:end]
    return lines[begin:] if last is None else None


class Quotes:
    def __init__(self, lint):
        self.lint = lint
        self.built = built_files(lint.build)
        self.count = 0

    def quote(self, where, mark):
        path = pathlib.Path(mark[1])
        if not path.is_file():
            self.lint.breach(f"{where}: quotes {path}, which is not there")
            return None
        if path.suffix in (".c", ".cc", ".h") and path.resolve() not in self.built:
            self.lint.breach(f"{where}: quotes {path}, which the tests do not build")
        part = part_of(path.read_text().splitlines(), mark[2], mark[3])
        if part is None:
            self.lint.breach(f"{where}: {path} has no lines from `{mark[2]}` to `{mark[3]}`")
        self.count += 1
        return part

    def mended(self, path):
        """The document with each quote as its file is now."""
        out, mark, inside, quoted = [], None, False, None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path}:{number}"
            if inside:
                inside = line != "```"
                if quoted is None or not inside:
                    out.append(line)
                continue
            out.append(line)
            if line.startswith("```"):
                inside = True
                quoted = self.quote(where, mark) if mark else None
                if not mark and C_BLOCK.match(line):
                    self.lint.breach(f"{where}: a C block that quotes no file: see quotes.py")
                out.extend(quoted or [])
                mark = None
            elif line:
                mark = MARK.match(line)
                if not mark and line.startswith("<!-- quotes:"):
                    self.lint.breach(f"{where}: a mark that is none: {line}")
        return "".join(f"{line}\n" for line in out)


def main():
    lint = Lint()
    quotes = Quotes(lint)
    for path in documents():
        mended = quotes.mended(path)
        if "--update" in lint.options:
            if mended != path.read_text():
                path.write_text(mended)
        elif mended != path.read_text():
            lint.breach(f"{path}: a quote differs from its file; "
                        "`tests/lint/quotes.py . build --update` mends it")
    if not quotes.count:
        lint.breach("no document quotes a file: the mark is misspelt")
    hello = len(pathlib.Path("examples/hello/hello.c").read_text().splitlines())
    if hello >= 100:
        lint.breach(f"examples/hello/hello.c has {hello} lines; it must stay under 100")
    lint.finish()


main()
