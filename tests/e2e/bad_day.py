#!/usr/bin/env python3
"""The shop as processes on bad days.

usage: bad_day.py ORDER PAYMENT STOCK SHOP SAGA storm|hosts|hostile

storm    Processes, the bus and the database are killed and paused at random while orders come, 16 at a
         time; then all heals, all orders end, and the audit finds no violation. Each kind of strike
         once, or for a minute with SAGA_TEST_SOAK=1. SAGA_TEST_SEED repeats one.
hosts    Each in a network namespace of its own; the network is cut, one way and both. Needs root.
hostile  Garbage, giants, halves and slowness at all ports, and forged events; then the same with TLS.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

from services import (DATA, PATIENCE_S, ROOT, SAMPLE, Service, Shop, fail, free_port, read_metrics, until,
                      want)

SOAK = bool(os.environ.get("SAGA_TEST_SOAK"))
NORTHWIND = [DATA / f"northwind-{what}.ndjson" for what in ("orders", "products")]
HAS_NORTHWIND = SOAK and all(one.exists() for one in NORTHWIND)
AGAIN = 20 if SOAK else 5  # times the sample's orders are in a file
rng = random.Random()


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


class Bus:
    """`saga bus` as a process that may be killed, paused and started again."""
    name = "bus"

    def __init__(self, shop, url):
        self.shop, self.url, self.process = shop, url, None

    def start(self):
        size = self.log_path().stat().st_size if self.log_path().exists() else 0
        with open(self.log_path(), "ab") as log:
            self.process = subprocess.Popen([self.shop.saga, "bus", "--in", self.url],
                                            stdout=log, stderr=log)

        def listens():
            said = self.log()[size:]
            want(self.process.poll() is None, "the bus ended", said)
            return "saga bus: from " in said

        until(listens, "the bus listens")

    def log_path(self):
        return self.shop.folder / "bus.log"

    def log(self):
        return self.log_path().read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        return code


class BadShop(Shop):
    def __init__(self, programs, bus_url=None, bus_in=None, **more):
        super().__init__(programs, **more)
        self.bus_url = bus_url or self.bus_url
        self.the_bus = Bus(self, bus_in or self.bus_url)

    def start_bus(self):
        self.the_bus.start()

    def __exit__(self, *error):
        self.bus = self.the_bus.process
        for one in [self.the_bus, *self.services]:
            if one.process and one.process.poll() is None:
                one.process.send_signal(signal.SIGCONT)
        super().__exit__(*error)


def tcp_url():
    return f"nng+tcp://127.0.0.1:{free_port()}?out={free_port()}"


# ---- orders ----

def write_orders(shop, n):
    """Northwind's are placed; the sample's are amended, cancelled and delivered as well."""
    path = shop.folder / f"orders-{n}.ndjson"
    all_lines = [NORTHWIND[0].read_text().splitlines()] if HAS_NORTHWIND else []
    all_lines += [(SAMPLE / "orders.ndjson").read_text().splitlines()] * AGAIN
    with open(path, "w") as out:
        for again, lines in enumerate(all_lines):
            for line in lines:
                out.write(re.sub(r'"ref": ?"([^"]+)"', rf'"ref": "\1-{n}-{again}"', line) + "\n")
    return path


def write_products(shop):
    path = shop.folder / "products.ndjson"
    files = [SAMPLE / "products.ndjson", *NORTHWIND[1:][:HAS_NORTHWIND]]
    path.write_text("".join(file.read_text() for file in files))
    return path


def begin_drive(shop, orders, patience_s=240):
    return subprocess.Popen(
        [shop.shop, "drive", "--url", f"http://127.0.0.1:{shop.order.port}", "--stock-url",
         f"http://127.0.0.1:{shop.stock.port}", "--orders", orders,
         "--products", shop.folder / "products.ndjson", "--in-flight", "16", "--patience-s", str(patience_s), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_drive(driven, timeout_s):
    try:
        said, errors = driven.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        driven.kill()
        fail("the orders do not end", "".join(reversed(driven.communicate())))
    want(driven.returncode == 0, f"drive: exit {driven.returncode}", errors + said)
    counts = json.loads(said.splitlines()[-1])
    want(counts["open"] == 0 and counts["lost"] == 0, "not all ended", errors + said)
    return counts


class Driving:
    """One file of orders after the other, until it is told that this was the last."""

    def __init__(self, shop):
        self.shop, self.is_last, self.counts, self.process = shop, threading.Event(), {}, None

    def run(self):
        for n in range(10**6):
            if self.is_last.is_set():
                return
            self.process = begin_drive(self.shop, write_orders(self.shop, n))
            for what, number in end_drive(self.process, 400).items():
                is_of_all = what in ("fulfilled", "completed", "cancelled", "open")
                self.counts[what] = number if is_of_all else self.counts.get(what, 0) + number

    def give_up(self):
        self.is_last.set()
        if self.process:
            self.process.kill()

    def told(self):
        return ", ".join(f"{what} {n:.0f}" for what, n in self.counts.items())


# ---- what the services counted, before they were killed too ----

class Tally:
    NAMES = {"saga_stream_gaps_total": "gaps healed", "saga_events_asked_total": "asked",
             "saga_events_resent_total": "resent", 'way="lost"': "frames lost",
             'way="dropped"': "frames dropped"}

    def __init__(self):
        self.of = {}  # process: what it has counted since it was started

    def take(self, service):
        """Nothing if it does not answer."""
        try:
            with socket.create_connection(("127.0.0.1", service.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n")
                text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return
        counts = self.of[service.process.pid] = dict.fromkeys(self.NAMES.values(), 0)
        for line in text.splitlines():
            for name, what in self.NAMES.items():
                if not line.startswith("#") and name in line:
                    counts[what] += int(float(line.rsplit(" ", 1)[1]))

    def total(self, what):
        return sum(counts[what] for counts in self.of.values())

    def told(self):
        return ", ".join(f"{what} {self.total(what)}" for what in self.NAMES.values())


# ---- storm ----

class Storm:
    """Strikes one after the other; each heals itself before the next, or with it."""

    def __init__(self, shop, database):
        self.shop, self.database, self.tally = shop, database, Tally()
        self.strikes = {}

    def a_round(self):
        """Every kind of strike, in any order."""
        processes = [self.shop.the_bus, *self.shop.services]
        strikes = [lambda one=one: self.kill(one) for one in processes]
        strikes += [lambda: self.pause(rng.choice(processes)), *self.database.strikes()]
        rng.shuffle(strikes)
        return strikes

    def living(self, one):
        """Whoever has ended by itself is not to be taken for killed."""
        want(one.process.poll() is None, f"{one.name} ended by itself", one.log())
        return one

    def kill(self, one):
        if isinstance(one, Service):
            self.tally.take(one)
        else:  # it stands still first, so that something is under way when it is killed
            self.living(one).process.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(0.05, 0.3))
        self.living(one)
        code = one.stop(signal.SIGKILL)
        want(code == -signal.SIGKILL, f"{one.name} ended by itself: {code}", one.log())
        time.sleep(rng.uniform(0, 0.7))
        one.start()
        return f"{one.name} killed"

    def pause(self, one):
        self.living(one).process.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.1, 1.5))
        one.process.send_signal(signal.SIGCONT)
        return f"{one.name} paused"

    def strike(self, how):
        time.sleep(rng.uniform(0.05, 0.5))
        name = how()
        self.strikes[name] = self.strikes.get(name, 0) + 1

    def rage(self, seconds):
        end = time.monotonic() + seconds
        while not self.strikes or time.monotonic() < end:
            for how in self.a_round():
                self.strike(how)
        self.lose_something()

    def was_resent(self):
        for service in self.shop.services:
            self.tally.take(service)
        return self.tally.total("resent") > 0

    def lose_something(self):
        """Who was away has missed something, unless nothing was sent just then: then once more."""
        end = time.monotonic() + PATIENCE_S
        while not self.was_resent():
            want(time.monotonic() < end, "nothing is lost and sent again: this proves nothing")
            self.strike(lambda: self.kill(rng.choice(self.shop.services)))
            self.shop.order.wait_well()
            time.sleep(rng.uniform(1, 5))

    def told(self):
        return ", ".join(f"{what} {n}" for what, n in self.strikes.items()) + ", " + self.tally.told()


class Database:
    """A server of its own, since it is crashed."""

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o711)
        done = self.tell("start")
        if done.returncode != 0:
            skip(f"no PostgreSQL server: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        self.url = done.stdout.strip().rsplit("/", 1)[0]

    def tell(self, *words):
        command, *more = words
        return subprocess.run([ROOT / "tests" / "postgres", command, self.folder, *more],
                              capture_output=True, text=True)

    def new_store(self, service):
        if service == "order":
            return None
        want(self.tell("sql", f"CREATE DATABASE storm_{service}").returncode == 0, "create")
        return f"{self.url}/storm_{service}"

    def strikes(self):
        return [self.crash, self.cut]

    def crash(self):
        done = self.tell("restart")
        want(done.returncode == 0, "the database does not restart", done.stderr)
        return "database crashed"

    def cut(self):
        self.tell("sql", "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE"
                  " application_name = 'libsaga' ORDER BY random() LIMIT 2) AS some")
        return "database's connections ended"


def storm(programs):
    with tempfile.TemporaryDirectory() as folder:
        database = Database(folder)
        try:
            weather(programs, database)
        finally:
            database.tell("stop")


def weather(programs, database):
    bus_url = rng.choice([None, tcp_url()])
    with BadShop(programs, bus_url, faults="1,5,20,1,3", restock=1000, stores=database.new_store) as shop:
        shop.stock.flags[:2] = ["--products", str(write_products(shop))]
        if HAS_NORTHWIND:  # its customers, by the rules of data.c
            del shop.payment.flags[:2]
        for service in shop.services:
            service.flags += ["--lease-ms", "3000"]
        print("bus:", shop.bus_url, "orders in:", shop.order.store_url().split(":")[0],
              "payments in:", shop.payment.store_url().split(":")[0], flush=True)
        shop.start()
        begun, raging, driving = time.monotonic(), Storm(shop, database), Driving(shop)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            driven = pool.submit(driving.run)
            try:
                raging.rage(60 if SOAK else 0)
                driving.is_last.set()
                for service in shop.services:
                    service.wait_well()
                driven.result()
            except BaseException:
                driving.give_up()
                raise
            finally:
                print(f"after {time.monotonic() - begun:.0f} s: {raging.told()}", flush=True)
        print("orders:", driving.told(), flush=True)
        want(driving.counts["completed"] + driving.counts["fulfilled"] > 0, "none was fulfilled")
        for service in shop.services:
            service.drain()
        shop.want_sound()


# ---- hosts ----

def run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    want(done.returncode == 0, " ".join(map(str, words)), done.stderr)
    return done.stdout


class Hosts:
    """A namespace for the bus, and one for each service, joined to it by a cable."""

    def __init__(self):
        self.tag = f"sg{os.getpid() % 100000}"
        self.names = {"bus": 0, "order": 1, "payment": 2, "stock": 3}

    def space(self, name):
        return f"{self.tag}-{name}"

    def inside(self, name, *words):
        return ["ip", "netns", "exec", self.space(name), *map(str, words)]

    def cable(self, name):
        return f"{self.tag}{name[0]}"

    def __enter__(self):
        for name in self.names:
            run("ip", "netns", "add", self.space(name))
            run(*self.inside(name, "ip", "link", "set", "lo", "up"))
        for name, n in list(self.names.items())[1:]:
            run("ip", "link", "add", self.cable(name), "netns", self.space("bus"), "type", "veth", "peer",
                "name", "up0", "netns", self.space(name))
            for at, device, last in (("bus", self.cable(name), 1), (name, "up0", 2)):
                run(*self.inside(at, "ip", "address", "add", f"10.77.{n}.{last}/24", "dev", device))
                run(*self.inside(at, "ip", "link", "set", device, "up"))
        return self

    def __exit__(self, *error):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", self.space(name)], capture_output=True)

    def one_way(self, name, to, how):
        """The bus's traffic alone: what goes `to` the bus, or comes from it, is dropped."""
        chain, end = ("OUTPUT", "--dport") if to else ("INPUT", "--sport")
        run(*self.inside(name, "iptables", how, chain, "-p", "tcp", end, "7700:7701", "-j", "DROP"))

    def both_ways(self, name, state):
        run(*self.inside("bus", "ip", "link", "set", self.cable(name), state))


TOKEN = "0123456789abcdef0123"


class FarService(Service):
    """In its host; asked from the bus's."""

    def begin(self, hosts):
        n = hosts.names[self.name]
        self.program = hosts.inside(self.name, self.program)
        self.flags += ["--listen", f"10.77.{n}.2:8080", "--token", TOKEN]
        self.address = f"http://10.77.{n}.2:8080"
        self.hosts = hosts
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "--bus", f"nng+tcp://10.77.{n}.1:7700", "--store", self.store_url(),
                 *self.flags], stdout=log, stderr=log, cwd=self.shop.folder)

    def health(self):
        script = ("import sys,urllib.request as r,urllib.error as e\n"
                  "try: print(r.urlopen(sys.argv[1], timeout=5).status)\n"
                  "except e.HTTPError as x: print(x.code, x.read().decode())\n"
                  "except OSError as x: print(0, x)")
        return run(*self.hosts.inside("bus", sys.executable, "-c", script, self.address + "/healthz"))

    def is_well(self):
        return self.health().startswith("200")


def can_have_hosts():
    if os.geteuid() != 0:
        return "network namespaces need root"
    with_it = f"sgtry{os.getpid() % 10000}"
    for words in (["ip", "netns", "add", with_it],
                  ["ip", "netns", "exec", with_it, "iptables", "-A", "INPUT", "-j", "DROP"],
                  ["ip", "link", "add", "sgtry0", "netns", with_it, "type", "veth", "peer", "name", "sgtry1",
                   "netns", with_it]):
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except FileNotFoundError:
            return f"{words[0]} is not installed"
        if done.returncode:
            subprocess.run(["ip", "netns", "del", with_it], capture_output=True)
            return f"no {' '.join(words[:3])} here: {done.stderr.strip().splitlines()[-1:]}"
    subprocess.run(["ip", "netns", "del", with_it], capture_output=True)
    return None


def hosts(programs):
    why = can_have_hosts()
    if why:
        skip(why)
    with BadShop(programs) as shop, Hosts() as all_hosts:
        for service in shop.services:
            service.__class__ = FarService
        bus = subprocess.Popen(all_hosts.inside("bus", shop.saga, "bus", "--in", "nng+tcp://0.0.0.0:7700"),
                               stderr=open(shop.folder / "bus.log", "ab"))
        try:
            for service in shop.services:
                service.begin(all_hosts)
            for service in shop.services:
                service.wait_well()
            cut_and_heal(shop, all_hosts)
            for service in shop.services:
                service.drain()
            shop.want_sound()
        finally:
            bus.kill()
            bus.wait()


def far_drive(shop, all_hosts, ref):
    lines = (SAMPLE / "orders.ndjson").read_text().splitlines()
    orders = shop.folder / f"orders-{ref}.ndjson"
    orders.write_text("".join(re.sub(r'"ref": "(\w+)"', rf'"ref": "\1-{ref}"', line) + "\n" for line in lines))
    token = shop.folder / "token"
    token.write_text(TOKEN + "\n")
    return subprocess.Popen(
        all_hosts.inside("bus", shop.shop, "drive", "--url", shop.order.address, "--stock-url",
                         shop.stock.address, "--token-file", token, "--orders", orders, "--products",
                         SAMPLE / "products.ndjson", "--patience-s", "200", "--json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def cut_and_heal(shop, all_hosts):
    """Longer than it takes to notice, while orders come; each direction by itself, and both."""
    cuts = [(shop.order, True), (shop.stock, False), (shop.payment, None)]
    for round_, (service, to) in enumerate(cuts):
        what = f"{service.name}: {'both ways' if to is None else 'to the bus' if to else 'from the bus'}"
        driven = far_drive(shop, all_hosts, round_)
        time.sleep(0.2)
        begun = time.monotonic()
        if to is None:
            all_hosts.both_ways(service.name, "down")
            time.sleep(12)
            all_hosts.both_ways(service.name, "up")
        else:
            all_hosts.one_way(service.name, to, "-A")
            until(lambda: service.health().startswith("503") and "bus" in service.health(),
                  f"{service.name} sees that its bus is away", 40)
            want(service.process.poll() is None, "it ended", service.log())
            all_hosts.one_way(service.name, to, "-D")
        print(f"cut {what} for {time.monotonic() - begun:.1f} s", end="", flush=True)
        service.wait_well()
        print(f", well after {time.monotonic() - begun:.1f} s: {end_drive(driven, 300)}", flush=True)


# ---- hostile ----

PUB, SUB = b"\0SP\0\0\x20\0\0", b"\0SP\0\0\x21\0\0"
ALL_64 = (1 << 64) - 1


def mix(total, word):
    total = (total ^ word) * 0x9e3779b97f4a7c15 & ALL_64
    return total ^ total >> 32


def add(total, data):
    whole = len(data) // 8 * 8
    for word in struct.unpack(f"<{whole // 8}Q", data[:whole]):
        total = mix(total, word)
    return mix(total, int.from_bytes(data[whole:], "little"))


def sealed(frame):
    """The sum of src/delivery/frame.c: it finds accidents, and keeps out nobody."""
    total = mix(add(add(mix(0, len(frame)), frame[:24]), frame[28:]), 0) & 0xffffffff
    return frame[:24] + struct.pack(">I", total) + frame[28:]


def event_frame(owner, store, seq, before, event):
    head = bytes([1, 1, 0, len(owner)]) + store + struct.pack(">II", 0, 0)
    return sealed(head + struct.pack(">Q", seq) + before + owner + event)


def message(topic, frame):
    data = topic + b"\0" + frame
    return struct.pack(">Q", len(data)) + data


def ports(url):
    found = re.search(r":(\d+)\?out=(\d+)", url)
    return int(found[1]), int(found[2])


class Listener(threading.Thread):
    """Who says it is a sub socket hears all that goes through a plain bus."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.sendall(SUB)
        self.last = {}  # owner: seq, own id, event
        self.store = {}
        self.start()

    def run(self):
        data = b""
        try:
            while got := self.connection.recv(65536):
                data += got
                data = self.take(data)
        except OSError:
            pass

    def take(self, data):
        if not getattr(self, "greeted", False):
            if len(data) < 8:
                return data
            self.greeted, data = True, data[8:]
        while len(data) >= 8 and len(data) >= 8 + struct.unpack(">Q", data[:8])[0]:
            size = struct.unpack(">Q", data[:8])[0]
            self.hear(data[8:8 + size])
            data = data[8 + size:]
        return data

    def hear(self, data):
        frame = data.split(b"\0", 1)[1] if b"\0" in data else b""
        if len(frame) < 52 or frame[:2] != b"\1\1":
            return
        owner = frame[52:52 + frame[3]].decode()
        event = frame[52 + frame[3]:]
        at = event.find(b"\xa2id\xd8\x01")
        seq = struct.unpack(">Q", frame[28:36])[0]
        if at >= 0 and seq > self.last.get(owner, (0,))[0]:
            self.store[owner] = frame[4:20]
            self.last[owner] = seq, event[at + 5:at + 21], event


def garbage_at(port, http):
    """Each on a connection of its own, which is left open."""
    head = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    noise = bytes(rng.getrandbits(8) for _ in range(5000))
    attacks = [b"", noise, b"\0" * 100000, b"\xff" * 1000, b"GET / HTTP/1.1\r\n\r\n"]
    if http:
        attacks += [head, head + b"Content-Length: 99999999999\r\n\r\n{", b"A" * 100000,
                    head + b"Content-Length: 20\r\n\r\n{\"ref\"", head + b"X: " + b"y" * 50000 + b"\r\n\r\n",
                    b"GET /orders/" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n", b"\r\n" * 10000]
    else:
        for topic in (b"events", b"to.stock", b"to.order", b"x" * 70, b""):
            for frame in (noise, b"", noise[:27], b"\1\1\0\5" + noise, sealed(b"\1\1\0\5" + noise[:100]),
                          sealed(b"\1\4\0\5" + noise[:60]), sealed(b"\1\3\0\5" + noise[:60])):
                attacks.append(PUB + message(topic, frame))
        attacks += [PUB + b"\0\0\0\xff" + noise, PUB + struct.pack(">Q", 1 << 40) + noise, PUB[:5],
                    PUB + struct.pack(">Q", 5000) + noise[:100], PUB + message(b"events", b"z" * 900000), SUB]
    connections = []
    for attack in attacks:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.settimeout(5)
        connections.append(connection)
        try:
            connection.sendall(attack)
        except OSError:
            pass
    return connections


def slowly(port, data, stop):
    """A byte now and then, for as long as the others go on."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for n in range(len(data)):
            if stop.wait(0.05):
                return
            try:
                connection.sendall(data[n:n + 1])
            except OSError:
                return


def place_some(shop, ref, count=10):
    for n in range(count):
        want(shop.place(f"{ref}{n}")[0] == 202, "place")
    for n in range(count):
        shop.wait_for(f"{ref}{n}", "fulfilled")


def check_garbage(shop):
    stop, into, out = threading.Event(), *ports(shop.bus_url)
    slow = [threading.Thread(target=slowly, args=(port, data, stop), daemon=True)
            for port, data in ((into, PUB + message(b"events", b"s" * 4000)), (out, SUB), (out, PUB),
                               (shop.order.port, b"POST /orders HTTP/1.1\r\nHost: " + b"x" * 3000))]
    for thread in slow:
        thread.start()
    kept = []
    for port, http in ((into, False), (out, False), *((s.port, True) for s in shop.services)):
        kept += garbage_at(port, http)
        place_some(shop, f"G{port}-", 3)
    stop.set()
    dropped = {s.name: read_metrics(s.ask("GET", "/metrics")[1])
               ["saga_frames_total", f'participant="{s.name}",way="dropped"'] for s in shop.services}
    print("garbage:", len(kept), "connections; frames dropped:", dropped, flush=True)
    want(all(n > 0 for n in dropped.values()), "nobody counted the garbage", dropped)
    for connection in kept:
        connection.close()


def forged(heard, owner="order"):
    """The owner's next event: an old one under another id."""
    seq, own_id, event = heard.last[owner]
    new_id = own_id[:8] + bytes(rng.getrandbits(8) for _ in range(8))
    return event_frame(owner.encode(), heard.store[owner], seq + 1, own_id, event.replace(own_id, new_id))


def stream(shop, service, *words):
    done = subprocess.run([shop.saga, "stream", *words, "--store", service.store_url()],
                          capture_output=True, text=True)
    want(done.returncode == 0, f"saga stream {words}", done.stderr)
    return done.stdout


def number_in(service, sql):
    with contextlib.closing(sqlite3.connect(f"file:{service.shop.folder}/{service.name}.db?mode=ro", uri=True,
                                            timeout=60)) as db:
        return db.execute(sql).fetchone()[0] or 0


def check_forgery(shop):
    """
    Through a plain bus a stranger may speak as anybody: nothing is signed. What he says as another's next
    event is taken in; it shows as a fork as soon as the owner goes on, and an operator heals it.
    """
    into, out = ports(shop.bus_url)
    heard = Listener(out)
    place_some(shop, "F")
    last = number_in(shop.order, "SELECT max(seq) FROM saga_stream")
    until(lambda: heard.last.get("order", (0,))[0] >= last, "the forger hears the last event")
    with socket.create_connection(("127.0.0.1", into)) as forger:
        forger.sendall(PUB + message(b"events", forged(heard)))
        victims = [shop.stock, shop.payment]
        for service in victims:
            until(lambda: number_in(service, "SELECT max(seq) FROM saga_position WHERE owner = 'order'") > last,
                  f"{service.name} takes it in")
        want(shop.place("after")[0] == 202, "placed after it")
        for service in victims:
            until(lambda: "stream.forked" in service.log(), f"{service.name} raises an alarm", 60)
            until(lambda: "forked" in stream(shop, service, "list"), f"{service.name} names the stream", 60)
    want(shop.order_of("after")["state"] == "placed", "it went on")
    for service in victims:
        want("read again" in stream(shop, service, "accept", "--all"), "accept")
    shop.wait_for("after", "fulfilled")
    place_some(shop, "H")
    for service in victims:
        until(lambda: "no stream has stopped" in stream(shop, service, "list"), "it has healed", 60)
    print("forged: seen by", *(s.name for s in victims), "and healed", flush=True)


def make_certificates(folder):
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)

    openssl("req", "-x509", *ec, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("bus", "member"):
        openssl("req", *ec, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem")


def stranger(folder, port, says):
    """Who has no certificate: what it hears in two seconds while orders go through."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    heard = b""
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as connection:
            connection.settimeout(2)
            connection.sendall(says)
            while got := connection.recv(65536):
                heard += got
    except OSError:  # refused, or silence
        pass
    return heard


def check_tls(programs, last_words):
    names = f"nng+tls+tcp://127.0.0.1:{free_port()}?out={free_port()}"
    with BadShop(programs, dispatch_ms=100) as shop:
        make_certificates(shop.folder)

        def keys(name):
            return f"ca={shop.folder}/ca.pem&cert={shop.folder}/{name}.pem&key={shop.folder}/{name}.key"

        shop.bus_url = f"{names}&name=bus&{keys('member')}"
        shop.the_bus.url = f"{names}&{keys('bus')}"
        shop.start()
        place_some(shop, "T")
        into, out = ports(names)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            tried = [pool.submit(stranger, shop.folder, port, says)
                     for port, says in ((out, SUB), (into, PUB + last_words(shop)))]
            place_some(shop, "U")
            heard = [one.result() for one in tried]
        want(heard == [b"", b""], "a stranger heard something", heard)
        plain = socket.create_connection(("127.0.0.1", out))
        plain.settimeout(2)
        plain.sendall(SUB)
        try:
            want(b"events" not in plain.recv(65536), "plain words through TLS")
        except OSError:
            pass
        for service in shop.services:
            want("stream.forked" not in service.log(), f"{service.name} heard a stranger", service.log())
            service.drain()
        shop.want_sound()
        print("tls: a stranger got nothing in and nothing out", flush=True)


def hostile(programs):
    with BadShop(programs, tcp_url(), dispatch_ms=100, restock=50) as shop:
        shop.start()
        place_some(shop, "A")
        check_garbage(shop)
        check_forgery(shop)
        for service in shop.services:
            service.drain()
        shop.want_sound()

    def last_words(shop):
        """A forged next event of the order service, made from its store."""
        with sqlite3.connect(shop.folder / "order.db") as db:
            uuid, = db.execute("SELECT value FROM saga_meta WHERE name = 'uuid'").fetchone()
            seq, own, event = db.execute("SELECT seq, id, event FROM saga_outbox"
                                         " ORDER BY seq DESC LIMIT 1").fetchone()
        heard = type("heard", (), {"last": {"order": (seq, own, event)},
                                   "store": {"order": bytes.fromhex(uuid.replace("-", ""))}})
        return message(b"events", forged(heard))

    check_tls(programs, last_words)


def main():
    seed = int(os.environ.get("SAGA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    rng.seed(seed)
    globals()[sys.argv[6]]([str(pathlib.Path(program).resolve()) for program in sys.argv[1:6]])


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("storm", "hosts", "hostile"):
        sys.exit(__doc__)
    main()
