"""What attacks on a server have in common: raw connections, floods, crowds, and a neighbour who must not notice."""

import base64
import random
import resource
import socket
import ssl
import threading
import time
from contextlib import contextmanager

from corpus import made
from house import expect, fact
from imap import Closed, Refused

SECONDS = 20  # any answer must come in this time
UNDISTURBED = 2.0  # seconds that the neighbour may wait at its worst, on a machine that is busy with us and a build
CROWD = 4_300  # connections, more than there is room for


def besiege(server, attacks):
    """One attack after the other; each is answered within bounds, and leaves neither a defect nor damage."""
    with server.connect() as client:
        for number in range(20):
            client.append("INBOX", made(number))
    neighbour = Neighbour(server)
    neighbour.start()
    for attack in attacks:
        began = time.monotonic()
        attack(server)
        server.no_defect()
        expect(neighbour.failure is None, attack.__name__, neighbour.failure)
        took, peak = time.monotonic() - began, server.peak() / 1024
        fact(f"  ({attack.__name__}: {took:.1f} s, peak memory so far {peak:.1f} MiB)")
    neighbour.end()
    server.peak_is_bounded("of all that")
    expect("all is well" in server.run("check"))


class Neighbour(threading.Thread):
    """Another session, that goes on undisturbed."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client = server.connect(tls=True)
        self.client.ok("SELECT INBOX")
        self.times, self.failure, self.over = [], None, threading.Event()

    def run(self):
        try:
            number = 0
            while not self.over.wait(0.01):
                number += 1
                began = time.monotonic()
                self.client.append("INBOX", made(number))
                self.client.ok("UID FETCH * (FLAGS ENVELOPE BODY.PEEK[TEXT])")
                self.client.ok("STORE 1 +FLAGS (\\Flagged)")
                self.times.append(time.monotonic() - began)
        except Exception as failure:
            self.failure = failure

    def end(self):
        self.over.set()
        self.join(60)
        expect(self.failure is None, self.failure)
        times = sorted(self.times)
        fact(f"meanwhile, elsewhere: {len(times)} rounds of APPEND, FETCH and STORE")
        fact(f"  {times[len(times) // 2] * 1000:.1f} ms in the median, {times[-1] * 1000:.0f} ms at most")
        expect(times[-1] < UNDISTURBED, times[-1])


class Wire:
    """A connection that sends whatever it likes, and hears what comes until the end or a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.heard = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, octets):
        self.socket.sendall(octets)

    def more(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise Closed(self.heard[-300:])
        self.heard += piece

    def until(self, mark):
        while mark not in self.heard:
            self.more()

    def rest(self):
        """Hears what still comes, to the end."""
        try:
            while True:
                self.more()
        except Closed:
            pass

    @contextmanager
    def pouring(self, octets):
        """Sends beside the reading: the answers may be many. The server need not listen to the end."""
        sender = threading.Thread(target=quietly, args=(self.say, octets), daemon=True)
        sender.start()
        yield
        sender.join(SECONDS)
        expect(not sender.is_alive(), octets[:50])


def quietly(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        pass  # the server need not listen to the end


def drain(connection):
    while connection.recv(1 << 16):
        pass


def no_handshakes(port, command, seed):
    """In TLS's place: no TLS, half a handshake, a handshake of random octets, TLS and then noise."""
    dice = random.Random(seed)
    for number in range(100):
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain:
            if number % 4 == 0:
                plain.sendall(command)
            elif number % 4 == 1:
                plain.sendall(b"\x16\x03\x01" + dice.randbytes(2) + dice.randbytes(300))
            elif number % 4 == 2:
                plain.sendall(dice.randbytes(2_000))
            else:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(plain) as secure:
                    secure.recv(1_000)
                    secure.sendall(dice.randbytes(500) + b"\r\n")
                continue
            # A hello that says it is longer waits for its rest: only the others are closed at once.
            if number % 4 != 1:
                quietly(drain, plain)
    fact("100 handshakes that are none")


def sasl_answers(seed):
    """What a client might send in a SASL exchange and must not."""
    dice = random.Random(seed)
    answers = [
        b"",
        b"=",
        b"====",
        b"*",
        b"\x00",
        b"!" * 100,
        b"A" * 20_000,
        b"A" * 100_000,
        base64.b64encode(dice.randbytes(3_000)),
    ]
    return answers + [
        base64.b64encode(part)
        for part in (
            b"n,,n=,r=",
            b"y,,n=a,r=b,x=y",
            b"p=tls-unique,,n=a,r=b",
            b"n,a=b,n=a,r=" + b"c" * 5_000,
            b"\0" * 50,
            b"a\0b",
            b"\xff\0\xff\0\xff",
        )
    ]


def crowd_in(server, port, beginning, enter):
    """Sessions that begin and never go on, up to the limit of connections and beyond; then there is room again.

    `beginning(number)` is what each one says, `enter()` a log-in that works.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    crowd = []
    try:
        for number in range(CROWD):
            connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
            crowd.append(connection)
            quietly(connection.sendall, beginning(number))
        here = sum(is_here(connection) for connection in crowd)
        expect(here <= 4_000, "more are here than there is room for", here)
        fact(f"{len(crowd):,} half-open sessions, {here:,} of them kept: {server.peak() / 1024:.1f} MiB")
    finally:
        for connection in crowd:
            connection.close()
    end = time.monotonic() + SECONDS
    while True:
        try:
            enter().close()
            return
        except (Closed, Refused, ConnectionError):
            expect(time.monotonic() < end, "the places of those who went are not free again")
            time.sleep(0.05)


def is_here(connection):
    """Whether the server has not closed it; what it said is read."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 12):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
