"""The octets of RETR and TOP and the sizes of LIST for mail nobody would write: dots, bare LFs, huge lines, no end.

What is stored may have any line ends; POP3 sends lines that end with CRLF (RFC 1939 §3), and says sizes as it sends.
"""

import random
import re

from corpus import made
from house import CORPUS, USER, Server, expect, fact

SEED = 1081
RANDOM = 150
PIECES = [
    b".",
    b"..",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r\n..\r\n",
    b"\r\n\r\n",
    b"x",
    b"\xff\xfe",
    b"\r.\n",
]
TOPS = (0, 1, 2, 7, 4_294_967_295)


def strange():
    """Messages of pieces that matter, short and longer than any buffer."""
    dice = random.Random(SEED)
    # IMAP appends nothing that is empty.
    yield from (
        b".",
        b"\r\n",
        b"\n",
        b"\r",
        b"..",
        b".\r\n",
        b"\r\n.\r\n",
        b"a",
        b"a\r",
        b"a\n.",
        b"\r\n\r\n",
        b"\n\n.",
    )
    yield from (b"Subject: x\r\n\r\n" + b"." * 5_000_000, b"Subject: x\r\n\r\n" + b".\r\n" * 500_000, b".\n" * 300_000)
    for number in range(RANDOM):
        pieces = dice.choices(PIECES, k=dice.choice([1, 3, 10, 100]))
        if number % 5 == 0:  # so that a piece lies at the edge of a buffer
            edge = dice.choice([4_096, 16_384, 65_536, 131_072, 262_144])
            pieces.insert(0, b"y" * (edge - dice.randrange(8)))
            pieces.insert(3, b"z" * (edge - dice.randrange(8)))
        head = dice.choice([b"", b"Subject: a\r\n\r\n", b"Subject: a\n\n", b"Subject: a\r\n"])
        yield head + b"".join(pieces)


def sent(body):
    """A message as POP3 sends it: CRLF for each LF, and at the end."""
    body = re.sub(rb"(?<!\r)\n", b"\r\n", body)
    return body if body.endswith(b"\r\n") or not body else body + b"\r\n"


def top(body, count):
    """The header with the empty line behind it, and so many lines of the body."""
    lines = sent(body).split(b"\r\n")[:-1]
    end = lines.index(b"") + 1 + count if b"" in lines else len(lines)
    return b"".join(line + b"\r\n" for line in lines[:end])


def main():
    with Server() as server:
        bodies = list(strange())
        if CORPUS.exists():
            server.run("import", USER, CORPUS / "torture")
        else:
            print(f"SKIPPED: {CORPUS} is not there, and with it its folder of torture")
        with server.connect() as client:
            for body in bodies:
                client.append("INBOX", body)
            client.append("INBOX", made(1))
            whole = [body for _, [body] in client.messages("INBOX", "BODY.PEEK[]").values()]
        expect(whole[-len(bodies) - 1 : -1] == bodies)
        for tls in (False, True):
            with server.pop3(tls) as client:
                sizes = client.sizes()
                expect(sizes == {number: len(sent(body)) for number, body in enumerate(whole, 1)}, "LIST")
                expect(client.stat() == (len(whole), sum(sizes.values())), "STAT")
                for number, octets in client.all().items():
                    expect(octets == sent(whole[number - 1]), number, whole[number - 1][:200], octets[:200])
                for number, body in enumerate(whole, 1):
                    client.send(*(f"TOP {number} {count}" for count in TOPS))
                    for count in TOPS:
                        client.answer()
                        octets = client.message()
                        expect(octets == top(body, count), number, count, body[:200], octets[:200])
                client.quit()
        fact(f"{len(whole)} messages, {sum(map(len, whole)):,} octets: RETR, TOP and LIST as they must be")
        server.peak_is_bounded("of all that")


main()
