"""Start to greeting: from the spawn of the server until the first IMAP greeting is heard; ms.

warm: stopped and started again with all mail in the store; cold: with the page cache dropped (taken when
the cold fetches restart the server, so only when `fetch` runs).
"""

from stage import Row

NAME, NEEDS = "start", ""
ROWS = [
    Row("start", "start to greeting, warm", "ms", "lower"),
    Row("start-cold", "start to greeting, cold", "ms", "lower"),
]


def run(stage):
    for _ in range(stage.options.repeats):
        stage.peer.stop()
        stage.record("start", stage.peer.start())
