"""A message of 60 MB and a mailbox of 100,000 messages, with the server's peak memory under 64 MB."""

import hashlib
import random
import subprocess
import time

from corpus import made
from house import USER, Server, binary, expect, fact, peak

LARGE = 60_000_000
MANY = 100_000
PIECE = 64 << 10


def main():
    large()
    many()


def large():
    # Of random octets as base64: hard to compress, as photographs are.
    dice = random.Random(5)
    lines = dice.randbytes(LARGE * 57 // 78 // 57 * 57 + 57).hex()
    message = made(1) + "\r\n".join(lines[at : at + 76] for at in range(0, LARGE, 76)).encode()
    with Server() as server:
        for sync in (True, False):
            for tls in (True, False):
                with server.connect(tls=tls) as client:
                    began = time.monotonic()
                    uid = client.append("INBOX", message, sync=sync)
                    expect(uid > 0)
                    how = ("a literal that waits" if sync else "LITERAL+") + (", TLS" if tls else "")
                    fact(f"{len(message):,} octets appended with {how}: {time.monotonic() - began:.2f} s")
                server.peak_is_bounded("so far")
                server.restart()
        expect(server.status()["messages"] == 4)

        for number, tls in enumerate((True, False), 1):
            with server.connect(tls=tls) as client:
                client.ok("SELECT INBOX")
                began = time.monotonic()
                [line] = client.ok(f"FETCH {number} (RFC822.SIZE BODY.PEEK[])").of("FETCH")
                expect(line.literals == [message] and b"RFC822.SIZE %d " % len(message) in line.text)
                fact(f"fetched whole{', TLS' if tls else ''}: {time.monotonic() - began:.2f} s")
            server.peak_is_bounded("of the server that served it")
            server.restart()
        with server.connect(tls=True) as client:
            client.ok("SELECT INBOX")
            began = time.monotonic()
            digest, length = hashlib.sha256(), 0
            while True:
                [line] = client.ok(f"UID FETCH 3 BODY.PEEK[]<{length}.{PIECE}>").of("FETCH")
                [piece] = line.literals or [b""]
                if not piece:
                    break
                digest.update(piece)
                length += len(piece)
            expect(digest.digest() == hashlib.sha256(message).digest() and length == len(message), length)
            fact(f"fetched in pieces of 64 KiB: {time.monotonic() - began:.2f} s")
            begun = time.monotonic()
            client.ok("FETCH 1:4 (ENVELOPE BODYSTRUCTURE)")
            [line] = client.ok('SEARCH TEXT "line after line"').of("SEARCH")
            expect(line.text == b"* SEARCH 1 2 3 4", line)
            fact(f"envelopes, and a search in the text of all four: {time.monotonic() - begun:.2f} s")
            client.ok("COPY 1:4 Archive")
            client.ok("STORE 1:4 +FLAGS (\\Deleted)")
            client.ok("EXPUNGE")
        server.peak_is_bounded("of all that")
        checked(server)


def many():
    with Server() as server:
        imported(server)
        server.peak_is_bounded("of the import")
        server.restart()
        with server.connect(tls=True) as client:
            began = time.monotonic()
            answer = client.ok("SELECT INBOX")
            expect(any(line.text == b"* %d EXISTS" % MANY for line in answer.lines), answer)
            took = time.monotonic() - began
            began = time.monotonic()
            lines = client.ok("FETCH 1:* (FLAGS)").of("FETCH")
            expect(len(lines) == MANY and all(b"FLAGS (" in line.text for line in lines), len(lines))
            fact(
                f"{MANY:,} messages: selected in {took * 1000:.1f} ms, FLAGS of all in {time.monotonic() - began:.2f} s"
            )
            server.peak_is_bounded("of SELECT and FETCH")
            server.restart()

        # The rest of what a client may do with so many, each in a fresh process.
        for what in (
            "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
            "FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
            "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])",
            "SEARCH UNSEEN",
            "SEARCH SUBJECT 99999",
            "SEARCH RETURN (ALL COUNT) 1:*",
            "STORE 1:* +FLAGS (\\Seen)",
            "COPY 1:* Archive",
            "MOVE 1:* Work",
        ):
            with server.connect(tls=True) as client:
                if what.startswith("MOVE"):
                    client.ok("CREATE Work")
                client.ok("SELECT INBOX")
                began = time.monotonic()
                count = len(client.ok(what).lines)
                took = time.monotonic() - began
            fact(f"{what}: {took:.2f} s, {count:,} lines, peak memory {server.peak() / 1024:.1f} MiB")
            expect(server.peak() < 64 << 10, what)
            server.restart()
        with server.connect() as client:
            counts = [client.status(name)["MESSAGES"] for name in ("INBOX", "Archive", "Work")]
            expect(counts == [0, MANY, MANY], counts)
            # Two clients, one of whom empties a mailbox in which the other idles.
            client.ok("SELECT Work")
            with server.connect() as other:
                other.ok("SELECT Work")
                tag = other.begin("IDLE")
                client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
                client.ok("EXPUNGE")
                other.send(b"DONE\r\n")
                gone = [line for line in other.end(tag).lines if line.text.endswith(b"EXPUNGE")]
                expect(len(gone) == MANY, len(gone))
        server.peak_is_bounded("of an EXPUNGE of all, seen by another")
        checked(server)


def checked(server):
    """The check reads everything, and needs no more memory than the rest."""
    server.restart()
    began = time.monotonic()
    expect("all is well" in server.run("check"))
    fact(f"a check of all: {time.monotonic() - began:.2f} s")
    server.peak_is_bounded("of the check")


def imported(server):
    """Fills INBOX by an import of one mbox; the importing process has little memory, too."""
    mbox = server.folder / "many.mbox"
    with open(mbox, "wb") as file:
        for number in range(MANY):
            file.write(
                b"From bob@example.org Mon Feb  3 10:00:00 2003\n" + made(number).replace(b"\r\n", b"\n") + b"\n"
            )
    began = time.monotonic()
    command = [binary(), "import", USER, str(mbox), "--data", str(server.data)]
    importing = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    highest = 0
    while importing.poll() is None:
        try:
            highest = max(highest, peak(importing.pid))
        except (OSError, StopIteration):
            pass  # it has just ended
        time.sleep(0.02)
        expect(time.monotonic() < began + 300, "the import does not end")
    told = importing.stderr.read()
    expect(importing.returncode == 0 and f"{MANY} messages imported" in told, told)
    fact(f"{MANY:,} messages imported in {time.monotonic() - began:.1f} s, with {highest / 1024:.1f} MiB of its own")
    expect(highest < 64 << 10)


main()
