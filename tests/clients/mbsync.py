"""mbsync keeps a Maildir and the account alike, both ways; with nothing changed it changes nothing."""

import hashlib
import re
from pathlib import Path

import terminal
from corpus import some_mail
from house import PASSWORD, USER, Server, expect, fact

# Names as IMAP4rev1 writes them (RFC 3501 §5.1.3), which mbsync takes as they are: Entwürfe/2024, 日本.
MAILBOXES = {"INBOX": 150, "Lists": 80, "Lists/redb": 40, "Entw&APw-rfe/2024": 20, "&ZeVnLA-": 20, "Sent": 10}
# mbsync takes away no mailbox with mail in it.
EMPTY = ["Sent/old", "B&APw-cher"]
CONFIG = """
IMAPAccount server
Host localhost
Port {port}
User {user}
Pass "{password}"
SSLType IMAPS
CertificateFile {authority}

IMAPStore far
Account server

MaildirStore near
Path {near}/
Inbox {near}/INBOX
SubFolders Verbatim

Channel mail
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
"""


class Mirror:
    """The two sides, and mbsync between them."""

    def __init__(self, server):
        self.server = server
        self.near = server.folder / "Mail"
        self.near.mkdir()
        self.config = server.folder / "mbsyncrc"
        self.config.write_text(
            CONFIG.format(
                port=server.tls_port, user=USER, password=PASSWORD, authority=server.authority, near=self.near
            )
        )

    def run(self):
        """Runs mbsync; returns its count of new, changed and expunged messages: far and near."""
        # Its counters are only for a terminal.
        code, shown = terminal.run(["mbsync", "-c", str(self.config), "mail"], cwd=self.server.folder)
        shown = re.sub(r"\r?C: \d+/[^\r]*(?=\rC:)", "", shown)  # all but the last state of the counters
        expect(code == 0 and "error" not in shown.lower() and "warning" not in shown.lower(), code, shown)
        counts = re.findall(r"F: \+(\d+)/\1 \*(\d+)/\2 #(\d+)/\3 +N: \+(\d+)/\4 \*(\d+)/\5 #(\d+)/\6", shown)
        expect(counts, shown)
        return tuple(map(int, counts[-1]))

    def far_state(self):
        """All that the server tells of all mailboxes, UIDs and dates included."""
        state = {}
        with self.server.connect(tls=True) as client:
            for mailbox in client.mailboxes():
                counts = client.status(f'"{mailbox}"', "MESSAGES UIDNEXT UIDVALIDITY UNSEEN")
                found = client.messages(f'"{mailbox}"', "FLAGS INTERNALDATE BODY.PEEK[]")
                state[mailbox] = counts, {uid: (flags, own(body)) for uid, (flags, [body]) in found.items()}
        return state

    def near_state(self):
        """All files with mail, by their names, in which the flags are."""
        return {str(path.relative_to(self.near)): own(path.read_bytes()) for path in self.files()}

    def files(self):
        return sorted(path for path in self.near.rglob("*") if path.parent.name in ("cur", "new"))

    def alike(self):
        """Both sides have the same mailboxes, mail and flags."""
        far = {
            name: sorted((own, letters(flags)) for flags, own in found.values())
            for name, (_, found) in self.far_state().items()
        }
        near = {name: [] for name in far}
        for path in self.files():
            name = str(path.parent.parent.relative_to(self.near))
            info = path.name.partition(":2,")[2]
            near.setdefault(name, []).append((own(path.read_bytes()), "".join(sorted(info))))
        near = {name: sorted(found) for name, found in near.items()}
        for name in sorted(set(far) | set(near)):
            expect(far.get(name) == near.get(name), name, difference(far.get(name), near.get(name)))
        folders = {str(path.parent.relative_to(self.near)) for path in self.near.rglob("cur")}
        expect(folders == set(far), folders ^ set(far))
        return sum(map(len, far.values()))

    def settled(self):
        """A further run changes nothing, on neither side, and says so."""
        before = self.far_state(), self.near_state()
        counts = self.run()
        expect(counts == (0,) * 6, "mbsync changed something", counts)
        expect((self.far_state(), self.near_state()) == before, "something changed")


def own(octets):
    """What a message is, without line ends and mbsync's own mark in it."""
    octets = re.sub(rb"(?m)^X-TUID: .*\n", b"", octets.replace(b"\r\n", b"\n"))
    return hashlib.sha256(octets).hexdigest()[:16]


def letters(flags):
    """Flags as Maildir has them."""
    known = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
    return "".join(sorted(known[flag] for flag in flags if flag in known))


def difference(a, b):
    return "only on one side" if a is None or b is None else sorted(set(a) ^ set(b))[:6]


def fill(server):
    """Real mail in several mailboxes, some of it read and flagged."""
    mail = some_mail()
    with server.connect(tls=True) as client:
        for mailbox in EMPTY:
            client.ok(f'CREATE "{mailbox}"')
        for mailbox, count in MAILBOXES.items():
            if mailbox not in ("INBOX", "Sent"):
                client.ok(f'CREATE "{mailbox}"')
            for number in range(count):
                flags = ("", "\\Seen", "\\Seen \\Answered", "\\Flagged", "\\Draft")[number % 5]
                client.append(f'"{mailbox}"', next(mail), flags, f"{number % 28 + 1:2}-Feb-2003 10:00:00 +0200")
    return mail


def change_far(server, mail):
    """Another client works on the server. Returns what it did."""
    with server.connect(tls=True) as client:
        client.ok("SELECT INBOX")
        client.ok("UID STORE 1:10 +FLAGS (\\Seen \\Flagged)")
        client.ok("UID STORE 11:15 -FLAGS (\\Seen \\Flagged)")
        client.ok("UID STORE 20:29 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        client.ok("UID MOVE 30:34 Lists")
        client.ok("UID COPY 35:37 Sent")
        for _ in range(5):
            client.append("INBOX", next(mail))
        client.ok('CREATE "Neu&AOQ-/Tief"')
        client.append('"Neu&AOQ-/Tief"', next(mail), "\\Flagged")
        client.ok('DELETE "Sent/old"')
        client.ok('RENAME "B&APw-cher" "Bibliothek/B&APw-cher"')


def change_near(mirror, mail):
    """A mail program works on the Maildir."""
    inbox = mirror.near / "INBOX"
    files = sorted(path for path in mirror.files() if path.parent.parent == inbox)
    by_uid = {int(re.search(r",U=(\d+)", path.name)[1]): path for path in files}
    for uid in range(50, 60):
        set_letters(by_uid[uid], "RS")
    for uid in range(60, 65):
        set_letters(by_uid[uid], "")
    for uid in range(70, 75):
        set_letters(by_uid[uid], "ST")
    for uid in range(80, 83):
        by_uid[uid].unlink()
    for number in range(4):
        (inbox / "new" / f"1700000000.{number}_1.here").write_bytes(next(mail).replace(b"\r\n", b"\n"))
    fresh = mirror.near / "Reise" / "&AMQ-gypten"
    for part in ("cur", "new", "tmp"):
        (fresh / part).mkdir(parents=True)
        (fresh.parent / part).mkdir(exist_ok=True)
    for number in range(3):
        (fresh / "cur" / f"1700000001.{number}_1.here:2,FS").write_bytes(next(mail).replace(b"\r\n", b"\n"))


def set_letters(path, info):
    path.rename(Path(path.parent.parent, "cur", path.name.partition(":2,")[0] + ":2," + info))


def main():
    with Server() as server:
        mail = fill(server)
        mirror = Mirror(server)
        counts = mirror.run()
        expect(counts[3] == sum(MAILBOXES.values()), counts)
        fact(f"first run: {mirror.alike()} messages in {len(mirror.far_state())} mailboxes")
        mirror.settled()

        before = mirror.far_state()
        change_far(server, mail)
        change_near(mirror, mail)
        counts = mirror.run()
        fact("second run, changes on both sides: far +{} *{} #{}, near +{} *{} #{}".format(*counts))
        fact(f"both sides alike again: {mirror.alike()} messages")
        mirror.settled()
        mirror.settled()
        outcome(before, mirror.far_state())
        expect("all is well" in server.run("check"))


def outcome(before, after):
    """Both sides being alike is not enough: they must also be what the changes say."""
    was, is_now = before["INBOX"][1], after["INBOX"][1]
    expect(set(range(20, 35)).isdisjoint(is_now), "expunged and moved on the server")
    expect(set(range(70, 75)).isdisjoint(is_now) and set(range(80, 83)).isdisjoint(is_now), "deleted in the Maildir")
    expect(all({"\\Seen", "\\Flagged"} <= set(is_now[uid][0]) for uid in range(1, 11)))
    expect(all(is_now[uid][0] == ("\\Answered", "\\Seen") for uid in range(50, 60)), is_now[50])
    expect(all(is_now[uid][0] == () for uid in range(60, 65)), is_now[60])
    for uid in set(is_now) & set(was) - set(range(1, 16)) - set(range(50, 65)):
        expect(is_now[uid] == was[uid], uid, is_now[uid], was[uid])
    expect(len(is_now) == 150 - 10 - 5 + 5 - 5 - 3 + 4, len(is_now))
    expect({"Bibliothek/B&APw-cher", "Neu&AOQ-/Tief", "Reise/&AMQ-gypten"} <= set(after), sorted(after))
    expect(set(EMPTY).isdisjoint(after), sorted(after))
    expect(len(after["Reise/&AMQ-gypten"][1]) == 3 and len(after["Lists"][1]) == 85 and len(after["Sent"][1]) == 13)


if __name__ == "__main__":
    main()
