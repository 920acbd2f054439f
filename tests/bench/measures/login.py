"""Log-ins: connect, LOGIN, LOGOUT, each on a new plain connection, 4 clients at once; log-ins per second.

The hash is argon2id (m=12288, t=3, p=1) at every peer. Once with a few accounts again and again, as
phones do, where a server may remember that it has verified a password; and once with every account for the
first time since the start, where each log-in pays for the hash.
"""

import itertools
import time

from client import Imap, crowd
from peers import HASHED_USERS, PASSWORD
from stage import Row

NAME, NEEDS = "login", ""
CLIENTS = 4
ROWS = [
    Row("login-first", "log-ins, every account for the first time", "per s", "higher"),
    Row("login-again", "log-ins, same accounts again", "per s", "higher"),
]


def run(stage):
    stage.peer.stop()
    stage.peer.start()
    users = [stage.peer.hashed_user(number) for number in range(HASHED_USERS)]
    for key, names, seconds in (("login-first", users, None), ("login-again", users[:CLIENTS], stage.options.seconds)):
        port = stage.peer.imap_port
        wall, cpu, count = crowd([visitor(port, names[number::CLIENTS], seconds) for number in range(CLIENTS)])
        stage.record(key, count / wall, cpu / wall)


def visitor(port, names, seconds):
    """One client that logs in as each of `names` once, or again and again for so many seconds."""

    def work():
        count, end = 0, time.perf_counter() + (seconds or 0)
        for name in itertools.cycle(names) if seconds else names:
            with Imap(port) as client:
                client.login(name, PASSWORD)
                client.command("LOGOUT")
            count += 1
            if seconds and time.perf_counter() > end:
                break
        return count

    return lambda: work
