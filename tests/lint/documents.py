"""What the lints of documents share: where they are, and how one says what is wrong."""

import os
import pathlib
import sys


class Lint:
    """Arguments: the source tree, the build tree."""

    def __init__(self):
        self.source = pathlib.Path(sys.argv[1]).resolve()
        self.build = pathlib.Path(sys.argv[2]).resolve()
        self.options = sys.argv[3:]
        self.breaches = 0
        os.chdir(self.source)

    def breach(self, text):
        """Says what is wrong; the lint goes on and fails at its end."""
        print(text)
        self.breaches += 1

    def finish(self):
        if self.breaches:
            print(f"{self.breaches} breaches")
        sys.exit(1 if self.breaches else 0)


def is_foreign(path):
    """A build directory, an installed package, or a file that git ignores by its dot."""
    return any(part.startswith((".", "build")) or part == "node_modules" for part in path.parts)


def documents():
    """Every Markdown file of the tree, sorted."""
    return sorted(path for path in pathlib.Path(".").rglob("*.md") if not is_foreign(path))


def lines_of(path):
    """The lines of a document, each with whether it stands in a block of code."""
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = line.lstrip().startswith("```")
        yield number, line, inside or fence
        if fence:
            inside = not inside
