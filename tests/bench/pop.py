"""A small POP3 client for measuring, with as little Python as possible per byte received."""

import socket

from client import BUFFER, Refused, tls_context

END = b"\r\n.\r\n"  # nowhere within a message: a dot that begins a line there has another before it


class Pop3:
    """One connection."""

    def __init__(self, port, tls=False, timeout=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls_context().wrap_socket(self.socket)
        self.until(b"\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Drops the connection."""
        self.socket.close()

    def until(self, end):
        """What comes, up to an end with nothing behind it; raises unless it begins with +OK."""
        heard = bytearray()
        while not heard.endswith(end):
            piece = self.socket.recv(BUFFER)
            if not piece:
                raise Refused(f"connection closed; last heard {bytes(heard[-200:])!r}")
            heard += piece
            if heard.startswith(b"-") and heard.endswith(b"\r\n"):
                break
        if not heard.startswith(b"+OK"):
            raise Refused(f"POP3: {bytes(heard[:200])!r}")
        return bytes(heard)

    def command(self, text, end=b"\r\n"):
        """One command and its answer."""
        self.socket.sendall(text.encode() + b"\r\n")
        return self.until(end)

    def listing(self, text):
        """The lines after the answer."""
        return self.command(text, END).split(b"\r\n")[1:-2]

    def login(self, user, password):
        """USER, PASS and STAT, one after the other; returns the number of messages."""
        self.command(f"USER {user}")
        self.command(f"PASS {password}")
        return int(self.command("STAT").split()[1])

    def retrieve(self, count, window, length=None):
        """RETR of the messages 1 to `count`, so many asked for at a time; returns the length of all answers in bytes.

        With `length`, which an earlier call has returned, bytes are counted and no ends of messages, which costs this
        client half its time; how many messages have come is then known about.
        """
        buffer, receive = bytearray(BUFFER), self.socket.recv_into
        asked = done = total = 0
        tail = b""
        while done < count:
            if asked - done <= window // 2:
                more = range(asked + 1, min(count, done + window) + 1)
                self.socket.sendall(b"".join(b"RETR %d\r\n" % number for number in more))
                asked += len(more)
            got = receive(buffer)
            if not got:
                raise Refused(f"connection closed after {done} messages")
            total += got
            if length:
                done = count if total == length else min(asked - 1, total * count // length)
                continue
            # Those that lie across two pieces: the four octets before and the four after the cut.
            done += buffer.count(END, 0, got) + (tail + buffer[: min(got, 4)]).count(END)
            tail = (tail + buffer[max(0, got - 4) : got])[-4:]
        return total
