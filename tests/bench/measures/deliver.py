"""LMTP: messages per second, each waiting for its 250, which says that it is durable; synthetic messages of at most
64 KB.

With 1 client; with 8 clients, each for an account of its own; with 8 clients for one account. The clients are
processes; the requests are prepared beforehand, and repeated for some seconds. What was said to be there is counted.
"""

import itertools
import re
import time

from client import Refused, crowd
from lmtp import Lmtp, delivery
from peers import PASSWORD
from stage import APPEND_LARGEST, Row

NAME, NEEDS = "deliver", ""
ROWS = [
    Row("lmtp1", "LMTP, 1 client", "messages/s", "higher", ahead=1),
    Row("lmtp8", "LMTP, 8 clients, 8 accounts", "messages/s", "higher", ahead=1),
    Row("lmtp8one", "LMTP, 8 clients, 1 account", "messages/s", "higher", ahead=1),
]
FIRST = 10  # of the accounts that are delivered to


def run(stage):
    for key, clients, shared in (("lmtp1", 1, True), ("lmtp8", 8, False), ("lmtp8one", 8, True)):
        users = [stage.peer.hashed_user(FIRST + number) for number in range(1 if shared else clients)]
        before = messages(stage, users)
        bodies = stage.synthetic.between(0, APPEND_LARGEST, stage.options.appends)
        wall, cpu, count = deliver(stage, users, clients, bodies)
        there = messages(stage, users) - before
        if there != count:
            raise Refused(f"{count} messages were taken, and {there} are there")
        stage.record(key, count / wall, cpu / wall)


def deliver(stage, users, clients, bodies):
    """Returns (wall seconds, client CPU seconds, messages)."""

    def sender(number):
        def prepare():
            requests = [delivery(users[number % len(users)], body) for body in bodies[number::clients]]
            client = Lmtp(stage.peer.lmtp_port)

            def work():
                count, end = 0, time.perf_counter() + stage.options.seconds
                for request in itertools.cycle(requests):
                    client.deliver(request)
                    count += 1
                    if time.perf_counter() > end:
                        break
                client.quit()
                return count

            return work

        return prepare

    return crowd([sender(number) for number in range(clients)])


def messages(stage, users):
    """How many messages are in the INBOXes of these."""
    count = 0
    for user in users:
        with stage.peer.connect(login=False) as client:
            client.login(user, PASSWORD)
            count += int(re.search(rb"MESSAGES (\d+)", client.command("STATUS INBOX (MESSAGES)"))[1])
    return count
