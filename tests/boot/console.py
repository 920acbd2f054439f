"""What a machine says on its serial console, and what is typed there."""

import re
import socket
import threading
import time

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|\][^\x07]*\x07|[()][0-9A-B]|[=>78cM])|\r|\x00")
SHOWN = 3_000  # characters of the console that a failure shows


class Console:
    """A thread reads the socket; who waits is woken with every piece that comes."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._heard = b""
        self._ended = False
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                piece = self._socket.recv(1 << 16)
            except OSError:
                piece = b""
            with self._news:
                self._heard += piece
                self._ended = not piece
                self._news.notify_all()
            if not piece:
                return

    def mark(self):
        """Here and now: what is awaited may be awaited from here on."""
        with self._news:
            return len(self._heard)

    def text(self, since=0):
        """What was shown, without colours and the like."""
        with self._news:
            return ESCAPES.sub("", self._heard[since:].decode(errors="replace"))

    def wait(self, pattern, seconds, since=0):
        """Waits for a pattern; returns the match."""
        end = time.monotonic() + seconds
        while True:
            with self._news:
                length = len(self._heard)
            if found := re.search(pattern, self.text(since)):
                return found
            with self._news:
                if self._ended or time.monotonic() > end:
                    why = "the machine ended" if self._ended else f"not within {seconds} s"
                    break
                if len(self._heard) == length:
                    self._news.wait(min(1, max(0.01, end - time.monotonic())))
        raise AssertionError(f"{why}: {pattern!r}; the console:\n{self.text(since)[-SHOWN:]}")

    def type(self, line):
        """A line, and the return key."""
        self._socket.sendall(line.encode() + b"\r")

    def close(self):
        self._socket.close()
