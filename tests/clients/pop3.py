"""A small POP3 client that hides nothing: commands and answers as they are, several under way at once."""

import socket

from imap import Closed, Refused

LONGEST = 1 << 24  # no line that comes is longer
WINDOW = 100  # commands that are sent before the first answer is read


class Pop3:
    """A connection whose greeting has been read."""

    def __init__(self, port, tls=None, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._heard = self.socket.makefile("rb")
        self.greeting = self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Drops the connection."""
        self._heard.close()
        self.socket.close()

    def line(self):
        """The next line, without its end."""
        line = self._heard.readline(LONGEST)
        if not line.endswith(b"\r\n"):
            raise Closed(line[-300:])
        return line[:-2]

    def send(self, *commands):
        """Sends commands, all at once."""
        self.socket.sendall("".join(f"{command}\r\n" for command in commands).encode())

    def answer(self):
        """The text after +OK; -ERR is raised."""
        line = self.line()
        if not (line == b"+OK" or line.startswith(b"+OK ")):
            raise Refused(line.decode(errors="replace"))
        return line[4:].decode()

    def lines(self):
        """The lines after an answer, up to the dot, without the dots that were put before dots (RFC 1939 §3)."""
        found = []
        while (line := self.line()) != b".":
            if line.startswith(b".") and not line.startswith(b".."):
                raise Refused(f"a dot without a second one: {line[:80]!r}")
            found.append(line.removeprefix(b"."))
        return found

    def ok(self, command):
        """A command with one line of answer, which must be +OK."""
        self.send(command)
        return self.answer()

    def refused(self, command):
        """A command that must be answered with -ERR; returns the text of that."""
        try:
            answer = self.ok(command)
        except Refused as refusal:
            return str(refusal)
        raise AssertionError(f"{command[:80]}: {answer}")

    def listed(self, command):
        """A command with many lines of answer."""
        self.ok(command)
        return self.lines()

    def login(self, user, password):
        self.ok(f"USER {user}")
        self.ok(f"PASS {password}")
        return self

    def quit(self):
        """QUIT, to its answer, which must be +OK, and to the end of the connection."""
        self.ok("QUIT")
        if self._heard.read(1):
            raise Refused("something comes after the answer to QUIT")
        self.close()

    def stat(self):
        """How many messages, how many octets."""
        count, octets = map(int, self.ok("STAT").split()[:2])
        return count, octets

    def sizes(self):
        """LIST as {number: octets}."""
        return {int(number): int(octets) for number, octets in map(bytes.split, self.listed("LIST"))}

    def ids(self):
        """UIDL as {number: id}."""
        return {int(number): unique.decode() for number, unique in (line.split(b" ") for line in self.listed("UIDL"))}

    def message(self):
        """The octets of a message after the answer to RETR."""
        return b"".join(line + b"\r\n" for line in self.lines())

    def retr(self, number):
        self.ok(f"RETR {number}")
        return self.message()

    def all(self):
        """Every message by its number, asked for in one go."""
        numbers = list(self.sizes())
        found = {}
        for start in range(0, len(numbers), WINDOW):
            some = numbers[start : start + WINDOW]
            self.send(*(f"RETR {number}" for number in some))
            for number in some:
                self.answer()
                found[number] = self.message()
        return found
