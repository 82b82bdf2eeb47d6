#!/usr/bin/env python3
"""The shop on PostgreSQL, on a server of its own that fails in the middle of it.

usage: shop_postgres.py SHOP northwind|mixed|restart|terminate|readonly|refusing|crowded|locked|full|steps

`restart` crashes the server (`-m immediate`) and `terminate` ends single connections, at random,
until five and forty of them were seen in runs that all end without a violation. The others make
it read-only, refuse who comes (by pg_hba.conf), give all its connections to somebody else, hold a
lock for longer than any limit, or fill its disk, for seconds in the middle of a run.
`steps` cuts connections at a step of the protocol: in the middle of a message, behind it, in the
middle of the next, of whichever side: during one run, or (SAGA_TEST_SOAK=1) from the
first on until none gets so far.
Seeds are printed; SAGA_TEST_SEED repeats one; SAGA_TEST_SOAK=1 makes it ten times as many.
"""
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from proxy import LIFE, Proxy, postgres_size
from shop import ORDERS, PRODUCTS, mixed as mix, run, want, want_sound

SERVER = pathlib.Path(__file__).resolve().parents[1] / "postgres"
SERVICES = ("order", "payment", "stock")
rng = random.Random()


def server(command, directory, *more):
    done = subprocess.run([SERVER, command, directory, *more], capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def sql(directory, text, database="postgres"):
    code, said, _ = server("sql", directory, text, database)
    return said if code == 0 else None


def want_audited(looked, said):
    """What the run itself said is the story: of its progress, and of the audit, a little is enough."""
    told = looked.stdout + looked.stderr
    story = "\n".join(line for line in said.splitlines()
                      if not re.match(r"breach: |shop: \d+ of \d+ orders ended", line))
    if len(story) > 20000:
        story = f"{story[:4000]}\n...\n{story[-16000:]}"
    want(looked.returncode == 0 and " 0 violations" in told, f"audit {looked.returncode}",
         f"{told[:1500]}\n...\n{told[-500:]}\nthe run said:\n{story}", most=None)
    return told.strip().splitlines()[-1]


def stores(url, directory, services=SERVICES, where=""):
    """A new database for each; where they are, as the shop takes it."""
    options = []
    for service in services:
        want(sql(directory, f"DROP DATABASE IF EXISTS shop_{service} WITH (FORCE)") is not None, "drop", "")
        want(sql(directory, f"CREATE DATABASE shop_{service} {where}") is not None, "create", "")
        options += [f"--store-{service}", url.rsplit("/", 1)[0] + "/shop_" + service]
    return options


def northwind(shop, url, directory, scratch):
    for lanes in ("0", "1", "4"):
        options = stores(url, directory) + ["--lanes", lanes]
        data = scratch / f"lanes{lanes}"
        code, summary, said = run(shop, data, ORDERS, PRODUCTS, *options)
        want_sound(code, summary, said, 830)
        want(summary["fulfilled"] > 415, "hardly any fulfilled", said)
        code, again, said = run(shop, data, ORDERS, PRODUCTS, *options)
        want(code == 0 and "830 orders were there already" in said, "placed twice?", said)
        ended = ("fulfilled", "cancelled", "violations")
        want(all(again[k] == summary[k] for k in ended), f"{again} is not {summary}", said)
        looked = subprocess.run([shop, "audit", "--data", data, *options[:-2]], capture_output=True,
                                text=True)
        want(looked.returncode == 0, "audit", looked.stdout + looked.stderr)
        print(f"{lanes} lanes: {summary}", flush=True)
    # The audit must see what is wrong there.
    want(sql(directory, "UPDATE stock SET free = free + 1 WHERE sku = '1'", "shop_stock") is not None,
         "damage", "")
    looked = subprocess.run([shop, "audit", "--data", data, *options[:-2]], capture_output=True,
                            text=True)
    want(looked.returncode == 1 and "product 1" in looked.stdout, "a unit that was nowhere, unseen", looked.stdout)


def mixed(shop, url, directory, scratch):
    options = stores(url, directory, SERVICES[1:])
    code, summary, said = run(shop, scratch / "data", ORDERS, PRODUCTS, *options)
    want_sound(code, summary, said, 830)


def troubled(shop, url, directory, scratch, trouble, times, pause, made=stores):
    """Whole runs, with trouble until each has ended, until there was enough of it."""
    seen = rounds = 0
    while seen < times:
        rounds += 1
        options = made(url, directory) + ["--lanes", rng.choice(("1", "2")), "--patience-s", "60"]
        orders, data = scratch / f"orders{rounds}", scratch / f"data{rounds}"
        mix(orders, rng)
        child = subprocess.Popen(
            [shop, "run", "--orders", orders, "--products", PRODUCTS, "--data", data, *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        before, until = seen, time.monotonic() + 15
        while child.poll() is None and time.monotonic() < until:
            time.sleep(rng.uniform(*pause))
            if child.poll() is None:
                seen += trouble(directory)
        said, _ = child.communicate(timeout=240)
        # It ran out; its own audit does not try again when it is hit, so here is another.
        want(child.returncode == 0 or "shop: audit: " in said, f"exit {child.returncode}", said)
        looked = subprocess.run([shop, "audit", "--data", data, *options[:6]], capture_output=True,
                                text=True)
        print(f"{seen - before} times, {want_audited(looked, said)}", flush=True)


def crash(directory):
    code, _, why = server("restart", directory)
    want(code == 0, "restart", why)
    return 1


def cut(directory):
    """Any connection of the shop's, whatever it is doing."""
    return int(sql(directory, "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM"
                   " pg_stat_activity WHERE application_name = 'libsaga'"
                   " ORDER BY random() LIMIT 1) AS one"))


def restart(*places):
    times = 50 if os.environ.get("SAGA_TEST_SOAK") else 5
    troubled(*places, crash, times, (0.1, 1.0))


def terminate(*places):
    times = 500 if os.environ.get("SAGA_TEST_SOAK") else 40
    troubled(*places, cut, times, (0.0, 0.06))


# ---- trouble that lasts ----

SOME = 15 if os.environ.get("SAGA_TEST_SOAK") else 1
CUT_ALL = ("count(pg_terminate_backend(pid)) FROM pg_stat_activity"
           " WHERE application_name = 'libsaga'")


def set_to(directory, setting):
    want(sql(directory, "ALTER SYSTEM SET " + setting) is not None, setting, "")
    want(sql(directory, "SELECT pg_reload_conf()") is not None, "reload", "")


def be_readonly(directory):
    set_to(directory, "default_transaction_read_only = on")
    time.sleep(rng.uniform(0.5, 2))
    set_to(directory, "default_transaction_read_only = off")
    return 1


def refuse(directory):
    data = pathlib.Path(directory) / "server" / "data"
    rules = (data / "pg_hba.conf").read_text()
    (data / "pg_hba.conf").write_text("host all all all reject\n")
    cut_off = sql(directory, "SELECT pg_reload_conf(), " + CUT_ALL)
    time.sleep(rng.uniform(0.5, 2))
    want(cut_off and sql(directory, "SELECT 1") is None, "it does not refuse", str(cut_off))
    (data / "pg_hba.conf").write_text(rules)
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)
    while sql(directory, "SELECT 1") is None:
        time.sleep(0.05)
    return 1


def crowd(directory):
    """All connections are others', whenever one gets free."""
    others, refused, until = [], False, time.monotonic() + 90
    sql(directory, "SELECT " + CUT_ALL)
    while not refused and time.monotonic() < until:
        others = [other for other in others if other.poll() is None]
        while len(others) < 24:
            others.append(subprocess.Popen([SERVER, "sql", directory, "SELECT pg_sleep(15)"],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        refused = sql(directory, "SELECT 1") is None
    for other in others:
        other.wait()
    want(refused, "there was room for one more", "")
    return 1


def lock(directory):
    """An operator's session, longer than a lane waits for a lock or a statement."""
    database = "shop_" + rng.choice(SERVICES)
    table = rng.choice(("saga_stream", "saga_slot"))
    locked = sql(directory, f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;"
                 " SELECT pg_sleep(9); COMMIT", database)
    return 0 if locked is None else 1


def readonly(*places):
    troubled(*places, be_readonly, SOME, (0.1, 1.0))


def refusing(*places):
    troubled(*places, refuse, SOME, (0.1, 1.0))


def crowded(*places):
    troubled(*places, crowd, SOME, (0.1, 1.0))


def locked(*places):
    troubled(*places, lock, SOME, (0.1, 0.5))


@contextlib.contextmanager
def small_disk(directory):
    """A tablespace that is soon full. None: nobody may mount one here."""
    small = pathlib.Path(directory).parent / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", small],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        yield None
        return
    try:
        owner = os.stat(pathlib.Path(directory) / "server")
        os.chown(small, owner.st_uid, owner.st_gid)
        want(sql(directory, f"CREATE TABLESPACE small LOCATION '{small}'") is not None, "tablespace", "")
        yield small
    finally:
        server("stop", directory)
        subprocess.run(["umount", small], check=True)


def full(shop, url, directory, scratch):
    with small_disk(directory) as small:
        if not small:
            print("SKIP: a disk of its own can't be mounted here")
            sys.exit(77)

        def fill(_):
            with open(small / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            time.sleep(rng.uniform(0.5, 2))
            (small / "filler").unlink()
            return 1

        def made(*at):
            return stores(*at, SERVICES[:2]) + stores(*at, SERVICES[2:], "TABLESPACE small")

        troubled(shop, url, directory, scratch, fill, SOME, (0.1, 1.0), made)


# ---- every step of the protocol ----

ENOUGH_CUT = 5
SHORT_LIFE = 3000  # steps: less than a large batch has, more than an opening


def sessions_of(directory, service):
    listed = sql(directory, "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity"
                 f" WHERE application_name = 'libsaga' AND datname = 'shop_{service}'")
    return [int(pid) for pid in (listed or "").split()]


def pause_some(child, sessions):
    """The process, or the sessions of one service: at times for longer than a lease."""
    count, until = 0, time.monotonic() + 60
    while child.poll() is None and time.monotonic() < until:
        time.sleep(rng.uniform(0.1, 1.5))
        paused = rng.choice(([child.pid], sessions(rng.choice(SERVICES)))) if child.poll() is None else []
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in paused:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(rng.choice((0.2, 1, 2, 4, 5)) * rng.random())
        count += bool(paused)
    return count


def run_beside(command, beside):
    """What it said, and its exit; meanwhile `beside` does what it does to it."""
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as child:
            beside(child)
            code = child.wait(timeout=600)
        said.seek(0)
        return code, said.read()


def cut_by_steps(shop, made, scratch, proxy, sessions=lambda service: []):
    """Whole runs. No connection of the last came as far as the step that it was to be cut at. As a
    soak, in some of them all connections are cut, and in some others things are paused, too."""
    soaks = bool(os.environ.get("SAGA_TEST_SOAK"))
    begin = 1 if soaks else rng.choice((1, rng.randrange(100, 1000)))
    total = 0
    while begin:
        data = scratch / f"steps{begin}"
        options = made() + ["--lanes", rng.choice(("1", "2")), "--patience-s", "120"]
        mix(scratch / "orders", rng)
        proxy.rng.seed(rng.random())
        proxy.step, proxy.cuts = begin, 0
        kind = rng.choice(("", " (all)", " (paused)")) if soaks else ""
        proxy.life = SHORT_LIFE if "all" in kind else LIFE
        code, said = run_beside(
            [shop, "run", "--orders", scratch / "orders", "--products", PRODUCTS, "--data", data, *options],
            lambda child: pause_some(child, sessions) if "paused" in kind else None)
        end, proxy.step = proxy.step, 0
        looked = subprocess.run([shop, "audit", "--data", data, *options[:6]], capture_output=True,
                                text=True)
        last = want_audited(looked, said)
        want(code == 0 or "shop: audit: " in said, f"step {end}: exit {code}", said)
        print(f"steps {begin} to {end - 1}: {proxy.cuts} cut{kind}, {last}", flush=True)
        total += proxy.cuts
        # A batch after a hundred others has the same steps. A run may be over before it comes to a late
        # one: then one more, which is cut from the first on.
        if soaks:
            begin = end + begin // 4 if end > begin else None
        else:
            begin = 1 if begin > 1 and total <= ENOUGH_CUT else None
    want(total > ENOUGH_CUT, "hardly any was cut", str(total))


def steps(shop, url, directory, scratch):
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    proxy = Proxy(("127.0.0.1", port), postgres_size)

    def made():
        """Where the first message is the login."""
        return [option.replace(f":{port}/", f":{proxy.port}/") + "?sslmode=disable&gssencmode=disable"
                if f":{port}/" in option else option for option in stores(url, directory)]

    cut_by_steps(shop, made, scratch, proxy, lambda service: sessions_of(directory, service))


WHAT = ("northwind", "mixed", "restart", "terminate", "readonly", "refusing", "crowded", "locked", "full", "steps")
# What a run needs of its server.
SETTINGS = {"crowded": ("max_connections=20", "superuser_reserved_connections=0")}


def main():
    os.environ["SHOP_LEASE_MS"] = "3000"  # the server is near, and is to be missed soon
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    rng.seed(seed)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name) / "server"
        os.chmod(name, 0o711)
        code, url, why = server("start", directory, *SETTINGS.get(sys.argv[2], ()))
        if code != 0:
            print(f"SKIP: no PostgreSQL server: {why.splitlines()[-1] if why else code}")
            sys.exit(77)
        try:
            globals()[sys.argv[2]](sys.argv[1], url, directory, pathlib.Path(name))
        finally:
            server("stop", directory)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in WHAT:
        sys.exit(__doc__)
    main()
