"""Size on disk per byte of mail: growth of the allocated blocks of the data folder by the loading of the mail,
over the bytes of that mail; a ratio, below 1 where mail is compressed. The load itself (one connection per
mailbox, pipelined) is shown as messages per second."""

import os

import host
from client import Span
from stage import Row, load_mail

NAME, NEEDS = "disk", "mail"
ROWS = [
    Row("load", "load, APPEND pipelined", "messages/s", "higher"),
    Row("disk", "size on disk per byte of mail", "bytes", "lower"),
]


def run(stage):
    os.sync()
    before = host.allocated_bytes(stage.peer.data)
    with Span() as span:
        load_mail(stage)
    stage.record("load", sum(len(mail.messages) for mail in stage.mails()) / span.seconds)
    os.sync()
    grown = host.allocated_bytes(stage.peer.data) - before
    stage.record("disk", grown / sum(mail.size for mail in stage.mails()))
