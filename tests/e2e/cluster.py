#!/usr/bin/env python3
"""The shop over NATS JetStream, with a fourth participant that is a node program.

usage: cluster.py ORDER PAYMENT STOCK SHOP SAGA mail|storm

mail   One nats-server. The shop's mail is killed and started while orders come, then it is told
       everything once more: its file has each order once.
storm  Three nats-servers, killed one at a time, who leads the stream too, while orders come and instances of
       stock, on one PostgreSQL, come and go; then all heals, all orders end, the audit finds no violation,
       and each order has had its mail. Each kind of strike once with two instances of stock; with
       SAGA_TEST_SOAK=1 a minute of Northwind's orders with one, with two and with four. SAGA_TEST_SEED
       repeats one.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import bad_day
from bad_day import HAS_NORTHWIND, SOAK, Database, Driving, skip, write_products
from services import PATIENCE_S, ROOT, Service, Shop, fail, until, want

DOMAIN = "shop"
LEASE_MS = 3000
DOWN_S = 1.5  # at most, until what was killed is started again
ENDED = ("fulfilled", "completed", "cancelled")
rng = random.Random()


# ---- nats-servers ----

class Servers:
    def __init__(self, folder, n):
        self.folder, self.n = folder, n
        done = self.tell("start" if n == 1 else "cluster")
        if done.returncode != 0:
            skip(f"no nats-server: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        self.url = done.stdout.strip()

    def tell(self, command, *more):
        return subprocess.run([ROOT / "tests" / "nats", command, self.folder, *map(str, more)],
                              capture_output=True, text=True)

    def must(self, command, *more):
        done = self.tell(command, *more)
        want(done.returncode == 0, f"tests/nats {command}", done.stderr)
        return done.stdout.strip()

    def kill_leader(self):
        self.fell(int(self.must("leader", DOMAIN)), "kill", "again")
        return "leading nats-server killed"

    def strike(self):
        down, up, how = rng.choice([("kill", "again", "killed"), ("freeze", "thaw", "frozen")])
        self.fell(rng.randint(1, self.n), down, up)
        return f"nats-server {how}"

    def fell(self, n, down, up):
        """The next one may fall only when all are there again."""
        self.must(down, n)
        time.sleep(rng.uniform(0, DOWN_S))
        self.must(up, n)
        self.must("ready")

    def ask(self, subject, data=b""):
        """A request of JetStream's own, or an event, as the protocol has it; what is answered, of JSON."""
        host, port = re.match(r"nats://([^:]+):(\d+)", self.url).groups()
        with socket.create_connection((host, int(port)), 20) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\nSUB reply 1\r\n'
                               + f"PUB {subject} reply {len(data)}\r\n".encode() + data + b"\r\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    if line.startswith(b"MSG reply"):
                        return json.loads(lines.readline())
        return fail(f"no answer to {subject}")


# ---- the mail ----

def install_mail(folder):
    """The program, with what it needs from npm; or why it can't be had."""
    source = ROOT / "examples" / "shop" / "mail"
    installed = pathlib.Path(os.environ.get("SAGA_TEST_MAIL", source))
    if shutil.which("node") is None:
        return None, "node is not installed"
    if (installed / "node_modules" / "nats").is_dir():
        return installed / "mail.js", None
    if shutil.which("npm") is None:
        return None, "npm is not installed"
    shutil.copytree(source, folder)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"], cwd=folder,
                          capture_output=True, text=True)
    if done.returncode != 0:
        return None, f"npm ci: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
    return folder / "mail.js", None


class Mail:
    name = "mail"

    def __init__(self, shop, program):
        self.shop, self.program, self.process = shop, program, None
        self.file, self.log_path = shop.folder / "mails.ndjson", shop.folder / "mail.log"

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["node", self.program, "--bus", self.shop.bus_url, "--file", self.file],
                stdout=log, stderr=log)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def living(self):
        want(self.process.poll() is None, "the mail ended by itself", self.log())
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def mails(self):
        """By order; one that is there twice is a failure."""
        text = self.file.read_text() if self.file.exists() else ""
        sent = {}
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                mail = json.loads(line)
                want(mail["order"] not in sent, f"two mails of {mail['order']}", text[-2000:])
                sent[mail["order"]] = mail["text"]
        return sent

    def want_all(self, orders):
        """Each order has had its mail, and it says what became of it."""
        until(lambda: len(self.living().mails()) >= len(orders), f"{len(orders)} mails are sent")
        sent = self.mails()
        want(set(sent) == {order["saga"] for order in orders}, "mails of other orders", sent)
        for order in orders:
            said = "cancelled" if order["state"] == "cancelled" else "on its way"
            want(said in sent[order["saga"]], f"{order} had another mail", sent[order["saga"]])


# ---- the shop ----

class NatsShop(Shop):
    def __init__(self, programs, servers, **more):
        super().__init__(programs, restock=1000, faults="1,5,20,1,3", **more)
        self.bus_url = f"{servers.url}/{DOMAIN}?format=json&replicas={servers.n}&ack=5"
        self.stock.flags[:2] = ["--products", str(write_products(self))]
        if HAS_NORTHWIND:  # its customers, by the rules of data.c
            del self.payment.flags[:2]
        self.also = []

    def start_bus(self):
        pass  # the nats-servers are there

    def __exit__(self, *error):
        self.services += self.also
        for one in self.services:
            if one.process and one.process.poll() is None:
                one.process.send_signal(signal.SIGCONT)
        super().__exit__(*error)

    def orders(self):
        """All of them, by HTTP."""
        found, after = [], ""
        while after is not None:
            page = self.order.ask("GET", f"/orders?after={after}")[1]
            found += page["orders"]
            after = page.get("next")
        return found

    def want_mails(self, mail):
        orders = self.orders()
        want(orders and all(order["state"] in ENDED for order in orders), "not all ended")
        mail.want_all(orders)
        return len(orders)


@contextlib.contextmanager
def driven(shop):
    """Orders come, one file after the other; at the end all of them end."""
    driving = Driving(shop)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(driving.run)
        try:
            yield done
            driving.is_last.set()
            for service in shop.services:
                service.wait_well()
            done.result()
        except BaseException:
            driving.give_up()
            raise
        finally:
            print("orders:", driving.told(), flush=True)
    want(driving.counts["fulfilled"] + driving.counts["completed"] > 0, "none was fulfilled")
    want(driving.counts["cancelled"] > 0, "none was cancelled")


# ---- mail ----

def mail(programs, folder):
    program, why = install_mail(folder / "mail")
    if why:
        skip(f"no mail: {why}")
    tested = subprocess.run(["node", "--test"], cwd=program.parent, capture_output=True, text=True)
    want(tested.returncode == 0 and re.search(r"^# pass [1-9]", tested.stdout, re.M), "its own tests",
         tested.stdout + tested.stderr)
    servers = Servers(folder / "nats", 1)
    try:
        with NatsShop(programs, servers) as shop:
            its = Mail(shop, program)
            shop.also.append(its)
            its.start()  # there is no stream yet
            shop.start()
            with driven(shop) as done:
                for kills in range(1, 4):
                    until(lambda: len(its.living().mails()) > 20 * kills or done.done(), "more mails")
                    its.stop(signal.SIGKILL)
                    its.start()
            n = shop.want_mails(its)
            want(its.stop() == 0, "the mail does not stop", its.log())
            tell_again(servers, its)
            want(shop.want_mails(its) == n, "other orders")
            print(f"{n} orders, a mail each", flush=True)
            for service in shop.services:
                service.drain()
            shop.want_sound()
            tell_lies(servers, its)
    finally:
        servers.tell("stop")


def want_told(servers):
    def told():
        said = servers.ask(f"$JS.API.CONSUMER.INFO.{DOMAIN}.mail")
        return said.get("delivered", {}).get("consumer_seq", 0) > 0 and \
            said["num_pending"] + said["num_ack_pending"] == 0

    until(told, "it is told everything")


def tell_lies(servers, its):
    """Whoever may publish may send anything: it goes on, and goes on after a start."""
    whole, order = its.file.read_bytes(), "0190f3c2-0200-7000-8000-000000000000"
    subject = f"{DOMAIN}.e.0.0.0.0.0.0.order.x"
    lies = [b"", b"{", b"null", b"7", b"[]", b'"x"', b"\xff\xfe"]
    lies += [json.dumps(lie).encode() for lie in (
        {"sagaid": order, "type": "__proto__", "data": {}}, {"sagaid": order, "type": "toString"},
        {"sagaid": order, "type": {"toString": 1}}, {"sagaid": {"toString": 1}, "type": "order.fulfilled"},
        {"sagaid": "__proto__", "type": "order.fulfilled"}, {"sagaid": "x", "type": "order.cancelled"})]
    for lie in lies + [json.dumps({"sagaid": order, "type": "order.cancelled", "data": {"why": {"toString": 1}}}).encode()]:
        want("seq" in servers.ask(subject, lie), "a lie is not taken", lie)
    want_told(servers)
    want(its.living().file.read_bytes().startswith(whole), "the file is another")
    want(its.mails().pop(order, "") == "Your order is cancelled: no reason was given.", "a reason that is none")
    want(its.stop() == 0, "the mail does not stop", its.log())
    its.start()
    other = order.replace("02", "03")
    servers.ask(subject, json.dumps({"sagaid": other, "type": "order.fulfilled"}).encode())
    until(lambda: other in its.living().mails(), "a mail after all that")
    want(len(its.mails()) == whole.count(b"\n") + 2, "other mails", its.log())
    want(its.stop() == 0, "the mail does not stop", its.log())


def tell_again(servers, its):
    """Its place in the stream is lost, so all comes again; and it died in the middle of a line."""
    whole = its.file.read_bytes()
    want(servers.ask(f"$JS.API.CONSUMER.DELETE.{DOMAIN}.mail").get("success"), "delete its consumer")
    its.file.write_bytes(whole[:-9])
    its.start()
    want_told(servers)
    want(its.file.read_bytes() == whole, "the file is another")


# ---- storm ----

class Storm:
    def __init__(self, shop, servers, stocks, its):
        self.shop, self.servers, self.stocks, self.mail, self.seen = shop, servers, stocks, its, {}

    def a_round(self):
        """Every kind of strike, in any order."""
        a_stock, others = lambda: rng.choice(self.stocks), [self.shop.order, self.shop.payment]
        strikes = [self.servers.kill_leader, self.servers.strike, lambda: self.kill(a_stock()),
                   lambda: self.pause(a_stock()), lambda: self.leave(a_stock()),
                   lambda: self.kill(rng.choice(others)),
                   *([lambda: self.kill(self.mail)] if self.mail else [])]
        rng.shuffle(strikes)
        return strikes

    def kill(self, one):
        code = one.stop(signal.SIGKILL)
        want(code == -signal.SIGKILL, f"{one.name} ended by itself: {code}", one.log())
        time.sleep(rng.uniform(0, DOWN_S))
        one.start()
        return f"{one.name} killed"

    def pause(self, one):
        one.process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_MS / 1000 * rng.uniform(0.3, 1.5))
        one.process.send_signal(signal.SIGCONT)
        return f"{one.name} paused"

    def leave(self, one):
        """It goes as one that is told to, and comes again."""
        one.drain()
        time.sleep(rng.uniform(0, DOWN_S))
        one.start()
        return f"{one.name} left and came"

    def rage(self, seconds):
        end = time.monotonic() + seconds
        while not self.seen or time.monotonic() < end:
            for strike in self.a_round():
                time.sleep(rng.uniform(0.1, 0.5))
                what = strike()
                self.seen[what] = self.seen.get(what, 0) + 1


def more_stocks(shop, n):
    """Instances of stock that are not started yet, on one store."""
    shop.stock.flags += ["--lease-ms", str(LEASE_MS)]
    others = [Service(shop, f"stock-{i}", shop.stock.program, *shop.stock.flags) for i in range(2, n + 1)]
    for one in others:
        one.store = shop.stock.store
    return [shop.stock, *others]


def weather(programs, servers, stores, program, instances):
    with NatsShop(programs, servers, stores=stores) as shop:
        stocks = more_stocks(shop, instances)
        its = Mail(shop, program) if program else None
        shop.services += stocks[1:]
        shop.start()
        if its:
            shop.also.append(its)
            its.start()
        begun, raging = time.monotonic(), Storm(shop, servers, stocks, its)
        with driven(shop):
            raging.rage(60 if SOAK else 0)
        print(f"{instances} of stock, over after {time.monotonic() - begun:.0f} s:",
              ", ".join(f"{what} {n}" for what, n in raging.seen.items()), flush=True)
        if its:
            shop.want_mails(its)
        for service in shop.services:
            service.drain()
        shop.services = [shop.order, shop.payment, shop.stock]
        shop.want_sound()


def storm(programs, folder):
    program, why = install_mail(folder / "mail")
    if why:
        print(f"without the mail: {why}", flush=True)
    database = Database(folder)
    try:
        for instances in (1, 2, 4) if SOAK else (2,):
            servers = Servers(folder / f"nats-{instances}", 3)
            try:
                weather(programs, servers, database.new_store, program, instances)
            finally:
                servers.tell("stop")
            for service in ("payment", "stock"):
                database.tell("sql", f"DROP DATABASE storm_{service} WITH (FORCE)")
    finally:
        database.tell("stop")


def main():
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    rng.seed(seed)
    bad_day.rng.seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        globals()[sys.argv[6]]([str(pathlib.Path(program).resolve()) for program in sys.argv[1:6]],
                               pathlib.Path(folder))


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("mail", "storm"):
        sys.exit(__doc__)
    main()
