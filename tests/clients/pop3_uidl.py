"""The ids of UIDL: the same for ever, another for every other message, and never given again (RFC 1939 §7)."""

import re

from corpus import made
from house import USER, Server, expect, fact

MESSAGES = 40
SHAPE = re.compile(r"[\x21-\x7e]{1,70}")
TWIN = made(1_000, 3_000, "Twin")


class Ids:
    """What UIDL says of the INBOX, and every id it ever said."""

    def __init__(self, server):
        self.server = server
        self.seen = {}  # id: the octets of its message
        self.tls = False

    def __call__(self):
        """{id: octets} as POP3 has it now, over TLS and without in turn; no id may stand for two messages, ever."""
        self.tls = not self.tls
        with self.server.pop3(self.tls) as client:
            ids = client.ids()
            expect(list(ids) == list(client.sizes()) == list(range(1, len(ids) + 1)), ids)
            one_by_one = {number: client.ok(f"UIDL {number}").split() for number in ids}
            expect(one_by_one == {number: [str(number), unique] for number, unique in ids.items()}, one_by_one)
            messages = client.all()
            client.quit()
        expect(len(set(ids.values())) == len(ids), "an id is there twice", ids)
        found = {unique: messages[number] for number, unique in ids.items()}
        for unique, octets in found.items():
            expect(SHAPE.fullmatch(unique), unique)
            expect(self.seen.setdefault(unique, octets) == octets, unique, "stood for another message")
        return found


def main():
    with Server() as server:
        ids = Ids(server)
        with server.connect() as client:
            for number in range(MESSAGES):
                client.append("INBOX", made(number, 1_000 * (number % 7)))
        first = ids()
        expect(len(first) == MESSAGES)
        for step in (restart, store, move, copy_back, copy, twins, again):
            before = ids()
            step(server, ids, before)
            expect(set(first) <= set(ids()), step.__name__, "ids are gone")
        rename(server, ids)
        fact(f"{len(ids.seen)} ids of messages, never two alike")
        expect("all is well" in server.run("check"))


def restart(server, ids, before):
    server.restart()
    expect(ids() == before)
    server.kill()
    server.start()
    expect(ids() == before, "after kill -9")


def store(server, ids, before):
    """Flags are none of their business."""
    with server.connect() as client:
        client.ok("SELECT INBOX")
        client.ok("STORE 1:* FLAGS (\\Seen \\Flagged $Work)")
        client.ok("STORE 1:* FLAGS ()")
    expect(ids() == before)


def move(server, ids, before):
    """MOVE out of the INBOX and back, of some and of all."""
    with server.connect() as client:
        for some in ("3:7,20", "1:*"):
            client.ok("SELECT INBOX")
            client.ok(f"MOVE {some} Archive")
            client.ok("SELECT Archive")
            client.ok("MOVE 1:* INBOX")
            expect(ids() == before, "after MOVE", some)


def copy_back(server, ids, before):
    """COPY out, the original expunged, COPY back, the copy elsewhere kept or expunged."""
    with server.connect() as client:
        for kept in (False, True):
            client.ok("SELECT INBOX")
            client.ok("COPY 2:9 Archive")
            client.ok("STORE 2:9 +FLAGS (\\Deleted)")
            client.ok("EXPUNGE")
            expect(len(ids()) == len(before) - 8)
            client.ok("SELECT Archive")
            client.ok("COPY 1:* INBOX")
            if not kept:
                client.ok("STORE 1:* +FLAGS (\\Deleted)")
                client.ok("EXPUNGE")
            expect(ids() == before, "after COPY back")


def copy(server, ids, before):
    """A copy beside its original is another message, the original keeps its id."""
    with server.connect() as client:
        client.ok("SELECT INBOX")
        client.ok("COPY 5 INBOX")
        client.ok("COPY 9 Archive")
        client.ok("SELECT Archive")
        client.ok("MOVE 1:* INBOX")
    both = ids()
    expect(list(both)[: len(before)] == list(before) and len(both) > len(before) + 1, "an original has another id")
    server.restart()
    expect(list(ids()) == list(both), "after a restart")
    with server.connect() as client:
        client.ok("SELECT INBOX")
        client.ok(f"STORE {len(before) + 2}:* +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        expect(list(ids()) == list(both)[: len(before) + 1], "after copies went")
        client.ok("MOVE 5 Archive")
        expect(list(ids())[-1] == list(both)[len(before)], "after the original went")
        client.ok(f"STORE {len(before)} +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        client.ok("SELECT Archive")
        client.ok("MOVE 1:* INBOX")
    expect(ids() == before, "after the other copy went")


def twins(server, ids, before):
    """The same octets twice are two messages."""
    with server.connect() as client:
        for _ in range(3):
            client.append("INBOX", TWIN)
    after = ids()
    new = [octets for unique, octets in after.items() if unique not in before]
    expect(new == [TWIN] * 3, len(new))


def again(server, ids, before):
    """An id that is gone does not come again with the same octets, however the message went."""
    known = set(ids.seen)
    twins = {unique for unique, octets in before.items() if octets == TWIN}
    for how in ("by IMAP", "by POP3 to the Trash", "by POP3 for good"):
        if how == "by IMAP":
            with server.connect() as client:
                client.ok("SELECT INBOX")
                client.ok(f"STORE {len(before) - 2}:* +FLAGS (\\Deleted)")
                client.ok("EXPUNGE")
        else:
            server.run("account", "pop3", USER, "--deleted", "delete" if "good" in how else "trash")
            with server.pop3() as client:
                for number, unique in client.ids().items():
                    if unique in twins:
                        client.ok(f"DELE {number}")
                client.quit()
        expect(twins.isdisjoint(ids()), how)
        server.restart()
        with server.connect() as client:
            for _ in range(3):
                client.append("INBOX", TWIN)
        twins = {unique for unique, octets in ids().items() if octets == TWIN}
        expect(len(twins) == 3 and twins.isdisjoint(known), how, "an id came again")
        known |= twins


def rename(server, ids):
    """RENAME of INBOX takes its messages away (RFC 9051 §6.3.6); back in the INBOX they are who they were."""
    before = ids()
    with server.connect() as client:
        client.ok("RENAME INBOX Old")
        expect(ids() == {})
        client.ok("SELECT Old")
        client.ok("MOVE 1:* INBOX")
    expect(ids() == before)


main()
