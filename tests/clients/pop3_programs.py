"""fetchmail, getmail, mpop, curl and poplib download 3,000 real mails over TLS: each once, octet for octet.

First they keep the mail on the server, and nothing comes twice; then they delete it, and all of it is in the Trash.
"""

import lzma
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import programs
from corpus import made
from house import CORPUS, PASSWORD, USER, Server, expect, fact

NEW = [made(number, size, "New") for number, size in ((1, 0), (2, 100_000))]
SECONDS = 240  # for all programs, on a machine that has other things to do


def main():
    if not CORPUS.exists():
        print(f"SKIPPED: {CORPUS} is not there")
        return
    accounts = [(f"{kind.name}@example.org", PASSWORD) for kind in programs.ALL]
    began = time.monotonic()
    with Server([(USER, PASSWORD), *accounts]) as server:
        mbox = server.folder / "real-mail.mbox"
        mbox.write_bytes(lzma.open(CORPUS / "real-mail.mbox.xz").read())
        for user, _ in accounts:
            server.run("import", user, mbox)
        # Two at a time: one of them, which begins a process for each message, takes as long as all others.
        with ThreadPoolExecutor(2) as pool:
            for told in pool.map(lambda kind, account: download(kind(server, account[0])), programs.ALL, accounts):
                fact(told)
        server.peak_is_bounded("of all downloads")
        expect("all is well" in server.run("check"))
    expect(time.monotonic() - began < SECONDS, time.monotonic() - began)


def download(program):
    kept, deleted = keep(program), delete(program)
    return f"{program.name}: kept {kept:.1f} s, deleted {deleted:.1f} s"


def keep(program):
    """With the mail kept on the server, each message comes once; so do two that come later."""
    whole = over_imap(program, "INBOX")
    expect(len(whole) == 3_000, len(whole))
    began = time.monotonic()
    same(program, program.fetch(), whole)
    took = time.monotonic() - began
    nothing = program.fetch()
    expect(nothing == [], len(nothing), "came twice")
    with program.server.connect(user=program.user) as client:
        for message in NEW:
            client.append("INBOX", message)
    same(program, program.fetch(), NEW)
    expect(program.fetch() == [])
    expect(over_imap(program, "INBOX") == whole + NEW)
    return took


def delete(program):
    """With the mail deleted from the server, it is in the Trash; POP3 is empty."""
    whole = over_imap(program, "INBOX")
    began = time.monotonic()
    same(program, program.fetch(delete=True), whole)
    took = time.monotonic() - began
    with program.server.pop3(tls=True, user=program.user) as client:
        expect(client.stat() == (0, 0), client.stat())
        expect(client.sizes() == client.ids() == {})
        client.quit()
    expect(over_imap(program, "INBOX") == [])
    expect(Counter(over_imap(program, "Trash")) == Counter(whole), "the Trash is not what was deleted")
    return took


def over_imap(program, mailbox):
    """The messages of a mailbox, octet for octet."""
    with program.server.connect(tls=True, user=program.user) as client:
        return [body for _, [body] in client.messages(mailbox, "BODY.PEEK[]").values()]


def same(program, came, bodies):
    """What came is what there is, each message once."""
    wanted = Counter(program.stored(bodies))
    got = Counter(came)
    if got == wanted:
        return
    strange, missing = list((got - wanted).elements()), list((wanted - got).elements())
    about = [difference(message, missing) for message in strange[:5]]
    expect(False, program.name, f"{len(came)} came, {len(strange)} of them strange; {len(missing)} missing", *about)


def difference(message, others):
    """Where a message parts from the one that is most like it."""
    at, other = max(((len(os.path.commonprefix([message, other])), other) for other in others), default=(0, b""))
    return at, message[max(0, at - 60) : at + 60], other[max(0, at - 60) : at + 60]


main()
