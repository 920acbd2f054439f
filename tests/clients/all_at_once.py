"""What strangers and a bad account can do, all of it at once, with deliveries and a good client: memory stays bounded, the
good client is served, and what was taken is given back."""

import base64
import contextlib
import multiprocessing
import os
import selectors
import smtplib
import socket
import ssl
import threading
import time
from pathlib import Path

from house import PASSWORD, USER, Server, expect, fact, until
from imap import Closed, Imap, Refused

SECONDS = 40  # of attack
BASE_AND = 64 << 10  # KiB above what it needs at rest, at its worst
AFTER = (16 + 12) << 10  # KiB that may stay a minute after: the cache, which is empty after a start, and some
BAD = "bad@example.org"
UNREAD = {25: b"EHLO client.example\r\n", 110: b"CAPA\r\n", 143: b"a CAPABILITY\r\n", 587: b"NOOP\r\nHELP\r\n"}


def memory(process):
    """KiB in memory now."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def connected(port):
    attacker = socket.socket()
    attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    attacker.settimeout(20)
    attacker.connect(("127.0.0.1", port))
    return attacker


def pour(end, flows):
    """Sends without end and reads nothing, on each connection what it is to send; one that is closed is opened again."""
    poll = selectors.DefaultSelector()
    for port, octets, beginning in flows:
        with contextlib.suppress(OSError):
            begin(poll, port, octets, beginning)
    while time.monotonic() < end:
        for key, _ in poll.select(0.2):
            port, octets, beginning, at = key.data
            try:
                at[0] += key.fileobj.send(octets[at[0] % len(octets) :])
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(key.fileobj)
                key.fileobj.close()
                with contextlib.suppress(OSError):
                    begin(poll, port, octets, beginning)
        time.sleep(0.01)


def begin(poll, port, octets, beginning):
    attacker = connected(port)
    if beginning:
        attacker.sendall(beginning)
    attacker.setblocking(False)
    poll.register(attacker, selectors.EVENT_WRITE, (port, octets, beginning, [0]))


def unread_answers(end, offset):
    pour(end, [(port + offset, octets * 1000, b"") for port, octets in UNREAD.items() for _ in range(60)])


def unread_mail(end, offset):
    """An account that fetches everything and reads nothing."""
    login = f"l LOGIN {BAD} {{{len(PASSWORD)}+}}\r\n{PASSWORD}\r\ns SELECT big\r\n".encode()
    pour(end, [(143 + offset, b"f FETCH 1:* (BODY.PEEK[] BODYSTRUCTURE ENVELOPE)\r\n" * 100, login) for _ in range(40)])


def half_handshakes(end, offset):
    """A hello that says that it is 60,000 octets long, and goes on slowly; others begin with all that they have."""
    hello = b"\x16\x03\x01\x40\x00\x01\x00\xea\x60\x03\x03" + bytes(16_373)
    pour(end, [(port + offset, bytes(1), hello) for port in (465, 993, 995, 443) for _ in range(40)])


def hold(end, attackers):
    """Opens what comes, and says nothing more."""
    kept = []
    for open_one in attackers:
        with contextlib.suppress(OSError, EOFError):
            kept.append(open_one())
    time.sleep(max(0, end - time.monotonic()))


def started(port, *says):
    """A connection on which this was said."""
    attacker = connected(port)
    for octets in says:
        attacker.sendall(octets)
    return attacker


def spool_hogs(end, offset):
    mail = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
    body = (b"x" * 998 + b"\r\n") * 1_000
    hold(end, [lambda: started(25 + offset, mail, b"A: b\r\n\r\n", *[body] * 30)] * 12)


def unfinished_uploads(end, offset):
    login = f"l LOGIN {BAD} {{{len(PASSWORD)}+}}\r\n{PASSWORD}\r\n".encode()
    append = b"a APPEND INBOX {100000000+}\r\n"
    uploads = [lambda: started(143 + offset, login, append, os.urandom(700_000))] * 30
    literals = [lambda: started(143 + offset, b"a LOGIN {16000+}\r\n" + b"x" * 15_000)] * 100
    pages = [lambda: started(80 + offset, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n" + b"x" * 7_000)] * 50
    idle = [lambda: started(143 + offset)] * 200
    hold(end, uploads + literals + pages + idle)


def long_work(end, offset):
    """20 sessions that ask for much with few words."""
    asks = [
        "SEARCH 1:12 " + " ".join(f'NOT HEADER X-H "zz{number}"' for number in range(240)),
        "FETCH 13 (" + " ".join("BINARY.SIZE[1]" for _ in range(60)) + ")",
        'LIST "" (' + " ".join('"' + "*a" * 240 + 'b"' for _ in range(60)) + ")",
    ]

    def ask(number):
        while time.monotonic() < end:
            with contextlib.suppress(Closed, OSError, Refused):
                client = Imap(143 + offset, timeout=120)
                client.ok(f'LOGIN {BAD} "{PASSWORD}"')
                client.ok("SELECT big")
                client.command(asks[number % len(asks)])
            time.sleep(0.05)

    for number in range(20):
        threading.Thread(target=ask, args=(number,), daemon=True).start()
    time.sleep(max(0, end - time.monotonic()))


def deliveries(end, offset, taken):
    while time.monotonic() < end:
        try:
            with smtplib.SMTP("127.0.0.1", 25 + offset, timeout=60) as client:
                client.sendmail("friend@b.example", [USER], "From: friend@b.example\r\nSubject: hello\r\n\r\ntext\r\n" * 20)
            taken.value += 1
        except (OSError, smtplib.SMTPException):
            time.sleep(0.2)
        time.sleep(0.1)


class Good:
    """A client of somebody who did nothing to anybody."""

    def __init__(self, server):
        self.server, self.client = server, server.connect()
        self.client.ok("SELECT INBOX")
        self.times = {"NOOP": [], "log-in": [], "FETCH of 5 KB": []}
        self.again = 0

    def round(self):
        self.timed("NOOP", lambda: self.client.ok("NOOP"))
        self.timed("FETCH of 5 KB", lambda: self.client.ok("FETCH 1 BODY.PEEK[]"))
        self.timed("log-in", self.log_in)

    def log_in(self):
        end = time.monotonic() + 30
        while True:
            try:
                self.server.connect().close()
                return
            except (Closed, OSError, Refused):
                # Told to come again, as everybody whom nobody knows yet.
                self.again += 1
                expect(time.monotonic() < end, "no log-in within 30 s")
                time.sleep(0.05)

    def timed(self, name, act):
        began = time.monotonic()
        act()
        self.times[name].append(time.monotonic() - began)

    def tell(self):
        for name, times in self.times.items():
            times.sort()
            worst = times[min(len(times) - 1, len(times) * 99 // 100)] * 1000
            fact(f"{name}: {times[len(times) // 2] * 1000:.1f} ms in the median, {worst:.0f} ms at the 99th percentile")
        fact(f"{len(self.times['NOOP'])} rounds; {self.again} times a log-in was told to come again")


def fill(server):
    with server.connect() as client:
        for _ in range(5):
            client.append("INBOX", b"Subject: five\r\n\r\n" + (b"y" * 76 + b"\r\n") * 64)
    with server.connect(user=BAD) as client:
        client.ok("CREATE big")
        words = b"\r\n ".join(b"=?utf-8?q?" + b"=41" * 20 + b"?=" for _ in range(3_400))
        for _ in range(12):
            client.append("big", b"Subject: x\r\nX-H: " + words + b"\r\n\r\nbody\r\n")
        raw = base64.encodebytes(os.urandom(10_000_000)).replace(b"\n", b"\r\n")
        client.append("big", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + raw)
        for number in range(60):
            client.ok(f"CREATE L{number:04d}" + "a" * 900)


def main():
    with Server(accounts=((USER, PASSWORD), (BAD, PASSWORD))) as server:
        fill(server)
        server.restart()
        good = Good(server)
        good.round()
        time.sleep(2)
        rest = memory(server.process.pid)
        taken = multiprocessing.Value("i", 0)
        end = time.monotonic() + SECONDS
        attacks = [unread_answers, unread_mail, half_handshakes, spool_hogs, unfinished_uploads, long_work]
        attackers = [multiprocessing.Process(target=attack, args=(end, server.offset)) for attack in attacks]
        attackers.append(multiprocessing.Process(target=deliveries, args=(end, server.offset, taken)))
        for attacker in attackers:
            attacker.start()
        worst = rest
        while time.monotonic() < end:
            good.round()
            worst = max(worst, memory(server.process.pid))
        for attacker in attackers:
            attacker.join(20)
            if attacker.is_alive():
                attacker.kill()
                attacker.join()
        server.no_defect()
        peak = server.peak()
        good.tell()
        fact(f"{taken.value} deliveries taken meanwhile")
        fact(f"memory: {rest / 1024:.1f} MiB at rest, {peak / 1024:.1f} MiB at its worst")
        expect(peak <= rest + BASE_AND, "KiB", rest, peak)
        expect(taken.value > 0, "no delivery was taken")
        until(lambda: memory(server.process.pid) <= rest + AFTER, 60, "memory is given back")
        good.client.ok("NOOP")
        fact(f"memory after all have gone: {memory(server.process.pid) / 1024:.1f} MiB")
        server.no_defect()


main()
