"""An SMTP and LMTP client for checks: it says what it is told to say, and hears replies whole."""

import socket


class Smtp:
    """A connection, plain or in TLS, to a port or to a socket's path."""

    def __init__(self, where, context=None, timeout=60):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where), timeout=timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        """The next line, without its end; None when nothing more comes."""
        while b"\r\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def reply(self):
        """The next reply: its lines joined, with the code once in front; None when nothing more comes."""
        texts = []
        while True:
            line = self.line()
            if line is None:
                return None
            texts.append(line[4:])
            if line[3:4] != "-":
                return f"{line[:3]} " + "\n".join(texts)

    def say(self, line):
        """One command, and its reply."""
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def deliver(self, sender, recipients, message):
        """A whole message, step by step; the reply to each step, those to the message's end as a list."""
        replies = [self.say(f"MAIL FROM:<{sender}>")]
        taken = 0
        for recipient in recipients:
            reply = self.say(f"RCPT TO:<{recipient}>")
            taken += reply.startswith("250")
            replies.append(reply)
        replies.append(self.say("DATA"))
        if replies[-1].startswith("354"):
            self.send(message + b".\r\n")
            replies.append([self.reply() for _ in range(taken if self.is_lmtp else 1)])
        return replies

    @property
    def is_lmtp(self):
        return " LMTP " in self.greeting
