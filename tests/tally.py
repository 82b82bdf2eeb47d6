#!/usr/bin/env python3
"""Counts one pass of `meson test`. Arguments: the pass's name, its testlog.json, a file that the
counts are appended to: passed, failed, skipped, one line a pass.

A Check program counts as many as the checks it made, any other test as one. A skip is exit code 77
and a line `SKIP: reason`; Meson doesn't keep the reason, so it is read from the output.
"""

import json
import re
import sys

CHECKS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
REASON = re.compile(r"^SKIP: (.+)$", re.M)


def count(test):
    """(passed, failed, skipped) of one test."""
    found = [tuple(map(int, hit)) for hit in CHECKS.findall(test.get("stdout", ""))]
    checks, failures = sum(hit[0] for hit in found), sum(hit[1] + hit[2] for hit in found)
    if test["result"] == "SKIP":
        return 0, 0, 1
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return max(checks - failures, 1), 0, 0
    return checks - failures, max(failures, 1), 0


def main():
    name, log, totals = sys.argv[1:4]
    passed = failed = skipped = 0
    with open(log, encoding="utf-8") as lines:
        tests = [json.loads(line) for line in lines]
    for test in tests:
        what = f"{name}: {test['name'].removeprefix('libsaga:')}"
        p, f, s = count(test)
        passed, failed, skipped = passed + p, failed + f, skipped + s
        if s:
            reason = REASON.search(test.get("stdout", ""))
            print(f"  skipped: {what}: {reason[1] if reason else 'it gives no reason'}")
        if f:
            print(f"  failed: {what} ({test['result'].lower()})")
    print(f"  {name}: {passed} passed, {failed} failed, {skipped} skipped")
    with open(totals, "a", encoding="utf-8") as out:
        print(passed, failed, skipped, file=out)


main()
