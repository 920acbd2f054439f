"""Thunderbird, without a window, downloads all real mail by POP3: kept on the server, fetched again, then deleted there."""

import lzma
import time
from collections import Counter

from corpus import made
from house import CORPUS, PASSWORD, USER, Server, expect, fact
from thunderbird import Thunderbird

NEW = [made(number, size, "New") for number, size in ((1, 0), (2, 100_000))]


def main():
    if not CORPUS.exists():
        print(f"SKIPPED: {CORPUS} is not there")
        return
    with Server() as server:
        mbox = server.folder / "real-mail.mbox"
        mbox.write_bytes(lzma.open(CORPUS / "real-mail.mbox.xz").read())
        server.run("import", USER, mbox)
        whole = over_imap(server, "INBOX")
        expect(len(whole) == 3_000, len(whole))
        folder = server.folder / "thunderbird"
        folder.mkdir()
        with Thunderbird(folder, server.authority) as thunderbird:
            account = thunderbird.add_pop3_account("localhost", 995 + server.offset, USER, PASSWORD, leave_on_server=True)
            keep(server, account, whole)
            delete(server, account, whole + NEW)
        server.peak_is_bounded("of all downloads")
        expect("all is well" in server.run("check"))


def keep(server, account, whole):
    """With the mail kept on the server, each message comes once; so do two that come later."""
    began = time.monotonic()
    fetched = account.fetch()
    fact(f"3,000 messages in {time.monotonic() - began:.1f} s")
    expect((fetched.retrieved, fetched.deleted) == (3_000, 0), fetched.retrieved, fetched.deleted)
    same(account, whole)
    fetched = account.fetch()
    expect((fetched.retrieved, fetched.deleted) == (0, 0), "came twice", fetched.retrieved, fetched.deleted)
    with server.connect() as client:
        for message in NEW:
            client.append("INBOX", message)
    expect(account.fetch().retrieved == 2)
    expect(account.fetch().retrieved == 0)
    same(account, whole + NEW)
    expect(over_imap(server, "INBOX") == whole + NEW)


def delete(server, account, whole):
    """Told not to leave it there, Thunderbird deletes what it had left, and fetches none of it again."""
    account.set_leave_on_server(False)
    fetched = account.fetch()
    expect((fetched.retrieved, fetched.deleted) == (0, len(whole)), fetched.retrieved, fetched.deleted)
    expect(account.fetch().commands[-2:] == ["STAT", "QUIT"], "POP3 is not empty")
    expect(over_imap(server, "INBOX") == [])
    expect(Counter(over_imap(server, "Trash")) == Counter(whole), "the Trash is not what was deleted")
    same(account, whole)


def same(account, whole):
    """What it has is what there is, each message once."""
    came = Counter(message.octets for message in account.messages())
    wanted = Counter(body if body.endswith(b"\r\n") else body + b"\r\n" for body in whole)
    expect(came == wanted, (came - wanted).total(), "are strange", (wanted - came).total(), "are missing")


def over_imap(server, mailbox):
    """The messages of a mailbox, octet for octet."""
    with server.connect(tls=True) as client:
        return [body for _, [body] in client.messages(mailbox, "BODY.PEEK[]").values()]


main()
