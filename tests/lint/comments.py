#!/usr/bin/env python3
"""
A comment names its subject: fewer than 1% of each directory's comments begin with What, Who or Of.
"""

import pathlib
import re

from documents import Lint

COMMENT = re.compile(r'/\*(.*?)\*/|"(?:\\.|[^"\\\n])*"', re.S)


def comments(text):
    """Each comment that begins with a word: its line, its text."""
    for found in COMMENT.finditer(text):
        words = re.sub(r"^[\s*-]+", "", found[1] or "")
        if re.match(r"[A-Za-z`]", words):
            yield text.count("\n", 0, found.start()) + 1, words


def main():
    lint = Lint()
    for top in ("examples", "include", "src", "transports"):
        count, odd = 0, []
        for path in sorted(pathlib.Path(top).rglob("*.[ch]")):
            for number, words in comments(path.read_text()):
                count += 1
                if re.match(r"(What|Who|Of)\b", words):
                    odd.append(f"{path}:{number}: {words.splitlines()[0]}")
        most = (count - 1) // 100
        print(f"{top}: {len(odd)} of {count} comments begin with What, Who or Of")
        if len(odd) > most:
            lint.breach("\n".join(odd))
            lint.breach(f"{top}: {most} are the most; name the subject: CONTRIBUTING.md, Words")
    lint.finish()


main()
