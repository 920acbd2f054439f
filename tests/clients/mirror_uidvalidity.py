"""What a provider may do to its folders: renumber them, rename them, lose them. No mail is lost for it, none comes twice."""

import shutil
import time

from corpus import made, some_mail
from dovecot import Dovecot
from house import USER, Server, expect, fact
from mirror_tools import add, numbers, renumber, until_rest

MESSAGES = 300


def state(client, folder):
    """{UID: (flags, content)}"""
    found = client.messages(f'"{folder}"', "FLAGS BODY.PEEK[]")
    return {uid: (flags, literals[0]) for uid, (flags, literals) in found.items()}


def main():
    with Dovecot() as provider, Server() as server:
        mail = some_mail()
        with provider.connect() as client:
            client.ok("CREATE Lists")
            for number in range(MESSAGES):
                folder = "Lists" if number % 3 == 0 else "INBOX"
                flags = ["\\Seen", "\\Flagged $Work", "", "\\Answered \\Seen"][number % 4]
                message = made(number, 9_000) if number % 2 else next(mail)
                # Dovecot replaces NUL in what it takes; and it is not what this is about.
                client.append(folder, message.replace(b"\0", b"?")[:400_000], flags=flags)
        add(server, provider)
        shown = until_rest(server)
        expect(numbers(shown) == (MESSAGES, 0), shown)
        near, far = server.connect(), provider.connect()
        before = {folder: state(near, folder) for folder in ("INBOX", "Lists")}
        for folder, here in before.items():
            there = state(far, folder)
            expect(sorted(here.values()) == sorted(there.values()), folder)
        fact(f"{MESSAGES} messages came")

        # Other UIDs, and a flag on each side in the same moment.
        validity = {folder: far.status(folder)["UIDVALIDITY"] for folder in before}
        far.close()
        server.run("mirror", "pause", USER)
        near.ok("SELECT INBOX")
        near.ok("UID STORE 1:3 +FLAGS ($Near)")
        renumber(provider, "INBOX", "Lists")
        with provider.connect() as far:
            for folder, number in validity.items():
                expect(far.status(folder)["UIDVALIDITY"] != number, "it was not renumbered")
            far.ok("SELECT Lists")
            far.ok("STORE 1:2 +FLAGS ($Far)")
        server.run("mirror", "resume", USER)
        shown = until_rest(server)
        expect(numbers(shown) == (MESSAGES, 0), "messages were carried again", shown)
        expect("held" not in shown, shown)
        server.run("mirror", "pause", USER)
        time.sleep(1)
        with provider.connect() as far:
            for folder in before:
                here, there = state(near, folder), state(far, folder)
                expect(list(here) == list(before[folder]), f"other UIDs in {folder} here")
                expect(sorted(here.values()) == sorted(there.values()), f"{folder} differs")
                word = "$Near" if folder == "INBOX" else "$Far"
                count = sum(word in flags for flags, _ in here.values())
                expect(count == (3 if folder == "INBOX" else 2), folder, count)
        total = sum(len(content) for folder in before.values() for _, content in folder.values())
        fact(f"renumbered: {MESSAGES} messages ({total / 1e6:.1f} MB) keep their UIDs here, none is carried again")

        # A folder that is renamed there is its mail moved.
        server.run("mirror", "resume", USER)
        with provider.connect() as far:
            far.ok("RENAME Lists Old/Lists")
        shown = until_rest(server)
        expect(numbers(shown) == (MESSAGES, 0), "a rename carried messages", shown)
        expect("Old/Lists" in near.mailboxes() and "Lists" not in near.mailboxes(), near.mailboxes())
        expect(len(state(near, "Old/Lists")) == len(before["Lists"]))
        near.ok("RENAME Old/Lists Lists")
        shown = until_rest(server)
        with provider.connect() as far:
            expect("Lists" in far.mailboxes() and "Old/Lists" not in far.mailboxes(), far.mailboxes())
            expect(len(state(far, "Lists")) == len(before["Lists"]))
        expect(numbers(shown) == (MESSAGES, 0), "a rename carried messages", shown)
        fact("a folder renamed on either side is renamed on the other, and nothing is carried")

        # A provider that lost a folder, and most of another one.
        kept = provider.folder / "lost"
        provider.stop()
        shutil.move(provider.mailbox_folder("Lists"), kept)
        inbox = provider.mailbox_folder("INBOX") / "cur"
        for message in sorted(inbox.iterdir())[: len(before["INBOX"]) * 3 // 4]:
            message.unlink()
        provider.start()
        shown = until_rest(server)
        expect(shown.count("held back") == 2, shown)
        for folder in before:
            expect(len(state(near, folder)) == len(before[folder]), f"{folder} lost mail here")
        fact("a folder that is lost there, and three quarters of another: all is kept here, and told")
        provider.stop()
        shutil.move(kept, provider.mailbox_folder("Lists"))
        provider.start()
        shown = until_rest(server)
        expect(numbers(shown) == (MESSAGES, 0), "a folder that came back carried messages", shown)
        expect(len(state(near, "Lists")) == len(before["Lists"]))
        shown = until_rest(server, "--confirm")
        left = len(before["INBOX"]) - len(before["INBOX"]) * 3 // 4
        expect("held" not in shown and len(state(near, "INBOX")) == left, shown, left)
        fact("the folder comes back without a download; what the owner confirms is deleted")
        near.close()


main()
