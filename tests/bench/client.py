"""A small IMAP client for measuring: raw sockets, and as little Python as possible per byte received."""

import os
import select
import socket
import ssl
import time

BUFFER = 1 << 20
TAIL = 1024  # longer than any tagged line


class Refused(Exception):
    """The server answered NO, BAD or BYE, closed the connection, or gave a result that cannot be right."""


class Span:
    """Wall time, and the CPU time (user + system) of this client process, of one measured stretch."""

    def __enter__(self):
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self._wall
        self.cpu_seconds = time.process_time() - self._cpu

    @property
    def ms(self):
        """Wall time in milliseconds."""
        return self.seconds * 1000

    @property
    def cpu(self):
        """CPU seconds of the client per second of wall time: near 1, the client is what is measured."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0


class Imap:
    """One connection. `command` keeps what it hears, `drain` only counts it."""

    def __init__(self, port, tls=False, timeout=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls_context().wrap_socket(self.socket)
        self._buffer = None
        self._tags = 0
        self.greeting = self.line()
        if not self.greeting.startswith(b"* OK"):
            raise Refused(f"greeting: {self.greeting!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Drops the connection without a LOGOUT."""
        self.socket.close()

    def line(self):
        """One line, byte by byte: only for greetings and continuations, before anything is in flight."""
        heard = b""
        while not heard.endswith(b"\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise Refused(f"connection closed after {heard!r}")
            heard += byte
        return heard

    def tag(self):
        """A tag that no message contains at the start of a line."""
        self._tags += 1
        return b"pbx~%d" % self._tags

    def command(self, text):
        """Sends one command, returns all that was heard, the tagged line included; raises unless OK."""
        tag = self.tag()
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        return self.until(tag)

    def drain(self, text):
        """Sends one command, throws the reply away as it comes, returns its length in bytes."""
        tag = self.tag()
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        if self._buffer is None:
            self._buffer = bytearray(BUFFER)
        buffer, receive = self._buffer, self.socket.recv_into
        total, tail, mark = 0, b"", b"\r\n" + tag + b" "
        while True:
            count = receive(buffer)
            if not count:
                raise Refused(f"connection closed during {text}")
            total += count
            if count >= TAIL:
                tail = buffer[count - TAIL : count]
            else:
                tail = (tail + buffer[:count])[-TAIL:]
            if tail.endswith(b"\r\n"):
                at = tail.rfind(b"\r\n", 0, -2)
                last = bytes(tail[at:]) if at >= 0 else b"\r\n" + bytes(tail)
                if last.startswith(mark):
                    answer_is_ok(last[len(mark) :], text)
                    return total

    def until(self, tag):
        """Everything up to the line tagged `tag`; raises unless that line says OK."""
        heard = bytearray()
        mark = b"\r\n" + tag + b" "
        while True:
            piece = self.socket.recv(BUFFER)
            if not piece:
                raise Refused(f"connection closed; last heard {bytes(heard[-200:])!r}")
            heard += piece
            if heard.endswith(b"\r\n"):
                at = heard.rfind(b"\r\n", 0, -2)
                last = bytes(heard[at:]) if at >= 0 else b"\r\n" + bytes(heard)
                if last.startswith(mark):
                    answer_is_ok(last[len(mark) :], "command")
                    return bytes(heard)

    def login(self, user, password):
        """LOGIN."""
        self.command(f'LOGIN "{user}" "{password}"')
        return self

    def idle(self):
        """Enters IDLE and waits for the continuation."""
        self._idle_tag = self.tag()
        self.socket.sendall(self._idle_tag + b" IDLE\r\n")
        heard = b""
        while b"+ " not in heard or not heard.endswith(b"\r\n"):
            piece = self.socket.recv(4096)
            if not piece:
                raise Refused("connection closed at IDLE")
            heard += piece

    def done(self):
        """Leaves IDLE."""
        self.socket.sendall(b"DONE\r\n")
        self.until(self._idle_tag)

    def hear(self, timeout):
        """What arrives within `timeout` seconds, as (bytes, time of arrival); empty bytes for silence."""
        pending = getattr(self.socket, "pending", None)
        if not (pending and pending()):
            ready, _, _ = select.select([self.socket], [], [], timeout)
            if not ready:
                return b"", time.perf_counter()
        piece = self.socket.recv(65536)
        return piece, time.perf_counter()

    def append(self, request):
        """Sends one prepared APPEND (see `append_request`) and waits for its OK."""
        self.socket.sendall(request)
        heard = self.socket.recv(4096)
        while not heard.endswith(b"\r\n") or b"apnd " not in heard:
            piece = self.socket.recv(4096)
            if not piece:
                raise Refused("connection closed at APPEND")
            heard += piece
        if b"apnd OK" not in heard:
            raise Refused(f"APPEND: {heard[-200:]!r}")

    def load(self, requests):
        """Appends many messages, pipelined in batches of at most 64 messages and about 1 MB."""
        batch, size, total = [], 0, 0
        for request in requests:
            batch.append(request)
            size += len(request)
            if len(batch) == 64 or size > BUFFER:
                total += self._load_batch(batch)
                batch, size = [], 0
        if batch:
            total += self._load_batch(batch)
        return total

    def _load_batch(self, batch):
        # The server's replies to one batch are a few KB and fit its send buffer, so writing first cannot deadlock.
        self.socket.sendall(b"".join(batch))
        heard, wanted = b"", len(batch)
        while heard.count(b"apnd ") < wanted or not heard.endswith(b"\r\n"):
            piece = self.socket.recv(65536)
            if not piece:
                raise Refused("connection closed while mail was loaded")
            heard += piece
        if heard.count(b"apnd OK") != wanted:
            bad = [line for line in heard.split(b"\r\n") if line.startswith(b"apnd ") and not line.startswith(b"apnd OK")]
            raise Refused(f"APPEND: {bad[:1]!r}")
        return wanted


def append_request(mailbox, body, flags=""):
    """The bytes of one APPEND with a non-synchronising literal (LITERAL+)."""
    return b'apnd APPEND "%s" (%s) {%d+}\r\n%s\r\n' % (mailbox.encode(), flags.encode(), len(body), body)


def answer_is_ok(status, text):
    """Raises unless the text after the tag begins with OK."""
    if not status.startswith(b"OK"):
        raise Refused(f"{text[:60]}: {status[:200]!r}")


def tls_context():
    """TLS 1.2 or newer without verification: every peer has its own self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def crowd(jobs):
    """Runs each job in a client process of its own, all released together.

    A job is a function that prepares itself (connects, logs in) and returns a second function, which
    is what is measured and may return a count. Returns (wall seconds from the first start to the last
    end, CPU seconds of all, sum of the counts).
    """
    ready_in, ready_out = os.pipe()
    go_in, go_out = os.pipe()
    result_in, result_out = os.pipe()
    pids = []
    for job in jobs:
        pid = os.fork()
        if pid == 0:
            os.close(go_out)
            try:
                work = job()
                os.write(ready_out, b".")
                os.close(ready_out)  # so that a failed sibling shows as end of file
                os.read(go_in, 1)
                cpu, began = time.process_time(), time.perf_counter()
                count = work() or 0
                ended = time.perf_counter()
                os.write(result_out, b"%.6f %.6f %.6f %d\n" % (began, ended, time.process_time() - cpu, count))
                os._exit(0)
            except BaseException as fault:  # the child must never return into the parent's code
                os.write(2, f"client process: {fault!r}\n".encode())
                os._exit(1)
        pids.append(pid)
    for descriptor in (ready_out, go_in, result_out):
        os.close(descriptor)
    try:
        ready = 0
        while ready < len(jobs):
            got = len(os.read(ready_in, len(jobs)))
            if not got:
                break
            ready += got
    finally:
        os.close(go_out)  # releases all: read() returns at end of file
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)
    with os.fdopen(result_in) as results:
        spans = [tuple(map(float, line.split())) for line in results]
    os.close(ready_in)
    if failed:
        raise Refused(f"{failed} of {len(jobs)} client processes failed")
    wall = max(span[1] for span in spans) - min(span[0] for span in spans)
    return wall, sum(span[2] for span in spans), int(sum(span[3] for span in spans))
