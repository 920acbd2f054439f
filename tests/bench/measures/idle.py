"""Memory of 1,000 idle connections (logged in, mailbox selected, IDLE); KB per connection.

Growth of the PSS of all the server's processes, two seconds after the last one went idle, over the number
of connections: plain and TLS with INBOX (a handful of messages), and plain with the mailbox of 10,000.
Where the machine lets us put the server into a memory cgroup, the kernel's memory for it (page tables,
stacks, sockets; not in PSS) is printed beneath. How fast the crowd came in is shown too.
"""

import time

from client import Span
from stage import Row

NAME, NEEDS = "idle", "mail"
ROWS = [
    Row("idle", "memory per idle connection, of 1,000", "KB", "lower"),
    Row("idle-kernel", "  and in the kernel", "KB", "lower"),
    Row("idletls", "memory per idle connection, TLS", "KB", "lower"),
    Row("idletls-kernel", "  and in the kernel", "KB", "lower"),
    Row("idlebig", "memory per idle connection, mailbox of 10,000", "KB", "lower"),
    Row("idlebig-kernel", "  and in the kernel", "KB", "lower"),
    Row("arrive", "connections brought to IDLE", "per s", "higher"),
]


def run(stage):
    for key, tls, box in (("idle", False, "INBOX"), ("idletls", True, "INBOX"), ("idlebig", False, "Synthetic")):
        stage.peer.stop()
        stage.peer.start()
        arrive(stage, tls, box).close()  # what is made once is no connection's memory
        time.sleep(1)
        before, kernel_before = stage.peer.memory_kb(), stage.peer.kernel_kb()
        crowd = []
        try:
            with Span() as span:
                for _ in range(stage.options.idle):
                    crowd.append(arrive(stage, tls, box))
            if key == "idle":
                stage.record("arrive", stage.options.idle / span.seconds, span.cpu)
            time.sleep(2)
            stage.record(key, (stage.peer.memory_kb() - before) / stage.options.idle)
            if kernel_before is not None:
                stage.record(f"{key}-kernel", (stage.peer.kernel_kb() - kernel_before) / stage.options.idle)
            crowd[0].done()  # still served?
            crowd[-1].done()
        finally:
            for client in crowd:
                client.close()
    stage.peer.stop()
    stage.peer.start()


def arrive(stage, tls, box):
    """One connection in IDLE."""
    client = stage.peer.connect(tls)
    client.command(f"SELECT {box}")
    client.idle()
    return client
