"""Bytes written per appended message of 5 to 6 KB, with 1 and with 8 clients (8 mailboxes); KB.

Twice: what the server's processes sent (`write_bytes` of /proc/PID/io, ended processes included; pages of
4 KB, without the file system's journal), and what the whole disk under the store wrote, journal included, to
the end of a final sync(2). The second also counts whatever else the machine writes meanwhile.
"""

import os

import host
from stage import Row

from .append import append, make_boxes

NAME, NEEDS = "cost", ""
ROWS = [
    Row("written1", "written per 5-6 KB APPEND, 1 client", "KB", "lower"),
    Row("written8", "written per 5-6 KB APPEND, 8 clients", "KB", "lower"),
    Row("disk1", "  whole disk, 1 client", "KB", "lower"),
    Row("disk8", "  whole disk, 8 clients", "KB", "lower"),
]


def run(stage):
    bodies = stage.synthetic.between(5000, 6000, stage.options.costs)
    for key, clients in (("1", 1), ("8", 8)):
        boxes = make_boxes(stage, "cost" + key, clients)
        os.sync()
        before, disk_before = stage.peer.written_bytes(), host.disk_counters(stage.peer.folder)
        _, _, count = append(stage, boxes, clients, bodies)
        stage.record("written" + key, (stage.peer.written_bytes() - before) / count / 1000)
        os.sync()
        if disk_before:
            stage.record("disk" + key, (host.disk_counters(stage.peer.folder)[0] - disk_before[0]) / count / 1000)
