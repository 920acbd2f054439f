"""The measurements, in the order in which they run and are printed.

Each module says `NAME` (for --only), `NEEDS` ("mail": the loaded mailboxes; "boxes": the 200 small ones;
"drop": the maildrop; "": an empty store), `ROWS`, and `run(stage)`.
"""

from . import append, cost, deliver, disk, fetch, login, mailbox, change, notify, idle, pop3, rest, search, start, syncs

ALL = [rest, append, deliver, cost, disk, fetch, search, mailbox, change, notify, idle, login, start, syncs, pop3]
