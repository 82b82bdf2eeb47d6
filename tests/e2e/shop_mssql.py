#!/usr/bin/env python3
"""The shop with its orders on SQL Server, payments and stock on a PostgreSQL of its own.

usage: shop_mssql.py SHOP EMPTY northwind|restart|terminate|cut|away|steps

EMPTY drops all tables of the database that SAGA_TEST_MSSQL names; without that it is a skip.
`restart` and `terminate` are PostgreSQL's trouble, as in shop_postgres.py. `cut` ends single
connections to SQL Server, at any byte, and `away` all of them, and refuses new ones for seconds;
SAGA_TEST_MSSQL_RESTART, a command, makes `away` restart the server itself. `steps` is as in
shop_postgres.py. All of that goes by a proxy. Seeds are printed; SAGA_TEST_SEED repeats one;
SAGA_TEST_SOAK=1 makes it five times as many.
"""
import fcntl
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

import shop_postgres
from proxy import Proxy, tds_size
from shop import ORDERS, PRODUCTS, run, want, want_sound
from shop_postgres import SERVICES, crash, cut as cut_postgres, cut_by_steps, rng, server, stores, troubled

TIMES = 5 if os.environ.get("SAGA_TEST_SOAK") else 1


def reserve():
    """One database for all tests, and one test at a time; mssql_server.c takes the same lock."""
    lock = open(pathlib.Path(os.environ.get("TMPDIR") or "/tmp", "saga-test-mssql.lock"), "a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def at_mssql(url, proxy, empty):
    """Where each service's store is; the one of the orders is emptied."""
    def made(postgres, directory):
        emptied = subprocess.run([empty], capture_output=True, text=True, check=False)
        want(emptied.returncode == 0, "the database is not emptied", emptied.stdout)
        through = re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", url)
        return ["--store-order", through] + stores(postgres, directory, SERVICES[1:])
    return made


def northwind(shop, postgres, directory, scratch, made, _):
    for lanes in ("1", "2"):
        options = made(postgres, directory) + ["--lanes", lanes, "--patience-s", "120"]
        data = scratch / f"lanes{lanes}"
        code, summary, said = run(shop, data, ORDERS, PRODUCTS, *options)
        want_sound(code, summary, said, 830)
        want(summary["fulfilled"] > 415, "hardly any fulfilled", said)
        looked = subprocess.run([shop, "audit", "--data", data, *options[:6]], capture_output=True,
                                text=True, check=False)
        want(looked.returncode == 0, "audit", looked.stdout + looked.stderr)
        print(f"{lanes} lanes: {summary}", flush=True)


def restart(shop, postgres, directory, scratch, made, _):
    troubled(shop, postgres, directory, scratch, crash, 10 * TIMES, (0.1, 1.0), made)


def terminate(shop, postgres, directory, scratch, made, _):
    troubled(shop, postgres, directory, scratch, cut_postgres, 100 * TIMES, (0.0, 0.06), made)


def cut(shop, postgres, directory, scratch, made, proxy):
    def some(pairs):
        return rng.sample(pairs, min(1, len(pairs)))

    troubled(shop, postgres, directory, scratch, lambda _: proxy.cut(some), 50 * TIMES, (0.0, 0.3), made)


def away(shop, postgres, directory, scratch, made, proxy):
    command = os.environ.get("SAGA_TEST_MSSQL_RESTART")

    def leave(_):
        proxy.refuses = True
        proxy.cut(list)
        if command:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
            want(done.returncode == 0, "the server does not restart", done.stdout + done.stderr)
        else:
            time.sleep(rng.uniform(0.5, 3))
        proxy.refuses = False
        return 1

    troubled(shop, postgres, directory, scratch, leave, 5 * TIMES, (0.1, 1.5), made)


def steps(shop, postgres, directory, scratch, made, proxy):
    cut_by_steps(shop, lambda: made(postgres, directory), scratch, proxy)


def main():
    url = os.environ.get("SAGA_TEST_MSSQL")
    if not url:
        print("SKIP: SAGA_TEST_MSSQL names no server")
        sys.exit(77)
    lock = reserve()
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    shop_postgres.rng.seed(seed)
    host, port = re.search(r"@([^:/]*):?(\d*)/", url).groups()
    proxy = Proxy((host, int(port or 1433)), tds_size)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name) / "server"
        os.chmod(name, 0o711)
        code, postgres, why = server("start", directory)
        if code != 0:
            print(f"SKIP: no PostgreSQL server: {why.splitlines()[-1] if why else code}")
            sys.exit(77)
        try:
            globals()[sys.argv[3]](sys.argv[1], postgres, directory, pathlib.Path(name),
                                   at_mssql(url, proxy, sys.argv[2]), proxy)
        finally:
            server("stop", directory)
            lock.close()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in ("northwind", "restart", "terminate", "cut", "away", "steps"):
        sys.exit(__doc__)
    main()
