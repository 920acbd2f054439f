"""Memory at rest: PSS of all the server's processes, fresh store, one log-in served, two seconds of silence; MB."""

import time

from stage import Row

NAME, NEEDS = "rest", ""
ROWS = [Row("rest", "memory at rest", "MB", "lower")]


def run(stage):
    """The log-in makes lazily started helpers (auth, anvil, stats) count, which stay once started."""
    with stage.peer.connect() as client:
        client.command("LOGOUT")
    time.sleep(2)
    stage.record("rest", stage.peer.memory_kb() / 1024)
