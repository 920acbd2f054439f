"""Mail to work with: the real ones where they are there, and made ones."""

import itertools
import lzma
import re

from house import CORPUS


def some_mail():
    """An endless row of messages, no two alike: the real ones of the corpus, then made ones."""
    if CORPUS.exists():
        mbox = lzma.open(CORPUS / "real-mail.mbox.xz").read()
        seen = set()
        for octets in re.split(rb"(?m)^From [^\n]*\n", mbox)[1:]:
            octets = re.sub(rb"(?m)^>(>*From )", rb"\1", octets.removesuffix(b"\n"))
            if octets not in seen and octets.strip():
                seen.add(octets)
                yield re.sub(rb"\r?\n", b"\r\n", octets)
    for number in itertools.count():
        yield made(number)


def made(number, size=0, subject="Mail"):
    """A message with a number in it, of at least a size."""
    head = (
        f"From: Bob <bob@example.org>\r\nTo: ann@example.org\r\nSubject: {subject} {number}\r\n"
        f"Date: Mon, 3 Feb 2003 10:00:00 +0000\r\nMessage-ID: <{number}.{subject.lower()}@example.org>\r\n\r\n"
    ).encode()
    line = f"This is line after line of message {number}.\r\n".encode()
    return head + line * max(1, -(-(size - len(head)) // len(line)))
