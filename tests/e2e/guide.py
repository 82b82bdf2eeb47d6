#!/usr/bin/env python3
"""A program of the guide says what the guide quotes.

usage: guide.py PROGRAM SAID RUN...

Runs PROGRAM in an empty folder once for each RUN, whose words are its arguments and, a line each, its
input. What it says on standard output must be the file SAID.
"""
import pathlib
import subprocess
import sys
import tempfile


def main():
    program, said, *runs = pathlib.Path(sys.argv[1]).resolve(), *sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        told = ""
        for run in runs:
            done = subprocess.run([program, *run.split()], cwd=folder, capture_output=True, text=True,
                                  input=run.replace(" ", "\n") + "\n", timeout=120)
            if done.returncode != 0:
                sys.exit(f"{program} {run} ended with {done.returncode}: {done.stderr}")
            told += done.stdout
    wanted = pathlib.Path(said).read_text()
    if told != wanted:
        sys.exit(f"{program} said:\n{told}\n{said} is:\n{wanted}")


if len(sys.argv) < 4:
    sys.exit(__doc__)
main()
