"""Reads gcovr's CSV: a table of lines and branches for each file, each directory, and in all."""
import csv
import os
import sys


def share(covered, total):
    return f"{covered:5d} /{total:5d} {100 * covered / total if total else 100:6.1f}%"


def show(name, figures):
    lines, all_lines, branches, all_branches = figures
    print(f"{name:34s}  {share(lines, all_lines)}  {share(branches, all_branches)}")


def main():
    keys = ("line_covered", "line_total", "branch_covered", "branch_total")
    files = {row["filename"]: [int(row[key]) for key in keys] for row in csv.DictReader(sys.stdin)}
    if not files:
        return "coverage: gcovr told of no file"
    print(f"{'':34s}  {'lines':>20s}  {'branches':>20s}")
    for directory in sorted({os.path.dirname(name) for name in files}):
        inside = {name: row for name, row in files.items() if os.path.dirname(name) == directory}
        for name in sorted(inside):
            show(name, inside[name])
        show(directory + "/", [sum(column) for column in zip(*inside.values())])
    show("all", [sum(column) for column in zip(*files.values())])


sys.exit(main())
