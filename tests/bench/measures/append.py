"""APPEND: messages per second, each waiting for its OK; synthetic messages of at most 64 KB.

With 1 client; with 8 clients, each into a mailbox of its own; with 8 clients into one mailbox. The clients
are processes; the requests are prepared beforehand, and repeated for some seconds.
"""

import itertools
import time

from client import append_request, crowd
from stage import APPEND_LARGEST, Row

NAME, NEEDS = "append", ""
ROWS = [
    Row("append1", "APPEND, 1 client", "messages/s", "higher"),
    Row("append8", "APPEND, 8 clients, 8 mailboxes", "messages/s", "higher"),
    Row("append8one", "APPEND, 8 clients, 1 mailbox", "messages/s", "higher"),
]


def run(stage):
    for key, clients, shared in (("append1", 1, True), ("append8", 8, False), ("append8one", 8, True)):
        boxes = make_boxes(stage, key, 1 if shared else clients)
        bodies = stage.synthetic.between(0, APPEND_LARGEST, stage.options.appends)
        wall, cpu, count = append(stage, boxes, clients, bodies, stage.options.seconds)
        stage.record(key, count / wall, cpu / wall)


def make_boxes(stage, title, count):
    """Creates `count` empty mailboxes."""
    boxes = [f"{title}-{number}" for number in range(count)]
    with stage.peer.connect() as client:
        for box in boxes:
            client.command(f"CREATE {box}")
    return boxes


def append(stage, boxes, clients, bodies, seconds=None):
    """Appends each of `bodies` once, dealt out to the clients; with `seconds`, again and again that long.

    Returns (wall seconds, client CPU seconds, messages).
    """

    def writer(number):
        def prepare():
            requests = [append_request(boxes[number % len(boxes)], body) for body in bodies[number::clients]]
            client = stage.peer.connect()

            def work():
                count, end = 0, time.perf_counter() + (seconds or 0)
                for request in itertools.cycle(requests) if seconds else requests:
                    client.append(request)
                    count += 1
                    if seconds and time.perf_counter() > end:
                        break
                return count

            return work

        return prepare

    return crowd([writer(number) for number in range(clients)])
