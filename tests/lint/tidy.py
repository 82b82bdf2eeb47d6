#!/usr/bin/env python3
"""clang-tidy over the project's own sources, in parallel.

A file that passed is not looked at again until it, a header it includes, its compiler options, the
rules or a model change: the build tree keeps a stamp. All of it takes half an hour of a processor, so a
run takes QUICK_S seconds: what was changed lately first, then others, which the commit chooses; and
says how many are left. SAGA_TEST_SOAK=1 looks at all. `models/` tells the analyzer what a function
of another file returns. Arguments: the source tree, the build tree.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OWN = ("src", "transports", "examples")  # tests are run, under sanitizers and valgrind
QUICK_S = 120
LATELY = 20  # commits
MODELLED = ("src/error.c", "src/stores/statement.c")  # they hold what the models stand for


def own_commands(source_tree, build_tree):
    commands = {}
    for entry in json.loads((build_tree / "compile_commands.json").read_text()):
        file = (Path(entry["directory"]) / entry["file"]).resolve()
        if file.suffix == ".c" and file.is_relative_to(source_tree) and file.relative_to(source_tree).parts[0] in OWN:
            commands.setdefault(file, entry)
    return commands


def preprocessor_options(command):
    words = shlex.split(command)
    return [word for word in words[1:] if word.startswith(("-I", "-D", "-std", "-isystem"))]


def includes(entry, file):
    """The project's own headers that the file depends on."""
    words = ["cc", "-MM", "-MT", "x", *preprocessor_options(entry["command"]), str(file)]
    made = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True, check=True)
    names = made.stdout.replace("\\\n", " ").split()[1:]
    return sorted({(Path(entry["directory"]) / name).resolve() for name in names})


def stamp_of(entry, file, rules):
    digest = hashlib.sha256(rules)
    digest.update(" ".join(preprocessor_options(entry["command"])).encode())
    for name in includes(entry, file):
        digest.update(str(name).encode() + b"\0" + name.read_bytes())
    return digest.hexdigest()


def longest_first(item):
    """So that no processor is left alone with a long file at the end."""
    file, _ = item
    return -file.stat().st_size


def git(source_tree, *words):
    done = subprocess.run(["git", "-C", str(source_tree), *words], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


def lately_first(source_tree):
    """What a short run looks at: the last changes, then what this commit's hash puts in front."""
    commit = (git(source_tree, "rev-parse", "HEAD") or [""])[0]
    changed = set(git(source_tree, "diff", "--name-only", f"HEAD~{LATELY}"))

    def order(item):
        name = str(item[0].relative_to(source_tree))
        return name not in changed, hashlib.sha256((commit + name).encode()).digest()

    return order


def main():
    source_tree, build_tree = (Path(word).resolve() for word in sys.argv[1:3])
    tidy = shutil.which("clang-tidy")
    if not tidy:
        print("SKIP: clang-tidy is not installed")
        return 77
    soaks = bool(os.environ.get("SAGA_TEST_SOAK"))
    until = time.monotonic() + QUICK_S
    models = source_tree / "tests/lint/models"
    rules = subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
    for file in (source_tree / ".clang-tidy", *sorted(models.iterdir())):
        rules += file.read_bytes()
    stamps = build_tree / "lint-tidy"
    stamps.mkdir(exist_ok=True)
    # Asserts tell the analyzer what holds, also in a release build.
    options = ["-Wno-unknown-warning-option", "-UNDEBUG"]
    with_models = [*options, "-Xclang", "-analyzer-config", "-Xclang", f"model-path={models}"]

    def look(item):
        file, entry = item
        name = str(file.relative_to(source_tree))
        try:
            stamp = stamp_of(entry, file, rules)
        except subprocess.CalledProcessError as failed:
            return name, failed.stderr, False
        kept = stamps / (name.replace("/", "_") + ".stamp")
        if kept.exists() and kept.read_text() == stamp:
            return name, "", True
        if not soaks and time.monotonic() > until:
            return name, "", None
        extra = options if name in MODELLED else with_models
        run = subprocess.run(
            [tidy, "--quiet", "-p", str(build_tree), *(f"--extra-arg={word}" for word in extra), str(file)],
            capture_output=True, text=True)
        if run.returncode == 0:
            kept.write_text(stamp)
        return name, run.stdout or run.stderr, run.returncode == 0

    commands = sorted(own_commands(source_tree, build_tree).items(),
                      key=longest_first if soaks else lately_first(source_tree))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = sorted(pool.map(look, commands))
    bad = [name for name, words, passed in results if passed is False]
    left = sum(passed is None for name, words, passed in results)
    for name, words, passed in results:
        if passed is False:
            print(words)
    print(f"{len(results)} files, {left} left for another run, {len(bad)} with findings" +
          "".join(f"\n  {name}" for name in bad))
    return 1 if bad else 0


sys.exit(main())
