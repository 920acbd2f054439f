"""A session that deletes, cut anywhere: all of it has happened or nothing, and nothing before the server had QUIT.

    pop3_cut.py [CUTS [KILLS]]

The cut goes through any octet of what the client says or hears, or comes while the answer to QUIT is on its way. Then
the server is killed around QUIT: an answered one must hold.
"""

import random
import socket
import struct
import sys
import time
from collections import Counter

from corpus import made
from house import PASSWORD, USER, Server, expect, fact
from imap import Closed

MESSAGES = 200
SEED = 1939
# The client says no more but hears the rest; goes; or goes so that what is on its way is thrown away.
CUTS = ("shutdown", "close", "reset")


class Maildrop:
    """The messages of the account, of which no two are alike."""

    def __init__(self, server, dice):
        self.server = server
        # Together more than the buffers of a connection hold: the server waits for its client.
        self.bodies = [made(number, dice.choice([0, 300, 2_000, 60_000])) for number in range(MESSAGES)]
        with server.connect() as client:
            for body in self.bodies:
                client.append("INBOX", body)

    def is_deleted(self):
        """Whether all of it is in the Trash; where it is not, all of it must be in the INBOX."""
        with self.server.connect() as client:
            inbox, trash = (
                Counter(body for _, [body] in client.messages(mailbox, "BODY.PEEK[]").values())
                for mailbox in ("INBOX", "Trash")
            )
        expect(inbox + trash == Counter(self.bodies), "gone or doubled", inbox.total(), trash.total())
        expect(not inbox or not trash, "some is deleted, and some is not", inbox.total(), trash.total())
        return not inbox

    def restore(self):
        """Takes everything out of the Trash again."""
        with self.server.connect() as client:
            client.ok("SELECT Trash")
            client.ok("MOVE 1:* INBOX")

    def settle(self):
        """Waits for the end of the last session, which has the lock until then."""
        with self.server.pop3() as client:
            client.quit()


def deletion(dice, reading):
    """The commands of a session that deletes all messages and, with `reading`, retrieves most of them in between."""
    numbers = dice.sample(range(1, MESSAGES + 1), MESSAGES)
    commands = [f"USER {USER}", f"PASS {PASSWORD}"]
    for number in numbers:
        if reading and dice.random() < 0.7:
            commands.append(f"RETR {number}")
        commands.append(f"DELE {number}")
    return [*commands, "QUIT"]


def said(server, dice, tls):
    """The cut goes through what the client says, often close to its end: nothing may be deleted."""
    says = "".join(f"{command}\r\n" for command in deletion(dice, reading=not tls)).encode()
    # Without the last octet of its line end, QUIT is no command.
    end = len(says) - dice.randint(1, 8) if dice.random() < 0.4 else dice.randrange(1, len(says))
    client = server.pop3(tls, user=None)
    client.socket.sendall(says[:end])
    how = dice.choice(CUTS)
    if how != "shutdown" and dice.random() < 0.5:
        hear(client.socket, silence=0.05)  # so that the server has obeyed all there is
    cut(client, how)
    return {False}


def heard(server, dice, tls):
    """The client goes when it has heard so much: QUIT may have come to the server or not."""
    commands = deletion(dice, reading=True)
    client = server.pop3(user=None)
    client.send(*commands)
    left = dice.randrange(1, 20_000 if dice.random() < 0.3 else 2_000_000)
    while left > 0 and (piece := client.socket.recv(min(left, 1 << 16))):
        left -= len(piece)
    cut(client, dice.choice(["close", "reset"]))
    return {False, True}


def asked(server, dice, tls):
    """Everything is answered but QUIT; the client goes right behind that."""
    client = before_quit(server, dice, tls)
    client.send("QUIT")
    cut(client, dice.choice(CUTS))
    return {False, True}


def answered(server, dice, tls):
    """Nothing is cut."""
    before_quit(server, dice, tls).quit()
    return {True}


def before_quit(server, dice, tls):
    """A session in which all messages are deleted, and QUIT is to come."""
    commands = deletion(dice, reading=False)[:-1]
    client = server.pop3(tls, user=None)
    client.send(*commands)
    for _ in commands:
        client.answer()
    return client


def cut(client, how):
    if how == "shutdown":
        client.socket.shutdown(socket.SHUT_WR)
        hear(client.socket, silence=60)
    elif how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def hear(connection, silence):
    """Hears what comes, to the end or until nothing comes for some time."""
    connection.settimeout(silence)
    try:
        while connection.recv(1 << 16):
            pass
    except OSError:
        pass


def cuts(server, drop, dice, times):
    """So many sessions, each followed by a look at where the messages are."""
    happened = Counter()
    for number in range(times):
        act = dice.choices([said, heard, asked, answered], [50, 25, 20, 5])[0]
        allowed = act(server, dice, number % 2 == 0)
        drop.settle()
        deleted = drop.is_deleted()
        expect(deleted in allowed, number, act.__name__, "deleted" if deleted else "not deleted")
        happened[f"{act.__name__}, {'all' if deleted else 'nothing'} deleted"] += 1
        if deleted:
            drop.restore()
    for what, count in sorted(happened.items()):
        fact(f"{count} sessions cut: {what}")


def kills(server, drop, dice, times):
    """The server is killed when it has been asked to QUIT, now and again when it has just answered."""
    happened = Counter()
    for number in range(times):
        client = before_quit(server, dice, number % 2 == 0)
        if number % 5 == 0:
            client.ok("QUIT")
            server.kill()
            held = True
        else:
            client.send("QUIT")
            time.sleep(dice.uniform(0, 0.003))
            server.kill()
            held = is_answered(client)
        client.close()
        expect("all is well" in server.run("check"))
        server.start()
        deleted = drop.is_deleted()
        expect(deleted or not held, number, "QUIT was answered, and the messages are there")
        happened[f"QUIT {'' if held else 'not '}answered, {'all' if deleted else 'nothing'} deleted"] += 1
        if deleted:
            drop.restore()
        server.no_defect()
    for what, count in sorted(happened.items()):
        fact(f"{count} kills: {what}")


def is_answered(client):
    """Whether the answer has come all the same."""
    try:
        client.answer()
        return True
    except (Closed, OSError):
        return False


def main():
    wanted = [int(word) for word in sys.argv[1:]] + [100, 20][len(sys.argv) - 1 :]
    dice = random.Random(SEED)
    with Server() as server:
        drop = Maildrop(server, dice)
        began = time.monotonic()
        cuts(server, drop, dice, wanted[0])
        fact(f"  ({wanted[0]} cuts: {time.monotonic() - began:.1f} s)")
        kills(server, drop, dice, wanted[1])
        server.peak_is_bounded("after the last start")
        expect("all is well" in server.run("check"))


main()
