"""Between the shop and a database server; a connection is a pair of sockets, and two threads."""
import random
import socket
import threading

LIFE = 20000  # steps: some batches of many orders


def postgres_size(head, begins):
    """Of the message that begins with it; 0: not known yet. The client's first has no type."""
    skip = 0 if begins else 1
    return skip + int.from_bytes(head[skip:skip + 4], "big") if len(head) >= skip + 4 else 0


def tds_size(head, _):
    return int.from_bytes(head[2:4], "big") if len(head) >= 4 else 0


class Proxy:
    """`size`: where messages end, for `steps`. The k-th message of a connection, whoever sends it, is
    its steps 2k - 1, in the middle of it, and 2k, behind it."""

    def __init__(self, to, size=None):
        self.to, self.size, self.lock, self.pairs, self.refuses = to, size, threading.Lock(), [], False
        # By lot: in turns, one who comes now and then might always come in another's turn.
        self.rng = random.Random()
        self.step = 0  # half of the connections are cut at it; once one was, at the next one; 0: never
        self.life = LIFE  # of the others, behind that step
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                pair = (client, socket.create_connection(self.to))
            except OSError:
                client.close()
                continue
            for one in pair:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                if not self.refuses:
                    self.pairs.append(pair)
            if self.refuses:
                self.end(pair)
                continue
            steps = Steps(self)
            for one, other in (pair, pair[::-1]):
                threading.Thread(target=self.forward, args=(pair, one, other, steps), daemon=True).start()

    def forward(self, pair, one, other, steps):
        try:
            rest, begins = b"", one is pair[0]
            while part := one.recv(65536):
                if not steps.until:
                    other.sendall(part)
                    continue
                rest += part
                while (size := self.size(rest, begins)) and len(rest) >= size:
                    passes = steps.pass_on(size)
                    other.sendall(rest[:passes])
                    if passes < size or steps.is_over():
                        self.end(pair)
                        return
                    rest, begins = rest[size:], False
        except OSError:
            pass
        self.end(pair)

    def end(self, pair):
        for one in pair:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        with self.lock:
            if pair in self.pairs:
                self.pairs.remove(pair)

    def cut(self, chosen):
        """Those of the connections that `chosen` chooses."""
        with self.lock:
            pairs = chosen(self.pairs)
        for pair in pairs:
            self.end(pair)
        return len(pairs)


class Steps:
    """Of one connection. Half of them get on with the work first."""

    def __init__(self, proxy):
        self.proxy, self.seen, self.lock = proxy, 0, threading.Lock()
        self.moves_on = proxy.rng.random() < 0.5
        self.until = proxy.step and proxy.step + (0 if self.moves_on else proxy.life)

    def pass_on(self, size):
        """How much of the next message, which is so large. Whoever gets to the end moves on."""
        with self.lock:
            self.seen += 2
            if self.seen < self.until:
                return size
            if self.seen < self.until + 2:
                with self.proxy.lock:
                    self.proxy.cuts += 1
                    if self.moves_on and self.proxy.step:
                        self.proxy.step = max(self.proxy.step, self.until + 1)
            return size if self.seen == self.until else size // 2 if self.seen == self.until + 1 else 0

    def is_over(self):
        return self.seen >= self.until
