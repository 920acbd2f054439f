"""The mail: synthetic messages from a fixed seed, and the real ones read in place.

The synthetic mail: 10,000 messages, about 200 MB, median 5.6 KB, largest 2 MB, CRLF line ends. It is made
once and kept in one file with an index beside it. Two words that the language cannot form are hidden in a
few messages, so that SEARCH has something rare to find and the count can be checked.
"""

import base64
import json
import lzma
import math
import quopri
import random
import re
import time
from email.header import Header
from pathlib import Path

from words import Language

VERSION = 3  # of the generator: a kept file of another version is made anew
SEED = 20260401
RARE_SUBJECT = "zyxomatic"
RARE_TEXT = "vexilloquy"
MEDIAN, LARGEST, MEAN = 5500, 1_990_000, 22_400
EPOCH = 1_700_000_000


class Mail:
    """One body of mail: messages as bytes, their flags, and what a SEARCH must find in them."""

    def __init__(self, name, messages, flags, subject_hits=None, text_hits=None):
        self.name, self.messages, self.flags = name, messages, flags
        self.subject_hits, self.text_hits = subject_hits, text_hits
        self.size = sum(map(len, messages))
        self.unseen = sum("\\Seen" not in flag for flag in flags)

    def between(self, low, high, count):
        """`count` messages of `low`..`high` bytes, in order, repeated when there are too few."""
        fitting = [message for message in self.messages if low <= len(message) <= high]
        return [fitting[i % len(fitting)] for i in range(count)]

    def describe(self):
        """One line for the report."""
        sizes = sorted(map(len, self.messages))
        return (
            f"{self.name}: {len(sizes)} messages, {self.size / 1e6:.1f} MB, "
            f"median {sizes[len(sizes) // 2] / 1000:.1f} KB, largest {sizes[-1] / 1e6:.2f} MB"
        )


def synthetic(folder, count):
    """The synthetic mail, from `folder` or made now."""
    pack, index = Path(folder, f"synthetic-{count}.mail"), Path(folder, f"synthetic-{count}.json")
    try:
        known = json.loads(index.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("version") != VERSION or not pack.exists():
        messages, flags, subject_hits, text_hits = Writer(SEED).write(count)
        pack.write_bytes(b"".join(messages))
        known = {
            "version": VERSION,
            "sizes": [len(message) for message in messages],
            "flags": flags,
            "subject_hits": subject_hits,
            "text_hits": text_hits,
        }
        index.write_text(json.dumps(known))
    whole, at, messages = pack.read_bytes(), 0, []
    for size in known["sizes"]:
        messages.append(whole[at : at + size])
        at += size
    return Mail("Synthetic", messages, known["flags"], known["subject_hits"], known["text_hits"])


def real(path, count):
    """The first `count` real mails of an xz-packed mbox (mboxrd or mboxo), with CRLF line ends."""
    text = lzma.open(path).read()
    messages = []
    for piece in re.split(rb"(?m)^From [^\n]*\n", text)[1 : count + 1]:
        piece = re.sub(rb"(?m)^>(>*From )", rb"\1", piece.removesuffix(b"\n"))
        # RFC 9051 §9 CHAR8: a literal in APPEND holds no NUL, and Dovecot stores 0x80 in its place.
        messages.append(re.sub(rb"\r?\n", b"\r\n", piece).replace(b"\0", b""))
    dice = random.Random(SEED)
    return Mail("Real", messages, [draw_flags(dice) for _ in messages])


def draw_flags(dice):
    """Most mail is read, some answered or flagged."""
    flags = []
    if dice.random() < 0.8:
        flags.append("\\Seen")
        if dice.random() < 0.2:
            flags.append("\\Answered")
    if dice.random() < 0.04:
        flags.append("\\Flagged")
    return " ".join(flags)


class Writer:
    """Writes the synthetic mail."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.language = Language(seed)
        dice = self.dice
        self.hosts = [f"{a}{b}.example" for a, b in zip(self.language.words[900:930], self.language.words[1500:1530])]
        self.people = []
        for _ in range(400):
            name = self.language.name(dice)
            local = re.sub(r"[^a-z.]", "", name.lower().replace(" ", ".")) or "post"
            self.people.append((name, f"{local}@{dice.choice(self.hosts)}"))
        self.owner = ("Bench", "bench@example.org")
        self.threads = []

    def write(self, count):
        """(messages, flags, messages with the rare word in the subject, messages with it in the text)."""
        sizes = self.sizes(count)
        subjects = set(self.dice.sample(range(count), min(12, count // 10)))
        texts = set(self.dice.sample(range(count), min(15, count // 10)))
        messages = [self.message(number, size, number in subjects, number in texts) for number, size in enumerate(sizes)]
        return messages, [draw_flags(self.dice) for _ in messages], len(subjects), len(texts)

    def sizes(self, count):
        """Log-normal sizes with the given median, the upper half stretched until the mean is as wanted."""
        shape = [abs(self.dice.gauss(0, 1)) for _ in range(count)]

        def size(rank, z, sigma):
            if rank % 2:
                return max(1400, int(MEDIAN * math.exp(-z * 0.55)))
            return min(LARGEST, int(MEDIAN * math.exp(z * sigma)))

        low, high = 0.5, 4.0
        for _ in range(40):
            sigma = (low + high) / 2
            mean = sum(size(rank, z, sigma) for rank, z in enumerate(shape)) / count
            low, high = (sigma, high) if mean < MEAN else (low, sigma)
        return [size(rank, z, sigma) for rank, z in enumerate(shape)]

    def message(self, number, size, rare_subject, rare_text):
        """One message of about `size` bytes."""
        dice = self.dice
        sender = dice.choice(self.people)
        identity = f"<{dice.getrandbits(64):016x}.{number}@{sender[1].split('@')[1]}>"
        headers = self.trace(number, sender, identity)
        headers += self.addresses(number, sender, identity, rare_subject)
        room = max(300, size - len("".join(headers)) - 250)
        content, body = self.content(room, rare_text)
        headers.append("MIME-Version: 1.0\r\n")
        return ("".join(headers) + content + "\r\n").encode("ascii") + body

    def trace(self, number, sender, identity):
        """Return-Path, Received and DKIM-Signature lines, as a message carries them on arrival."""
        dice, host = self.dice, sender[1].split("@")[1]
        when = stamp(EPOCH + number * 1800 + 5)
        lines = [f"Return-Path: <{sender[1]}>\r\nDelivered-To: {self.owner[1]}\r\n"]
        hops = [host, *dice.sample(self.hosts, dice.randint(1, 3)), "mx.example.org"]
        for before, after in zip(hops[-2::-1], hops[:0:-1]):
            address = f"192.0.2.{dice.randint(1, 254)}"
            lines.append(
                f"Received: from mail.{before} (mail.{before} [{address}])\r\n"
                f"\tby {after} (Postfix) with ESMTPS id {dice.getrandbits(44):011X}\r\n"
                f"\tfor <{self.owner[1]}>; {when}\r\n"
            )
        if dice.random() < 0.8:
            signature = base64.b64encode(dice.randbytes(256)).decode()
            folded = "\r\n\t ".join(signature[i : i + 70] for i in range(0, len(signature), 70))
            digest = base64.b64encode(dice.randbytes(32)).decode()
            lines.append(
                f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={host};\r\n"
                f"\ts=s{dice.randint(2015, 2024)}; t={EPOCH + number * 1800};\r\n\tbh={digest};\r\n"
                f"\th=Date:From:To:Subject:Message-ID:From;\r\n\tb={folded}\r\n"
            )
        if dice.random() < 0.6:
            lines.append(
                f"Authentication-Results: mx.example.org;\r\n\tdkim=pass header.d={host};\r\n"
                f"\tspf=pass smtp.mailfrom={sender[1]}\r\n"
            )
        if dice.random() < 0.3:
            name = dice.choice(self.language.words[200:260])
            lines.append(f"List-Id: <{name}.lists.example>\r\nList-Unsubscribe: <mailto:{name}-leave@lists.example>\r\n")
        return lines

    def addresses(self, number, sender, identity, rare_subject):
        """Date, From, To, Cc, Subject, Message-ID, and the thread a reply belongs to."""
        dice = self.dice
        if self.threads and dice.random() < 0.45:
            subject, references = dice.choice(self.threads[-60:])
            subject = subject if subject.startswith("Re: ") else "Re: " + subject
        else:
            foreign = dice.random() < 0.2
            subject = " ".join(self.language.draw(dice, dice.randint(2, 8), foreign)).capitalize()
            references = []
        self.threads.append((subject, [*references, identity][-9:]))
        if rare_subject:  # after the thread was noted, so that no reply repeats the word
            subject = f"{subject[:30]} {RARE_SUBJECT}".encode("ascii", "ignore").decode()
        lines = [f"Date: {stamp(EPOCH + number * 1800)}\r\n", f"From: {mailbox(sender)}\r\n"]
        others = dice.sample(self.people, dice.choice((0, 0, 0, 1, 2, 5)))
        lines.append("To: " + ",\r\n\t".join(map(mailbox, [self.owner, *others[:2]])) + "\r\n")
        if others[2:]:
            lines.append("Cc: " + ",\r\n\t".join(map(mailbox, others[2:])) + "\r\n")
        lines.append(f"Subject: {encoded(subject)}\r\nMessage-ID: {identity}\r\n")
        if references:
            lines.append(f"In-Reply-To: {references[-1]}\r\nReferences: " + "\r\n\t".join(references) + "\r\n")
        return lines

    def content(self, room, rare):
        """(Content-* header lines, body) of about `room` bytes: plain, alternative, or with attachments."""
        dice = self.dice
        if room < 12_000 or (room < 60_000 and dice.random() < 0.4):
            return self.text(room, rare) if dice.random() < 0.55 else self.alternative(room, rare)
        first = self.text(dice.randint(600, 4000), rare) if dice.random() < 0.4 else self.alternative(dice.randint(3000, 9000), rare)
        parts, left = [first], room - len(first[1])
        for number in range(dice.choice((1, 1, 1, 2, 3))):
            share = left if dice.random() < 0.5 else left // 2
            parts.append(self.attachment(max(900, share), number))
            left -= share
            if left < 2000:
                break
        return self.multipart("mixed", parts)

    def text(self, room, rare, kind="plain"):
        """One text part: 7bit, quoted-printable or base64."""
        dice = self.dice
        coding = dice.choices(("7bit", "quoted-printable", "base64"), (50, 38, 12))[0]
        share = {"7bit": 1.0, "quoted-printable": 0.87, "base64": 0.7}[coding]
        words = self.language.text(dice, int(room * share * (0.62 if kind == "html" else 1)), coding != "7bit")
        if rare:
            at = words.find("\n", len(words) // 2) + 1
            words = words[:at] + RARE_TEXT + "\n" + words[at:]
        if kind == "html":
            words = page(words, dice)
        raw = words.replace("\n", "\r\n").encode()
        charset = "us-ascii" if coding == "7bit" else "utf-8"
        if coding == "quoted-printable":
            raw = quopri.encodestring(words.encode()).replace(b"\r", b"").replace(b"\n", b"\r\n")
        elif coding == "base64":
            raw = base64_lines(raw)
        headers = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {coding}\r\n"
        return headers, raw

    def alternative(self, room, rare):
        """multipart/alternative: the same kind of text as plain and, larger, as HTML."""
        plain = self.text(room // 4, rare)
        return self.multipart("alternative", [plain, self.text(room - len(plain[1]) - 200, False, "html")])

    def attachment(self, room, number):
        """A base64 attachment: mostly noise as in packed formats, sometimes a table that compresses well."""
        dice, raw = self.dice, room * 3 // 4 * 76 // 78
        kind, name = dice.choice((("application/pdf", "pdf"), ("image/jpeg", "jpg"), ("image/png", "png"), ("text/csv", "csv")))
        if name == "csv":
            row = "".join(f"{dice.randint(1, 99999)};{word};{dice.random():.3f}\r\n" for word in self.language.draw(dice, 400))
            data = (row * (raw // len(row) + 1)).encode()[:raw]
        else:
            data = dice.randbytes(raw)
        title = "-".join(self.language.draw(dice, 2))
        headers = (
            f'Content-Type: {kind}; name="{title}.{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename="{title}.{name}"\r\n'
        )
        return headers, base64_lines(data)

    def multipart(self, kind, parts):
        """The parts behind a boundary."""
        boundary = f"=_{self.dice.getrandbits(96):024x}"
        pieces = []
        for headers, body in parts:
            pieces.append(f"--{boundary}\r\n{headers}\r\n".encode() + body + (b"" if body.endswith(b"\r\n") else b"\r\n"))
        pieces.append(f"--{boundary}--\r\n".encode())
        preamble = b"This is a multi-part message in MIME format.\r\n\r\n" if kind == "mixed" else b""
        return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n', preamble + b"".join(pieces)


def stamp(seconds):
    """An RFC 5322 date."""
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def encoded(text):
    """The text, folded, as encoded-words where it is not ASCII."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, maxlinelen=70, header_name="Subject").encode(linesep="\r\n")


def mailbox(person):
    """`Name <address>`."""
    return f"{encoded(person[0])} <{person[1]}>"


def base64_lines(raw):
    """base64 in lines of 76 with CRLF."""
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")


def page(words, dice):
    """HTML with the markup that mail programs wrap around text."""
    paragraphs = "".join(
        f'<p style="margin:0 0 12px 0;font-family:Arial,sans-serif;font-size:14px">{block}</p>\n'
        for block in words.split("\n\n")
    )
    colour = f"#{dice.getrandbits(24):06x}"
    return (
        '<!DOCTYPE html>\n<html><head><meta http-equiv="Content-Type" content="text/html">\n'
        f"<style>td {{ color: {colour}; padding: 4px 8px; }} a {{ text-decoration: none; }}</style></head>\n"
        f'<body><table width="600" cellpadding="0" cellspacing="0"><tr><td>\n{paragraphs}</td></tr></table></body></html>\n'
    )
