"""What Python's `email` finds in the corpus: an independent answer to the question which octets BODY[n] is.

    python3 - CORPUS OUT < parts_oracle.py

Writes each message to OUT as NAME.eml with CRLF line ends, as an importer stores it, and prints a line of JSON for each:
its name and its parts, with their path (RFC 9051 §6.4.5.1), type, the SHA-256 of the octets of BODY[path] and, for a
person who wants to see them, whether the package changed them (`made`: it keeps no source of what it took apart).
"""

import email.generator
import email.parser
import email.policy
import hashlib
import io
import json
import lzma
import pathlib
import re
import sys


def crlf(octets):
    return re.sub(rb"\r?\n", b"\r\n", octets)


def messages(corpus):
    mbox = lzma.open(corpus / "real-mail.mbox.xz").read()
    for number, message in enumerate(re.split(rb"(?m)^From [^\n]*\n", mbox)[1:]):
        # mboxrd: an empty line ends each message, and one `>` was put before `From `.
        message = re.sub(rb"(?m)^>(>*From )", rb"\1", message.removesuffix(b"\n"))
        yield f"real-{number:04}", crlf(message)
    for path in sorted((corpus / "torture").glob("*.eml")):
        yield path.stem, crlf(path.read_bytes())


def source(message):
    out = io.BytesIO()
    policy = email.policy.compat32.clone(linesep="\r\n", max_line_length=0)
    email.generator.BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=policy).flatten(message)
    return out.getvalue()


def raw(part):
    """The body of a part, and whether it had to be put together again."""
    # Not get_payload: of 8-bit text that gives characters, guessed from the charset, instead of the octets.
    payload = part._payload
    if isinstance(payload, str):
        return payload.encode("ascii", "surrogateescape"), False
    if part.get_content_maintype() == "message" and part.get_content_type() != "message/delivery-status":
        return source(payload[0]), True
    # Blocks of fields, each taken for a message.
    return b"\r\n".join(source(block) for block in payload), True


def parts(message, path):
    """The parts of a message, numbered as its own."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        children = message.get_payload()
    else:
        children = [message]
    for number, part in enumerate(children, 1):
        yield from subparts(part, path + [number])


def subparts(part, path):
    kind = part.get_content_type()
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        yield {"path": path, "type": kind}
        for number, child in enumerate(part.get_payload(), 1):
            yield from subparts(child, path + [number])
        return
    octets, made = raw(part)
    yield {"path": path, "type": kind, "sha256": hashlib.sha256(octets).hexdigest(), "made": made, "length": len(octets)}
    if kind in ("message/rfc822", "message/global"):
        yield from parts(part.get_payload(0), path)


def main():
    corpus, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name, octets in messages(corpus):
        (out / f"{name}.eml").write_bytes(octets)
        # Not parse: it reads a text file, whose line ends are no longer those of the message.
        message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(octets)
        print(json.dumps({"name": name, "parts": list(parts(message, []))}))


if __name__ == "__main__":
    main()
