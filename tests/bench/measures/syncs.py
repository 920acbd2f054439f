"""Syncs per appended message of 5 to 6 KB, with 1 and with 8 clients (8 mailboxes); calls.

A run of its own under strace: fsync, fdatasync, sync_file_range, msync, sync, syncfs. What a server
syncs through io_uring or O_DSYNC is not seen by strace; the disk's own flushes beside it would show it.
"""

import host
from stage import Row

from .append import append, make_boxes

NAME, NEEDS = "syncs", ""
ROWS = [
    Row("syncs1", "syncs per APPEND, 1 client", "calls", "lower"),
    Row("syncs8", "syncs per APPEND, 8 clients", "calls", "lower"),
    Row("flushes1", "  flushes of the whole disk, 1 client", "flushes", "lower"),
    Row("flushes8", "  flushes of the whole disk, 8 clients", "flushes", "lower"),
]


def run(stage):
    bodies = stage.synthetic.between(5000, 6000, stage.options.costs)
    stage.peer.stop()
    stage.peer.start(traced=True)
    try:
        for key, clients in (("1", 1), ("8", 8)):
            # A run beforehand, so that making the mailboxes' files does not count.
            boxes = make_boxes(stage, "syncs" + key, clients)
            append(stage, boxes, clients, bodies[: clients * 2])
            before, disk_before = sum(stage.peer.syncs().values()), host.disk_counters(stage.peer.folder)
            _, _, count = append(stage, boxes, clients, bodies)
            stage.record("syncs" + key, (sum(stage.peer.syncs().values()) - before) / count)
            if disk_before:
                stage.record("flushes" + key, (host.disk_counters(stage.peer.folder)[1] - disk_before[1]) / count)
    finally:
        stage.peer.stop()
        stage.peer.start()
