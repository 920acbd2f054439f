"""A small IMAP client that hides nothing: commands of pieces, answers of lines."""

import re
import socket

LITERAL = re.compile(rb"~?\{(\d+)\}\r\n\Z")
BUFFER = 1 << 18


class Closed(Exception):
    """The server closed the connection."""


class Refused(Exception):
    """The answer was not OK."""


class Line:
    """A response: its text without the literals in it, and those."""

    def __init__(self, pieces):
        self.text = b"".join(pieces[::2]).removesuffix(b"\r\n")
        self.literals = pieces[1::2]
        self.pieces = pieces

    def __repr__(self):
        return f"{self.text[:300]!r}" + (f" and {len(self.literals)} literals" if self.literals else "")


class Answer:
    """What came in return for a command: `status` and `text` of the tagged line, and all `lines` before it."""

    def __init__(self, lines, status, text):
        self.lines, self.status, self.text = lines, status, text

    def __repr__(self):
        return f"{self.status} {self.text!r} after {self.lines[-5:]!r}"

    def of(self, word):
        """The untagged lines that begin with a word, or with a number and that word."""
        shape = re.compile(rb"\* (?:\d+ )?" + re.escape(word.encode()) + rb"\b", re.I)
        return [line for line in self.lines if shape.match(line.text)]


class Imap:
    """A connection whose greeting has been read."""

    def __init__(self, port, tls=None, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._heard, self._at = b"", 0
        self._tags = 0
        self.greeting = self.line().text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Drops the connection."""
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def _more(self):
        got = self.socket.recv(BUFFER)
        if not got:
            raise Closed(self._heard[self._at :][:300])
        self._heard, self._at = self._heard[self._at :] + got, 0

    def _until_line_end(self):
        looked = self._at
        while (end := self._heard.find(b"\n", looked)) < 0:
            looked = max(0, len(self._heard) - self._at)
            self._more()
        line = self._heard[self._at : end + 1]
        self._at = end + 1
        return line

    def _octets(self, count):
        have = self._heard[self._at : self._at + count]
        self._at += len(have)
        pieces, left = [have], count - len(have)
        while left:
            piece = self.socket.recv(min(left, BUFFER))
            if not piece:
                raise Closed(f"{left} octets before the end of a literal")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def line(self):
        """The next response, with the literals in it."""
        pieces = [self._until_line_end()]
        while match := LITERAL.search(pieces[-1]):
            pieces.append(self._octets(int(match[1])))
            pieces.append(self._until_line_end())
        return Line(pieces)

    def begin(self, *pieces, sync=False):
        """Sends a command, `str` as text and `bytes` as literals; returns its tag."""
        self._tags += 1
        tag = f"t{self._tags}"
        out = [f"{tag} ".encode()]
        for piece in pieces:
            if isinstance(piece, str):
                out.append(piece.encode())
            elif sync:
                self.send(b"".join(out) + b"{%d}\r\n" % len(piece))
                line = self.line()
                if not line.text.startswith(b"+"):
                    raise Refused(line)
                out = [piece]
            else:
                out += [b"{%d+}\r\n" % len(piece), piece]
        self.send(b"".join(out) + b"\r\n")
        return tag.encode()

    def end(self, tag):
        """The answer to a command."""
        lines = []
        while True:
            line = self.line()
            if line.text.startswith(tag + b" "):
                _, status, text = (line.text + b"  ").split(b" ", 2)
                return Answer(lines, status.decode(), text.decode(errors="replace").strip())
            lines.append(line)

    def command(self, *pieces, sync=False):
        return self.end(self.begin(*pieces, sync=sync))

    def ok(self, *pieces, sync=False):
        """A command that must succeed."""
        answer = self.command(*pieces, sync=sync)
        if answer.status != "OK":
            raise Refused(f"{str(pieces)[:200]}: {answer}")
        return answer

    def append(self, mailbox, message, flags="", date="", sync=False):
        """Appends a message; returns its UID."""
        options = (f"({flags}) " if flags else "") + (f'"{date}" ' if date else "")
        # Only a literal8 can hold NUL.
        binary = "~" if b"\0" in message else ""
        answer = self.ok(f"APPEND {mailbox} {options}{binary}", message, sync=sync)
        return int(re.search(r"APPENDUID \d+ (\d+)", answer.text)[1])

    def messages(self, mailbox, items="FLAGS"):
        """All messages of a mailbox that is examined, as {UID: (sorted flags, literals)}."""
        self.ok(f"EXAMINE {mailbox}")
        found = {}
        for line in self.ok(f"UID FETCH 1:* (UID {items})").of("FETCH"):
            flags = re.search(rb"FLAGS \(([^)]*)\)", line.text)
            flags = sorted(flags[1].decode().split()) if flags else []
            flags = tuple(flag for flag in flags if flag != "\\Recent")
            found[int(re.search(rb"UID (\d+)", line.text)[1])] = (flags, line.literals)
        return found

    def mailboxes(self):
        """The names of all mailboxes, as the server writes them (names that need no literal)."""
        lines = self.ok('LIST "" "*"').of("LIST")
        return sorted(re.search(rb'\) (?:"."|NIL) "?(.*?)"?\Z', line.text)[1].decode() for line in lines)

    def status(self, mailbox, items="MESSAGES UIDNEXT UIDVALIDITY"):
        """STATUS as a dictionary."""
        [line] = self.ok(f"STATUS {mailbox} ({items})").of("STATUS")
        words = re.search(rb"\(([^()]*)\)\Z", line.text)[1].decode().split()
        return dict(zip(words[::2], map(int, words[1::2])))
