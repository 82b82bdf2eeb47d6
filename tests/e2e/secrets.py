#!/usr/bin/env python3
"""A password that a setting holds is in no output, whatever is wrong with the setting.

usage: secrets.py ORDER PAYMENT STOCK SHOP SAGA wrong|nats

wrong  Every setting of the services and the tools in turn is given a URL with a password, right, malformed
       and in the wrong place: as a flag, by the environment, in @FILE, as an option that there is not.
nats   Passwords and tokens with any character, against a nats-server that asks for them.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAYS_S = 0.7  # a service that starts in spite of it: it meets whoever is not there, and says so
PATIENCE_S = 60
SANITIZER = re.compile("ERROR: [A-Z][A-Za-z]+Sanitizer|DEADLYSIGNAL|runtime error:")

# Its two parts stand at both sides of what splits a URL; four bytes of one are as bad as all.
HEAD, TAIL = "Zq9xWv7", "Kp3mTr5"
PLANTED = re.compile("Zq9x|Wv7|Kp3m|Tr5")
JOINTS = ("", "/", "?", "@", ":", "#", "%zz", "%", "%2F", "%40", "%00", "&", "=", ",", "[", " ", "%C3%A9")
PASSWORDS = [HEAD + joint + TAIL for joint in JOINTS]


def stores(password):
    p = password
    yield from (f"{scheme}://shop:{p}@127.0.0.1:1/db" for scheme in ("postgres", "postgresql", "mssql", "pg"))
    if p == HEAD + TAIL:  # what else may be wrong
        for scheme in ("postgres", "mssql", "nats"):
            yield from (f"{scheme}:/shop:{p}@h/db", f"{scheme}:shop:{p}@h/db", f"{scheme}://shop:{p}",
                        f"{scheme}://shop:{p}@", f"{scheme}://shop:{p}@/", f"{scheme}://shop:{p}@[::1/db",
                        f"{scheme}://shop:{p}@h:port/db", f"{scheme}://shop:{p}@h:99999/db",
                        f"{scheme}://shop:{p}@127.0.0.1:1/db?nothing", f"{scheme}://shop:{p}@127.0.0.1:1/db?a=b",
                        f"{scheme}://shop:{p}@127.0.0.1:1/db?isolation=no", f"{scheme}://shop:{p}@127.0.0.1:1/%zz",
                        f"{scheme}://h/db?password={p}&port=1&a=b", f"{scheme}://h/db?port=x&password={p}")
        yield from ("postgres://127.0.0.1:1/db?sslmode=verify-full&sslpassword=" + p, f"shop:{p}@h/db", f"//shop:{p}@h",
                    f"host=127.0.0.1 port=x password={p}", f"host=h password='{p} {p}'", f"postgres://{'h' * 300}:{p}",
                    f"postgres://{'u' * 230}:{p}@h:port/db", f"sqlite:///x?password={p}x")


def buses(password):
    p = password
    yield from (f"nats://shop:{p}@127.0.0.1:1", f"tls://shop:{p}@127.0.0.1:1/saga", f"nats://{p}@127.0.0.1:1")
    if p == HEAD + TAIL:
        yield from (f"nats://shop:{p}@127.0.0.1:1/no.domain", f"nats://shop:{p}@127.0.0.1:1?pending=x",
                    f"nats://shop:{p}@127.0.0.1:1?token={p}", f"nats://shop:{p}@:1", f"nats://shop:{p}",
                    f"nats:shop:{p}@h", f"nats://{p}{'x' * 300}@h", f"nats://shop:{p}@h,{'h' * 300}",
                    f"nng+tcp://shop:{p}@127.0.0.1:1", f"nng+ipc://shop:{p}@h", f"amqp://shop:{p}@h",
                    f"nng+tls+tcp://127.0.0.1:1?ca=/no&cert=/no&key=/no&password={p}", f"shop:{p}@h")


def look(said, what):
    """All output of one run."""
    found = PLANTED.search(said)
    if found:
        at = found.start()
        sys.exit(f"{said[max(0, at - 300):at + 100]}\nFAILED: {what} tells the password")
    if SANITIZER.search(said):
        sys.exit(f"{said}\nFAILED: {what}")


def run(program, *arguments, **variables):
    """What it said until it ended, or was ended."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([program, *map(str, arguments)], cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, **variables})
        try:
            said, _ = process.communicate(timeout=STAYS_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=0.2)
            process.kill()
            said, _ = process.communicate(timeout=PATIENCE_S)
    said = said.decode(errors="replace")
    look(said, f"{pathlib.Path(program).name} {' '.join(map(str, arguments))} {variables}")
    return said


def settings_of(program):
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  --(\S+) \S+, (SHOP_\w+)$", said, re.M)
    assert len(found) >= 9, said
    return found


def options_of(program, *command):
    said = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"--([a-z][a-z-]+)", said)) - {"help", "json", "all"})


def wrong(programs):
    order, payment, stock, shop, saga = programs
    plain = HEAD + TAIL
    url = f"postgres://shop:{plain}@127.0.0.1:1/db"
    jobs = []

    def add(*arguments, **variables):
        jobs.append((arguments, variables))

    quiet = ("--listen", "127.0.0.1:0", "--drain-ms", "0")
    alone = (*quiet, "--bus", "none")
    files = tempfile.TemporaryDirectory()

    def kept(text):
        path = pathlib.Path(files.name) / str(len(list(pathlib.Path(files.name).iterdir())))
        path.write_text(text + "\n")
        return f"@{path}"

    for password in PASSWORDS:
        for given in stores(password):
            add(order, *alone, "--store", given)
            add(saga, "dead", "list", "--store", given)
            add(shop, "audit", "--data", ".", "--ledger", "/dev/null", "--store-order", given)
            if password in (plain, HEAD + "%zz" + TAIL, HEAD + "/" + TAIL):
                add(order, *alone, "--store", kept(given))
                add(order, *alone, SHOP_STORE=given)
                add(saga, "show", "--store", kept(given), "0190f3c2-7a11-7000")
                add(shop, "trace", "--data", ".", "--ledger", "/dev/null", "--store-order", kept(given), "x")
        for given in buses(password):
            add(order, *quiet, "--bus", given)
            add(saga, "bus", "--in", given)
            add(order, *quiet, "--bus", kept(given))
            add(saga, "bus", "--in", "nng+tcp://127.0.0.1:1", "--out", kept(given))
    for program in (order, payment, stock):
        for name, variable in settings_of(program):
            add(program, *alone, f"--{name}", url)
            add(program, *alone, f"--{name}={url}")
            add(program, *alone, **{variable: url})
            add(program, "--he", **{variable: url})  # its defaults are what the environment says
    for command in (("dead", "list"), ("dead", "requeue"), ("dead", "assert"), ("stream", "skip"), ("show",),
                    ("schema",), ("bus",)):
        for name in options_of(saga, *command):
            add(saga, *command, f"--{name}", url)
            add(saga, *command, "--store", "sqlite:none.db", f"--{name}={url}", "x")
        add(saga, *command, url)
        add(saga, *command, "--store", "sqlite:none.db", url, url)
    for command in ("run", "audit", "trace", "drive"):
        for name in options_of(shop, command):
            add(shop, command, f"--{name}", url)
            add(shop, command, "--data", "/dev/null/x", f"--{name}={url}", "--orders", "none", "--products", "none")
        add(shop, command, url, url)
    for program in programs:
        add(program, url)
        add(program, "--stroe", url)
        add(program, f"--stroe={url}")
        add(program, f"-s{url}")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(run, *arguments, **variables) for arguments, variables in jobs]:
            done.result()
    print(f"{len(jobs)} runs, and no password")
    files.cleanup()


# ---- NATS ----

def well(port):
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return answer.status == 200
    return False


def joins(order, url, lines):
    """Whether a service that is given the URL is well with the server that has these lines."""
    with tempfile.TemporaryDirectory() as folder:
        server = pathlib.Path(folder) / "nats"
        tool = ROOT / "tests" / "nats"
        made = subprocess.run([tool, "start", server, *lines], capture_output=True, text=True, check=False)
        if made.returncode == 77:
            print(made.stdout.strip() or "SKIP: no nats-server")
            sys.exit(77)
        assert made.returncode == 0, made.stderr
        place = made.stdout.strip().split("://")[1].split("/")[0].split("@")[-1]
        given = pathlib.Path(folder) / "bus"
        given.write_text(url.replace("HOST", place) + "\n")
        log = pathlib.Path(folder) / "log"
        with log.open("w") as out:
            process = subprocess.Popen([order, "--store", "sqlite:order.db", "--bus", f"@{given}", "--listen",
                                        "127.0.0.1:0"], cwd=folder, stdout=out, stderr=out)
        try:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end and process.poll() is None:
                port = re.search(r"listens at port (\d+)", log.read_text())
                if port and well(port[1]):
                    break
                time.sleep(0.05)
            else:
                return log.read_text()
            assert "Zq9x" not in pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
        finally:
            process.kill()
            process.wait()
            subprocess.run([tool, "stop", server], capture_output=True, check=False)
            look(log.read_text(), url)
    return None


def nats(programs):
    cases = [(f"shop:{HEAD}{given}{TAIL}@", f"{HEAD}{taken}{TAIL}") for given, taken in (
        ("", ""), ("/", "/"), ("%2F", "/"), ("@", "@"), ("%40", "@"), ("%3F", "?"), (",", ","), (":", ":"),
        ("#", "#"), ("100%", "100%"), ("%zz", "%zz"), ("%25", "%"), ("%2f%2F", "//"))]
    for who, password in cases:
        why = joins(programs[0], f"nats://{who}HOST/saga",
                    [f"authorization {{ user: shop, password: {json.dumps(password)} }}"])
        if why:
            sys.exit(f"{why[-2000:]}\nFAILED: {who} is not taken")
    token = HEAD + "/@" + TAIL
    why = joins(programs[0], f"nats://{HEAD}%2F%40{TAIL}@HOST",
                [f"authorization {{ token: {json.dumps(token)} }}"])
    if why:
        sys.exit(f"{why[-2000:]}\nFAILED: a token is not taken")
    print(f"{len(cases) + 1} ways to write it, and all are taken")


def main():
    *programs, what = sys.argv[1:]
    if len(programs) != 5 or what not in ("wrong", "nats"):
        sys.exit(__doc__)
    {"wrong": wrong, "nats": nats}[what]([str(pathlib.Path(program).resolve()) for program in programs])


if __name__ == "__main__":
    main()
