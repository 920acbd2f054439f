"""3,000 real mails and the torture folder: what went in comes out, octet for octet, over TLS.

Two clients read: our own small one, which sees every octet, and the IMAPClient library, whose parser of ENVELOPE and
BODYSTRUCTURE is nobody's here. Which parts there are is what Python's `email` finds (tests/support/parts_oracle.py).
"""

import email.parser
import email.policy
import lzma
import random
import re
import sys
from itertools import takewhile

from house import CORPUS, PASSWORD, ROOT, USER, Server, expect, fact
from imapclient import IMAPClient
from imapclient.response_types import Envelope

sys.path.insert(0, str(ROOT / "tests" / "support"))
from parts_oracle import messages, parts, raw  # noqa: E402

# Where the package and we differ on the parts, and why: as in tests/parts.rs.
DIFFERENT = {
    "real-1435": "a delivery status is no message (RFC 9051 §7.5.2): the package takes its blocks apart",
    "real-1541": "a delivery status is no message (RFC 9051 §7.5.2): the package takes its blocks apart",
    "real-2537": "a delimiter with a tail ends its part (RFC 2046 §5.1.1): the package takes it for text",
    "malformed-004": "a delimiter with a tail begins a part (RFC 2046 §5.1.1): the package takes it for text",
    "malformed-017": "a parameter without its semicolon is one: the package finds no boundary",
    "malformed-019": "a first line that is no field hides nothing below it: the package takes all for text",
    "malformed-022": "an enclosed message without a header is written by the package with an empty line before it",
}
ITEMS = 40  # sections that are asked for at once
SEED = 20_250_101


def main():
    if not CORPUS.exists():
        print(f"SKIPPED: {CORPUS} is not there")
        return
    known = list(messages(CORPUS))
    expect(len(known) == 3_077, len(known))
    with Server() as server:
        mbox = server.folder / "real-mail.mbox"
        mbox.write_bytes(lzma.open(CORPUS / "real-mail.mbox.xz").read())
        server.run("import", USER, mbox)
        server.run("import", USER, CORPUS / "torture", "--mailbox", "Torture")
        with server.connect(tls=True) as client:
            for mailbox, prefix in (("INBOX", "real"), ("Torture", "")):
                mine = [(name, octets) for name, octets in known if name.startswith("real") == (prefix == "real")]
                whole(client, mailbox, mine)
                pieces(client, mine)
        independent(server, known)
        server.peak_is_bounded("of import and all fetches")
        expect("all is well" in server.run("check"))


def whole(client, mailbox, known):
    """Every message as it went in, and its size."""
    client.ok(f"SELECT {mailbox}")
    lines = client.ok("FETCH 1:* (RFC822.SIZE BODY.PEEK[])").of("FETCH")
    expect(len(lines) == len(known), mailbox, len(lines))
    for line, (name, octets) in zip(lines, known):
        [body] = line.literals
        expect(body == octets, name, len(body), len(octets))
        size = int(re.search(rb"RFC822\.SIZE (\d+)", line.text)[1])
        expect(size == len(octets), name, size, len(octets))
    fact(f"{mailbox}: {len(lines)} messages, {sum(len(octets) for _, octets in known):,} octets as they went in")


def literal(line, item):
    """The string after an item: a literal, or quoted."""
    for text, value in zip(line.pieces[::2], line.literals):
        if re.search(re.escape(item) + rb" ~?\{\d+\}\r\n\Z", text):
            return value
    for text in line.pieces[::2]:
        if match := re.search(re.escape(item) + rb' "((?:[^"\\]|\\.)*)"', text):
            return re.sub(rb"\\(.)", rb"\1", match[1])
    raise AssertionError(f"{item} is not in {line}")


def pieces(client, known):
    """HEADER and TEXT make the message, and so do ranges that follow each other."""
    dice = random.Random(SEED)
    for number, (name, octets) in enumerate(known, 1):
        cuts = sorted({0, *(dice.randrange(len(octets)) for _ in range(3))})
        ranges = list(zip(cuts, [*cuts[1:], len(octets) + dice.randrange(9)]))
        asked = " ".join(f"BODY.PEEK[]<{start}.{end - start}>" for start, end in ranges)
        [line] = client.ok(f"FETCH {number} (BODY.PEEK[HEADER] BODY.PEEK[TEXT] {asked})").of("FETCH")
        header, text = literal(line, b"BODY[HEADER]"), literal(line, b"BODY[TEXT]")
        expect(header + text == octets, name)
        expect(not header or header.endswith(b"\r\n"), name, header[-40:])
        joined = b"".join(literal(line, b"BODY[]<%d>" % start) for start, _ in ranges)
        expect(joined == octets, name, ranges)


def independent(server, known):
    """ENVELOPE, BODYSTRUCTURE and all parts, by a client library."""
    expected = dict(known)
    context = server.trust()
    counts = {"parts": 0, "multiparts": 0, "enclosed messages": 0, "octets": 0}
    with IMAPClient("localhost", port=server.tls_port, ssl_context=context, timeout=60) as client:
        client.login(USER, PASSWORD)
        different = {}
        for mailbox in ("INBOX", "Torture"):
            client.select_folder(mailbox, readonly=True)
            names = [name for name, _ in known if name.startswith("real") == (mailbox == "INBOX")]
            uids = client.search("ALL")
            expect(len(uids) == len(names))
            found = client.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "BODY"])
            for name, uid in zip(names, uids):
                envelope, structure = found[uid][b"ENVELOPE"], found[uid][b"BODYSTRUCTURE"]
                expect(isinstance(envelope, Envelope), name, envelope)
                subject_is(expected[name], envelope, name)
                expect(list(walk(structure)) == list(walk(found[uid][b"BODY"])), name)
                try:
                    each_part(client, uid, expected[name], structure, counts)
                except AssertionError as difference:
                    different[name] = difference
        expect(
            set(different) == set(DIFFERENT),
            {name: str(different[name])[:500] for name in set(different) ^ set(DIFFERENT) if name in different},
            set(DIFFERENT) - set(different),
        )
    fact(
        ", ".join(f"{count:,} {what}" for what, count in counts.items())
        + f" as Python's email finds them, but {len(different)}"
    )


def subject_is(octets, envelope, name):
    """The subject in an envelope, where the package and IMAP have one idea of it: a single plain field."""
    header = re.split(rb"\r\n\r\n", octets, maxsplit=1)[0]
    subjects = re.findall(rb"(?mi)^subject:(.*)\r?$", header + b"\r\n")
    if (
        len(subjects) == 1
        and re.fullmatch(rb"[ -~]+", subjects[0].strip())
        and b"\n " not in header
        and b"\n\t" not in header
    ):
        expect(envelope.subject == subjects[0].strip(), name, envelope.subject, subjects[0])


def walk(structure, path=(), inside=False):
    """Paths and types of the parts of a BODYSTRUCTURE, numbered as RFC 9051 §6.4.5.1 does."""
    # The library gathers the parts of a multipart in a list, but not within an enclosed message.
    children = (
        structure[0] if isinstance(structure[0], list) else takewhile(lambda part: isinstance(part, tuple), structure)
    )
    if not isinstance(structure[0], bytes):
        if path and not inside:
            yield path, "multipart/" + next(word for word in structure if isinstance(word, bytes)).decode().lower()
        for number, part in enumerate(children, 1):
            yield from walk(part, (*path, number))
        return
    own = (*path, 1) if inside or not path else path
    kind = b"/".join(structure[:2]).decode().lower()
    yield own, kind
    if kind in ("message/rfc822", "message/global"):
        yield from walk(structure[8], own, inside=True)


def each_part(client, uid, octets, structure, counts):
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(octets)
    theirs = list(parts(message, []))
    ours = list(walk(structure))
    # A multipart in which no parts are found is text (RFC 2045 §5.2): BODYSTRUCTURE has no empty multipart.
    types = [
        (
            tuple(part["path"]),
            "text/plain" if "sha256" in part and part["type"].startswith("multipart/") else part["type"],
        )
        for part in theirs
    ]
    expect(ours == types, ours, types)
    bodies = numbered(message)
    asked = []
    for path, kind in ours:
        number = ".".join(map(str, path))
        asked += [f"BODY.PEEK[{number}]", f"BODY.PEEK[{number}.MIME]"]
        if kind in ("message/rfc822", "message/global"):
            asked += [f"BODY.PEEK[{number}.HEADER]", f"BODY.PEEK[{number}.TEXT]"]
    got = {}
    for start in range(0, len(asked), ITEMS):
        got.update(client.fetch([uid], asked[start : start + ITEMS])[uid])
    for path, kind in ours:
        number = ".".join(map(str, path)).encode()
        body, mime = got[b"BODY[%s]" % number], got[b"BODY[%s.MIME]" % number]
        part = bodies[path]
        if kind.startswith("multipart/"):
            counts["multiparts"] += 1
        else:
            expect(body == raw(part)[0], number, body[:200], raw(part)[0][:200])
            counts["parts"] += 1
            counts["octets"] += len(body)
        expect(mime + body in octets, "the part is not where it was", number)
        fields = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(mime, headersonly=True)
        expect([f[0] for f in fields._headers] == [f[0] for f in part._headers], number, mime)
        if kind in ("message/rfc822", "message/global"):
            counts["enclosed messages"] += 1
            expect(got[b"BODY[%s.HEADER]" % number] + got[b"BODY[%s.TEXT]" % number] == body, number)


def numbered(message):
    """The package's parts by their paths, in the order in which `parts` lists them."""
    found = {}

    def whole(message, path):
        multipart = message.get_content_maintype() == "multipart" and message.is_multipart()
        for number, part in enumerate(message.get_payload() if multipart else [message], 1):
            below(part, (*path, number))

    def below(part, path):
        found[path] = part
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            for number, child in enumerate(part.get_payload(), 1):
                below(child, (*path, number))
        elif part.get_content_type() in ("message/rfc822", "message/global"):
            whole(part.get_payload(0), path)

    whole(message, ())
    return found


main()
