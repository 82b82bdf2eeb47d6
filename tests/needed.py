#!/usr/bin/env python3
"""The targets that the tests of some suites need, or of all, as ninja names them.

usage: needed.py BUILD [SUITE,...]
"""
import json
import os
import subprocess
import sys

build, suites = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
told = json.loads(subprocess.check_output(["meson", "introspect", build, "--tests", "--targets"]))
wanted = set(suites.split(","))
files = {target["id"]: target["filename"] for target in told["targets"]}
needed = {
    name
    for test in told["tests"]
    if not suites or wanted & {suite.split(":")[-1] for suite in test["suite"]}
    for target in test["depends"]
    for name in files[target]
}
if not needed:
    sys.exit(f"needed.py: no test is in {suites}")
print(*sorted(os.path.relpath(name, build) for name in needed))
