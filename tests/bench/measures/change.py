"""Changing 10,000 messages with one command each: STORE, COPY, MOVE, EXPUNGE; ms.

Dovecot answers STORE before the flags are durable (mdbox and Maildir write their index without a sync), so
the floor of one durable commit (4 KB written, fdatasync) is printed beside it.
"""

from client import Refused, Span
from stage import Row

NAME, NEEDS = "change", "mail"
ROWS = [
    Row("store", "STORE 1:10000 +FLAGS.SILENT", "ms", "lower"),
    Row("floor", "  floor: one durable commit", "ms", ""),
    Row("copy", "COPY 1:10000", "ms", "lower"),
    Row("move", "MOVE 1:10000", "ms", "lower"),
    Row("expunge", "EXPUNGE of 10,000", "ms", "lower"),
]


def run(stage):
    count = stage.count
    with stage.peer.connect() as client:
        client.command("CREATE Copied")
        client.command("CREATE Moved")
        client.command("SELECT Synthetic")
        for _ in range(stage.options.repeats):
            timed(stage, client, "store", f"STORE 1:{count} +FLAGS.SILENT (\\Flagged $Bench)")
            client.drain(f"STORE 1:{count} -FLAGS.SILENT ($Bench)")
            client.drain(f"STORE 1:{count} -FLAGS.SILENT (\\Flagged)")
        timed(stage, client, "copy", f"COPY 1:{count} Copied")
        client.command("SELECT Copied")
        timed(stage, client, "move", f"MOVE 1:{count} Moved")
        heard = client.command("SELECT Moved")
        if b"* %d EXISTS" % count not in heard:
            raise Refused(f"{count} messages were moved, but SELECT says {heard[:300]!r}")
        client.drain(f"STORE 1:{count} +FLAGS.SILENT (\\Deleted)")
        timed(stage, client, "expunge", "EXPUNGE")
        if b"MESSAGES 0" not in client.command("STATUS Copied (MESSAGES)"):
            raise Refused("messages are left where they were moved from")


def timed(stage, client, key, command):
    """One measured command; its reply is counted, not kept."""
    with Span() as span:
        client.drain(command)
    stage.record(key, span.ms, span.cpu)
