#!/usr/bin/env python3
"""
A comment names its subject. Fewer than 1% of them begin with What, Who or Of; where more do, the
count below is what there was when this lint began, and it may only fall: lower it with each commit
that mends some, and take the line out when its directory is under 1%.
"""

import pathlib
import re

from documents import Lint

MOST = {
    "src": 32,
}

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
        most = max(MOST.get(top, 0), (count - 1) // 100)
        print(f"{top}: {len(odd)} of {count} comments begin with What, Who or Of")
        if len(odd) > most:
            lint.breach("\n".join(odd))
            lint.breach(f"{top}: {most} are the most; name the subject: CONTRIBUTING.md, Words")
        elif len(odd) < MOST.get(top, 0):
            print(f"{top}: lower its count in tests/lint/comments.py to {len(odd)}")
    lint.finish()


main()
