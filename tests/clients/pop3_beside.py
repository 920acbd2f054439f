"""A POP3 session beside others: beside a second one, and while IMAP deletes, moves, marks and delivers.

Then what becomes of what POP3 read and deleted, in each of the ways that an account can choose.
"""

import random
import socket
import struct
import threading
import time
from collections import Counter

from corpus import made
from house import PASSWORD, USER, Server, expect, fact
from imap import Refused

MESSAGES = 60
ROUNDS = 8  # of sessions while others change things
SEED = 30
FREE_SECONDS = 2.5  # in which the maildrop is free after a connection broke


class Drop:
    """What a session was shown at log-in: later it must be shown the same."""

    def __init__(self, client):
        self.client = client
        self.shown = client.stat(), client.sizes(), client.ids()
        (count, octets), self.sizes, ids = self.shown
        expect(count == len(self.sizes) == len(ids) and octets == sum(self.sizes.values()), count, octets)

    def is_as_it_was(self):
        now = self.client.stat(), self.client.sizes(), self.client.ids()
        expect(now == self.shown, "the maildrop changed within the session")

    def retrieve(self, bodies):
        """Each message is what it was at log-in, or refused; returns the numbers of those."""
        refused = []
        for number, size in self.sizes.items():
            try:
                octets = self.client.retr(number)
            except Refused:
                refused.append(number)
                continue
            expect(octets == bodies[number - 1] and len(octets) == size, number, "is another message", octets[:200])
        return refused


def fill(server):
    """An INBOX with some messages, and nothing elsewhere; returns their octets."""
    bodies = [made(number, [0, 900, 20_000][number % 3], "Beside") for number in range(MESSAGES)]
    with server.connect() as client:
        for mailbox in ("INBOX", "Trash", "Archive"):
            client.ok(f"SELECT {mailbox}")
            client.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.ok("EXPUNGE")
        for body in bodies:
            client.append("INBOX", body)
    return bodies


def there(server, mailbox):
    """The messages of a mailbox as IMAP has them, in their order."""
    with server.connect() as client:
        return [body for _, [body] in client.messages(mailbox, "BODY.PEEK[]").values()]


def two(server):
    """The second session at a time hears [IN-USE]; it is let in as soon as the first is over, however that ended."""
    fill(server)
    for how in ("QUIT", "close", "reset", "shutdown"):
        with server.pop3(tls=how == "close") as first, server.pop3(user=None) as second:
            first.ok("DELE 1")
            second.ok(f"USER {USER}")
            began = time.monotonic()
            expect("[IN-USE]" in second.refused(f"PASS {PASSWORD}"))
            waited = time.monotonic() - began
            if how == "QUIT":
                first.ok("RSET")
                first.quit()
            elif how == "shutdown":
                first.socket.shutdown(socket.SHUT_WR)
            else:
                off = struct.pack("ii", how == "reset", 0)
                first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, off)
                first.close()
            began = time.monotonic()
            second.login(USER, PASSWORD)  # the connection that was turned away may try again
            took = time.monotonic() - began
            expect(took < (0.5 if how == "QUIT" else FREE_SECONDS), how, took)
            expect(second.stat()[0] == MESSAGES, "deleted without QUIT", how)
            second.quit()
    fact(f"the second session hears [IN-USE] after {waited:.1f} s, and is let in after QUIT and broken connections")


def changes(server):
    """IMAP takes messages away within the session: numbers, sizes, ids stay, and only what is left is deleted."""
    bodies = fill(server)
    with server.pop3() as client, server.connect() as other:
        drop = Drop(client)
        other.ok("SELECT INBOX")
        other.ok("STORE 2:4 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        drop.is_as_it_was()
        other.ok("MOVE 1:5 Archive")  # 1 and 5 to 8 of the session
        other.ok("STORE 1:9 +FLAGS (\\Flagged $Work)")
        other.append("INBOX", made(900))
        drop.is_as_it_was()
        refused = drop.retrieve(bodies)
        expect(set(refused) <= set(range(1, 9)), refused)
        for number in drop.sizes:
            client.ok(f"DELE {number}")
        expect(client.stat() == (0, 0))
        client.quit()
    expect(there(server, "INBOX") == [made(900)])
    expect(there(server, "Archive") == [bodies[number] for number in (0, 4, 5, 6, 7)])
    expect(there(server, "Trash") == bodies[8:])
    fact(f"of 8 messages that IMAP took away, {len(refused)} were refused and the others as they were")


def storm(server):
    """The same while somebody changes and delivers all the time."""
    fill(server)
    over, known, refused = threading.Event(), {}, 0
    changer = Changer(server, over)
    changer.start()
    try:
        for turn in range(ROUNDS):
            with server.pop3(tls=turn % 2 == 0) as client:
                drop = Drop(client)
                ids = drop.shown[2]
                for number in random.Random(turn).sample(list(ids), len(ids)):
                    try:
                        octets = client.retr(number)
                    except Refused:
                        refused += 1
                        continue
                    expect(known.setdefault(ids[number], octets) == octets, number, "is another message")
                    expect(len(octets) == drop.sizes[number], number, len(octets))
                drop.is_as_it_was()
                client.quit()
    finally:
        over.set()
        changer.join(60)
    expect(changer.failure is None, changer.failure)
    expect(set(known.values()) <= changer.bodies and len(known) > MESSAGES)
    fact(f"beside {dict(changer.done)}: {len(known)} messages as they were delivered, {refused} times refused")


class Changer(threading.Thread):
    """Somebody at work over IMAP."""

    def __init__(self, server, over):
        super().__init__(daemon=True)
        self.server, self.over = server, over
        self.bodies = set(there(server, "INBOX"))
        self.done, self.failure = Counter(), None

    def run(self):
        try:
            with self.server.connect() as client:
                client.ok("SELECT INBOX")
                dice = random.Random(SEED)
                while not self.over.is_set():
                    kind = dice.choice([self.append, self.append, self.expunge, self.move, self.store])
                    kind(client, dice)
                    self.done[kind.__name__] += 1
        except Exception as failure:
            self.failure = failure

    def append(self, client, dice):
        body = made(1_000 + self.done["append"], dice.choice([0, 30_000]))
        self.bodies.add(body)
        client.append("INBOX", body)

    # Of messages near the beginning: the INBOX always has so many.
    def expunge(self, client, dice):
        client.ok(f"STORE {dice.randint(1, 10)} +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")

    def move(self, client, dice):
        client.ok(f"MOVE {dice.randint(1, 10)} Archive")

    def store(self, client, dice):
        client.ok(f"STORE {dice.randint(1, 10)} +FLAGS (\\Flagged $Work)")


def ways(server):
    """Deleted messages go to the Trash, are hidden from POP3 alone, or are gone: as the account says."""
    for how in ("trash", "hide", "delete"):
        server.run("account", "pop3", USER, "--deleted", how)
        bodies = fill(server)
        with server.pop3() as client:
            for number in (1, 2, 10):
                client.ok(f"DELE {number}")
            client.refused("RETR 2")
            client.ok("RSET")
            for number in (2, 3, MESSAGES):
                client.ok(f"DELE {number}")
            client.quit()
        left = [bodies[0], *bodies[3:-1]]
        gone = [bodies[1], bodies[2], bodies[-1]]
        for _ in range(2):
            with server.pop3() as client:
                expect(list(client.all().values()) == left, how)
                client.quit()
            server.restart()
        expect(there(server, "INBOX") == (bodies if how == "hide" else left), how)
        expect(there(server, "Trash") == (gone if how == "trash" else []), how)
        if how == "trash":
            back(server, bodies, gone)
    server.run("account", "pop3", USER, "--deleted", "trash")
    fact("deleted: to the Trash and back again; hidden from POP3; gone")


def back(server, bodies, gone):
    """What is moved from the Trash into the INBOX is listed again, and can be deleted again."""
    with server.connect() as other:
        other.ok("SELECT Trash")
        other.ok("MOVE 1:* INBOX")
    expect(there(server, "Trash") == [])
    with server.pop3() as client:
        messages = client.all()
        expect(Counter(messages.values()) == Counter(bodies), "what came back is not listed")
        [number] = [number for number, octets in messages.items() if octets == gone[0]]
        client.ok(f"DELE {number}")
        client.quit()
    expect(there(server, "Trash") == gone[:1])


def marks(server):
    """\\Seen is set for what was retrieved, after QUIT and after a connection that broke, if the account wants it."""
    for wanted in ("yes", "no", "yes"):
        server.run("account", "pop3", USER, "--mark-seen", wanted)
        for end in ("QUIT", "broken"):
            fill(server)
            with server.pop3() as client:
                for number in (3, 5, 60):
                    client.retr(number)
                client.listed("TOP 7 0")
                expect(seen(server) == set(), "before the session ended")
                if end == "QUIT":
                    client.quit()
            with server.pop3() as client:  # which waits for the end of the one before
                client.quit()
            expect(seen(server) == ({3, 5, 60} if wanted == "yes" else set()), wanted, end, seen(server))
    fact("\\Seen after RETR, not after TOP; and not where the account does not want it")


def seen(server):
    with server.connect() as client:
        messages = client.messages("INBOX").values()
    return {number for number, (flags, _) in enumerate(messages, 1) if "\\Seen" in flags}


def main():
    with Server() as server:
        for scene in (two, changes, storm, ways, marks):
            scene(server)
            server.no_defect()
        server.peak_is_bounded("of all that")
        expect("all is well" in server.run("check"))


main()
