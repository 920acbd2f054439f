"""Memory of 1,000 idle connections (logged in, INBOX selected, IDLE), plain and TLS; KB per connection.

Growth of the PSS of all the server's processes, two seconds after the last one went idle, over the number
of connections. The kernel's socket buffers are not in it. How fast the crowd came in is shown too.
"""

import time

from client import Span
from stage import Row

NAME, NEEDS = "idle", ""
ROWS = [
    Row("idle", "memory per idle connection, of 1,000", "KB", "lower"),
    Row("idletls", "memory per idle connection, of 1,000, TLS", "KB", "lower"),
    Row("arrive", "connections brought to IDLE", "per s", "higher"),
]


def run(stage):
    for key, tls in (("idle", False), ("idletls", True)):
        stage.peer.stop()
        stage.peer.start()
        with stage.peer.connect(tls) as first:  # what is made lazily once is no connection's memory
            first.command("SELECT INBOX")
            first.idle()
            first.done()
            first.command("LOGOUT")
        time.sleep(2)
        before = stage.peer.memory_kb()
        crowd = []
        try:
            with Span() as span:
                for _ in range(stage.options.idle):
                    client = stage.peer.connect(tls)
                    client.command("SELECT INBOX")
                    client.idle()
                    crowd.append(client)
            if not tls:
                stage.record("arrive", stage.options.idle / span.seconds, span.cpu)
            time.sleep(2)
            stage.record(key, (stage.peer.memory_kb() - before) / stage.options.idle)
            crowd[0].done()  # still served?
            crowd[-1].done()
        finally:
            for client in crowd:
                client.close()
    stage.peer.stop()
    stage.peer.start()
