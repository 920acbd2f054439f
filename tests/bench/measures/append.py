"""APPEND: messages per second, each waiting for its OK; synthetic messages of at most 64 KB.

With 1 client; with 8 clients, each into a mailbox of its own; with 8 clients into one mailbox. The clients
are processes; the requests are prepared beforehand.
"""

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
        wall, cpu, count = append(stage, key, clients, shared, stage.options.appends, 0, APPEND_LARGEST)
        stage.record(key, count / wall, cpu / wall)


def append(stage, title, clients, shared, count, low, high, create=True):
    """Appends `count` messages of `low`..`high` bytes; (wall seconds, client CPU seconds, messages)."""
    share = count // clients
    bodies = stage.synthetic.between(low, high, share * clients)
    boxes = [f"{title}-{0 if shared else number}" for number in range(clients)]
    if create:
        with stage.peer.connect() as client:
            for box in sorted(set(boxes)):
                client.command(f"CREATE {box}")

    def writer(number):
        def prepare():
            requests = [append_request(boxes[number], body) for body in bodies[number::clients]]
            client = stage.peer.connect()

            def work():
                for request in requests:
                    client.append(request)

            return work

        return prepare

    wall, cpu = crowd([writer(number) for number in range(clients)])
    return wall, cpu, share * clients
