"""A time server for a machine in QEMU, which reaches it as 10.0.2.2: port 123 of this machine's loopback."""

import socket
import struct
import threading
import time

SINCE_1900 = 2_208_988_800  # seconds from the beginning of NTP's time to that of Unix


class TimeServer:
    """As a context it answers; the time is this machine's and `ahead` seconds."""

    def __init__(self, ahead=0):
        self.ahead = ahead
        self.asked = 0

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 123))
        self._socket.settimeout(0.2)
        self._open = True
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._open = False
        self._thread.join()
        self._socket.close()

    def now(self):
        return time.time() + self.ahead

    def _stamp(self):
        seconds = self.now() + SINCE_1900
        return struct.pack(">II", int(seconds) & 0xFFFF_FFFF, int(seconds % 1 * 2**32))

    def _serve(self):
        while self._open:
            try:
                question, who = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            if len(question) < 48 or question[0] & 7 != 3:
                continue
            self.asked += 1
            came = self._stamp()
            version = question[0] >> 3 & 7
            head = struct.pack(">BBbbII4s", version << 3 | 4, 2, question[2], -20, 0, 1 << 4, b"LOCL")
            # Reference, origin (the question's own time of sending), receive, transmit (RFC 5905 §7.3).
            self._socket.sendto(head + came + question[40:48] + came + self._stamp(), who)
