#!/usr/bin/env python3
"""The shop's order store behind PgBouncer, in each of its modes.

usage: pooler.py SHOP

In session mode all works, also over a pool that has no session to spare. In transaction and in
statement mode the store is refused at open, in words that name the cause, whichever session the pool
hands out next, and nothing is placed.
"""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from services import until
from shop import ROOT, run, want
from shop_postgres import server, sql, stores

SAMPLE = ROOT / "examples" / "shop" / "sample"
BOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def pooler(scratch, server_port, mode, size, robin):
    port = free_port()
    config = scratch / f"{mode}{size}{robin}.ini"
    users = scratch / "users.txt"
    users.write_text('"saga" ""\n')
    config.write_text(f"""[databases]
* = host=127.0.0.1 port={server_port} user=saga
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
server_round_robin = {robin}
ignore_startup_parameters = extra_float_digits,options
""")
    for one in (users, config):
        one.chmod(0o644)
    # It refuses to run as root.
    as_other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    with open(scratch / "pgbouncer.log", "ab") as log:
        child = subprocess.Popen([*as_other, BOUNCER, config], stdout=log, stderr=log, cwd="/")
    try:
        until(lambda: answers(port) or child.poll() is not None, "the pooler listens", 30)
        want(child.poll() is None, "the pooler ends", (scratch / "pgbouncer.log").read_text())
        yield port
    finally:
        child.terminate()
        child.wait(20)


def shop_run(shop, data, url):
    done = subprocess.run(
        [shop, "run", "--orders", SAMPLE / "orders.ndjson", "--products", SAMPLE / "products.ndjson", "--data",
         data, "--store-order", url, "--lanes", "2", "--patience-s", "30"],
        capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def warm(url):
    """Sessions that idle in the pool, as on a server that others use."""
    held = [subprocess.Popen(["psql", "-X", url, "-c", "SELECT pg_sleep(0.5)"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for _ in range(3)]
    for one in held:
        one.wait(30)


def main(shop, scratch):
    code, url, why = server("start", scratch / "pg")
    if code != 0:
        print(f"SKIP: no PostgreSQL server: {why.splitlines()[-1] if why else code}")
        sys.exit(77)
    try:
        for mode, size, robin in (("session", 20, 0), ("session", 2, 0), ("transaction", 20, 0), ("transaction", 20, 1),
                                  ("transaction", 1, 0), ("statement", 20, 0)):
            direct = stores(url, scratch / "pg", ("order",))[1]
            with pooler(scratch, direct.split(":")[-1].split("/")[0], mode, size, robin) as port:
                pooled = f"postgres://saga@127.0.0.1:{port}/shop_order"
                if size > 3 and mode != "statement":
                    warm(pooled)
                code, said = shop_run(shop, scratch / f"data-{mode}{size}{robin}", pooled)
            tables = sql(scratch / "pg", "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'saga%'", "shop_order")
            if mode == "session":
                want(code == 0 and " 0 violations" in said, f"{mode} {size}: exit {code}", said)
            else:
                want(code != 0 and f"gives each {mode} another session" in said and "pool_mode = session" in said,
                     f"{mode} {size} {robin}: exit {code}", said)
                want(tables == "0", f"{mode}: tables were made", said)
            print(f"{mode}, {size} sessions{', in turn' if robin else ''}: as it should be", flush=True)
    finally:
        server("stop", scratch / "pg")


if __name__ == "__main__":
    if not BOUNCER:
        print("SKIP: pgbouncer is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        place.chmod(0o711)
        main(pathlib.Path(sys.argv[1]), place)
