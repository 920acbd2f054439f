"""QEMU's own door: commands, and events as they come."""

import json
import socket
import threading
import time

ANSWER_SECONDS = 30


class Qmp:
    """A connection to QEMU's machine protocol; a thread reads it."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._news = threading.Condition()
        self._answers = []
        self._ended = False
        self.events = []
        json.loads(self._lines.readline())
        threading.Thread(target=self._listen, daemon=True).start()
        self("qmp_capabilities")

    def _listen(self):
        try:
            for line in self._lines:
                word = json.loads(line)
                with self._news:
                    if "event" in word:
                        self.events.append({**word, "seen": time.monotonic()})
                    else:
                        self._answers.append(word)
                    self._news.notify_all()
        except (OSError, ValueError):
            pass
        with self._news:
            self._ended = True
            self._news.notify_all()

    def __call__(self, command, **arguments):
        """A command, answered."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        with self._news:
            if not self._news.wait_for(lambda: self._answers or self._ended, ANSWER_SECONDS) or not self._answers:
                raise AssertionError(f"QEMU does not answer {command}")
            answer = self._answers.pop(0)
        if "error" in answer:
            raise AssertionError(f"{command} {arguments}: {answer['error']}")
        return answer["return"]

    def human(self, line):
        """A command of the monitor that people use."""
        return self("human-monitor-command", **{"command-line": line})

    def count(self, event):
        """How often something happened."""
        with self._news:
            return sum(word["event"] == event for word in self.events)

    def wait(self, event, count, seconds):
        """Waits until something has happened that often, or QEMU has ended."""
        with self._news:
            happened = self._news.wait_for(
                lambda: sum(word["event"] == event for word in self.events) >= count or self._ended, seconds
            )
        if not happened or self.count(event) < count:
            raise AssertionError(f"{event} {self.count(event)} times and not {count} within {seconds} s")

    def close(self):
        self._socket.close()
