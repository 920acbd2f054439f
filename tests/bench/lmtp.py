"""A small LMTP client for measuring: two writes and two reads for each message, as Postfix does it."""

import re
import socket

from client import Refused


class Lmtp:
    """One connection."""

    def __init__(self, port, timeout=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.expect(b"220")
        self.socket.sendall(b"LHLO bench.example\r\n")
        self.expect(b"250")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def expect(self, code):
        """One reply, of any number of lines; raises unless it has this code."""
        while True:
            while b"\n" not in self.heard:
                piece = self.socket.recv(4096)
                if not piece:
                    raise Refused(f"connection closed; last heard {self.heard!r}")
                self.heard += piece
            line, self.heard = self.heard.split(b"\n", 1)
            if line[:3] != code:
                raise Refused(f"LMTP: {line!r}")
            if line[3:4] != b"-":
                return

    def deliver(self, request):
        """One message, prepared by `delivery`, up to its answer."""
        envelope, message = request
        self.socket.sendall(envelope)
        for code in (b"250", b"250", b"354"):
            self.expect(code)
        self.socket.sendall(message)
        self.expect(b"250")

    def quit(self):
        """Leaves in good order: so the server knows that its last answer was heard."""
        self.socket.sendall(b"QUIT\r\n")
        self.expect(b"221")


def delivery(recipient, body):
    """The envelope with its commands, and the message with its dots."""
    envelope = b"MAIL FROM:<sender@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\n" % recipient.encode()
    message = re.sub(rb"(?m)^\.", b"..", body)
    return envelope, message + (b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n")
