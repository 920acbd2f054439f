"""DKIM beside dkimpy, over one DNS zone: what we sign it verifies, what it signs we verify, and of what was changed on the
way, or is wrong with a key, both think the same."""

import base64
import collections
import itertools
import re
import subprocess
import time

import dkim
import nacl.signing

from corpus import some_mail
from house import CORPUS, expect, fact
from zone import Verdict, Zone

NOW = int(time.time())
DOMAIN = "sender.example"
REAL = 150
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id"]
CANONS = list(itertools.product((b"simple", b"relaxed"), repeat=2))

HEAD = (
    b"From: Ann <ann@sender.example>\r\nTo: Bob <bob@receiver.example>\r\nSubject: How  are\r\n\tyou?\r\n"
    b"Date: Mon, 3 Feb 2003 10:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n"
)
MAILS = {
    "plain": HEAD + b"\r\nFine.\r\n",
    "no body": HEAD + b"\r\n",
    "empty lines only": HEAD + b"\r\n\r\n\r\n\r\n",
    "empty lines at the end": HEAD + b"\r\nFine.\r\n\r\n\r\n",
    "empty lines within": HEAD + b"\r\n\r\n\r\nFine.\r\n\r\n\r\nYou?\r\n",
    "space in lines": HEAD + b"\r\nFine  \t thanks.   \r\n \t\r\nYou?\t\r\n",
    "space only": HEAD + b"\r\n  \t \r\n \r\n",
    "no end of the last line": HEAD + b"\r\nFine.\r\nYou?",
    "octets of all kinds": HEAD + b"\r\n" + bytes(range(14, 256)) * 20 + b"\r\n",
    "UTF-8 in the header": HEAD.replace(b"Bob", "Böb".encode()) + b"\r\nFine.\r\n",
    "fields twice": HEAD + b"X-A: 1\r\nCc: a@b.example\r\nCc: c@d.example\r\nX-A: 2\r\n\r\nFine.\r\n",
    "fields in odd forms": HEAD + b"CC:a@b.example\r\nreply-TO:\r\n  c@d.example  \r\n\t \r\n\r\nFine.\r\n",
    "long": HEAD + b"\r\n" + b"This is a line of a long mail, that comes in many pieces.\r\n" * 4000,
}

# What may happen to a signed mail: to all of it, to what is above the body, to the body.
MUTATIONS = {
    "nothing": lambda mail: mail,
    "a field above": lambda mail: b"Received: from x\r\n" + mail,
    "another From above": lambda mail: b"From: Eve <eve@evil.example>\r\n" + mail,
    "another Subject above": lambda mail: b"Subject: Buy\r\n" + mail,
    "another Subject below": lambda mail: mail.replace(b"\r\n\r\n", b"\r\nSubject: Buy\r\n\r\n", 1),
    "a field not signed below": lambda mail: mail.replace(b"\r\n\r\n", b"\r\nX-Z: 1\r\n\r\n", 1),
    "the Subject": lambda mail: mail.replace(b"are\r\n\tyou", b"are\r\n\tthey"),
    "the Subject's fold": lambda mail: mail.replace(b"are\r\n\tyou", b"are you"),
    "the Subject's space": lambda mail: mail.replace(b"How  are", b"How are"),
    "the Subject's name": lambda mail: mail.replace(b"Subject:", b"SUBJECT:"),
    "no To": lambda mail: re.sub(rb"(?m)^To: .*\r\n", b"", mail),
    "fields in another order": lambda mail: re.sub(rb"(?m)^(To: .*\r\n)((?:Subject.*\r\n\t.*\r\n))", rb"\2\1", mail),
    "the body": lambda mail: mail.replace(b"Fine", b"Ill"),
    "the body's end": lambda mail: mail + b"\r\n\r\n",
    "more body": lambda mail: mail + b"Buy!\r\n",
    "less body": lambda mail: mail[:-4],
    "space at lines' ends": lambda mail: re.sub(rb"Fine([^\r]*)\r\n", rb"Fine\1  \r\n", mail),
    "space within lines": lambda mail: mail.replace(b"Fine", b" Fine"),
    "the signature": lambda mail: re.sub(rb"(\sb=\s*)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), mail, count=1),
    "the hash": lambda mail: re.sub(rb"(bh=\s*)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), mail, count=1),
    "the signature's fold": lambda mail: re.sub(rb"; (?=bh=|s=|t=)", b";\r\n ", mail, count=1),
    "the domain": lambda mail: re.sub(rb"d=sender", b"d=other", mail, count=1),
    "the selector": lambda mail: re.sub(rb"(\s)s=\w+", rb"\1s=nobody", mail, count=1),
    "the algorithm": lambda mail: re.sub(rb"a=\w+-sha256", b"a=rsa-sha1", mail, count=1),
    "the version": lambda mail: mail.replace(b"v=1;", b"v=2;", 1),
    "a tag twice": lambda mail: mail.replace(b"v=1;", b"v=1; v=1;", 1),
    "no hash": lambda mail: re.sub(rb"bh=[^;]*;", b"", mail, count=1),
    "an identity elsewhere": lambda mail: mail.replace(b"v=1;", b"v=1; i=@elsewhere.example;", 1),
    "a length": lambda mail: mail.replace(b"v=1;", b"v=1; l=3;", 1),
    "an end long ago": lambda mail: mail.replace(b"v=1;", b"v=1; x=1000000000;", 1),
}

Signature = collections.namedtuple("Signature", "selector algorithm key")


class Compared:
    """Both verdicts of one mail after the other, counted."""

    def __init__(self, zone, verdict):
        self.zone, self.verdict = zone, verdict
        self.cases = collections.Counter()
        self.passed = collections.Counter()
        self.wrong = []

    def text(self, name, timeout=5):
        """The zone, as dkimpy asks for it."""
        found = self.zone.find(name.decode().rstrip("."), "TXT")
        return found[0][2].encode() if isinstance(found, list) and found else None

    def both(self, kind, name, mail, must=None):
        """Each signature of a mail. `must`: what has to come out, where that is known beforehand."""
        said = self.verdict.check(mail, now=NOW)["dkim"]
        ours = [one["result"] == "pass" for one in said]
        theirs = []
        for number in range(len(ours)):
            try:
                theirs.append(bool(dkim.DKIM(mail).verify(idx=number, dnsfunc=self.text)))
            except (dkim.DKIMException, ValueError, KeyError, TypeError):
                theirs.append(False)
        self.cases[kind] += 1
        why = [one["why"] for one in said if one["why"]]
        self.passed[kind] += all(ours)
        if ours != theirs or not ours or must is not None and ours != [must] * len(ours):
            self.wrong.append((kind, name, "we:", ours, why, "dkimpy:", theirs, "must be:", must))


def signed_by_us(verdict, keys, mail):
    header = verdict.ask("sign", keys=keys, now=NOW, message=mail)["header"].encode()
    expect(header.count(b"DKIM-Signature:") == len(keys) and all(len(line) < 79 for line in header.splitlines()), header)
    return header + mail


def signed_by_dkimpy(one, canon, mail, **more):
    signer = dkim.DKIM(mail, signature_algorithm=one.algorithm)
    names = [name for name in SIGNED if re.search(rb"(?im)^" + name + rb"\s*:", mail.split(b"\r\n\r\n")[0])]
    return signer.sign(one.selector.encode(), DOMAIN.encode(), one.key, canonicalize=canon, include_headers=names, **more) + mail


def openssl(*words, given=None):
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=60).stdout


def rsa(zone, selector, bits, **tags):
    """A key of the other side's, published."""
    key = openssl("genrsa", "-traditional", str(bits))
    public = openssl("rsa", "-pubout", "-outform", "DER", given=key)
    text = tags.pop("text", "v=DKIM1; k=rsa; {more}p={key}")
    more = "".join(f"{name}={value}; " for name, value in tags.items())
    zone.add(f"{selector}._domainkey.{DOMAIN}", "TXT", text.format(key=base64.b64encode(public).decode(), more=more))
    return Signature(selector, b"rsa-sha256", key)


def ed25519(zone, selector):
    key = nacl.signing.SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    zone.add(f"{selector}._domainkey.{DOMAIN}", "TXT", f"v=DKIM1; k=ed25519; p={public}")
    return Signature(selector, b"ed25519-sha256", base64.b64encode(bytes(key)))


def own_keys(zone, verdict):
    keys = []
    for algorithm in ("rsa", "ed25519"):
        began = time.monotonic()
        key = verdict.ask("generate", algorithm=algorithm, domain=DOMAIN, selector=f"our-{algorithm}")
        fact(f"a key for {algorithm} made in {time.monotonic() - began:.2f} s (debug build)")
        zone.add(key["name"], "TXT", key["text"])
        openssl("pkey", "-noout", "-check", given=key["pem"].encode()) if algorithm == "rsa" else None
        keys.append({"pem": key["pem"], "domain": DOMAIN, "selector": f"our-{algorithm}"})
    return keys


def with_keys(compared, zone):
    """What may be wrong with a key, and what may not."""
    plain = MAILS["plain"]

    def case(name, must, one):
        compared.both("by all sorts of keys", name, signed_by_dkimpy(one, (b"relaxed", b"relaxed"), plain), must)

    case("1024 bits", True, rsa(zone, "k1024", 1024))
    case("2048 bits", True, rsa(zone, "k2048", 2048))
    case("4096 bits", True, rsa(zone, "k4096", 4096))
    case("512 bits", False, rsa(zone, "k512", 512))
    case("768 bits", False, rsa(zone, "k768", 768))
    case("without a version", True, rsa(zone, "bare", 1024, text="k=rsa; p={key}"))
    case("with a key alone", True, rsa(zone, "alone", 1024, text="p={key}"))
    case("of another version", False, rsa(zone, "version", 1024, text="v=DKIM2; p={key}"))
    case("of another kind", False, rsa(zone, "kind", 1024, text="v=DKIM1; k=other; p={key}"))
    case("revoked", False, rsa(zone, "revoked", 1024, text="v=DKIM1; p="))
    case("that is none", False, rsa(zone, "none", 1024, text="v=DKIM1; p=AAAA"))
    case("that is not in the form of tags", False, rsa(zone, "form", 1024, text="nonsense"))
    case("for a test", True, rsa(zone, "test", 1024, t="y"))
    case("for mail", True, rsa(zone, "mail", 1024, s="email"))
    case("for both hashes", True, rsa(zone, "hashes", 1024, h="sha1:sha256"))
    case("with notes", True, rsa(zone, "notes", 1024, n="some words", x="1"))
    case("cut in strings", True, rsa(zone, "strings", 8192))
    one = rsa(zone, "gone", 1024)
    zone.forget(f"gone._domainkey.{DOMAIN}")
    case("that is gone", False, one)
    one = rsa(zone, "other", 1024)
    zone.forget(f"other._domainkey.{DOMAIN}")
    rsa(zone, "other", 1024)
    case("that is another", False, one)


def main():
    with Zone() as zone, Verdict(zone) as verdict:
        ours = own_keys(zone, verdict)
        theirs = [rsa(zone, "their-rsa", 2048), ed25519(zone, "their-ed25519")]
        compared = Compared(zone, verdict)
        for name, mail in MAILS.items():
            compared.both("signed by us", name, signed_by_us(verdict, ours, mail), True)
            for one, canon in itertools.product(theirs, CANONS):
                about = f"{name}, {canon}, {one.selector}"
                compared.both("signed by dkimpy", about, signed_by_dkimpy(one, canon, mail), True)
        for name, change in MUTATIONS.items():
            about = {"nothing": True, "a field above": True}.get(name)
            for which in (ours[:1], ours[1:], ours):
                compared.both("changed", f"{name}, ours", change(signed_by_us(verdict, which, MAILS["plain"])), about if len(which) == 1 else None)
            for one, canon in itertools.product(theirs, CANONS):
                changed = change(signed_by_dkimpy(one, canon, MAILS["plain"]))
                compared.both("changed", f"{name}, {canon}, {one.selector}", changed, about)
                limited = change(signed_by_dkimpy(one, canon, MAILS["plain"], length=True))
                compared.both("changed, with a length", f"{name}, {canon}, {one.selector}", limited, about)
        with_keys(compared, zone)
        if CORPUS.exists():
            for number, mail in enumerate(itertools.islice(some_mail(), REAL)):
                real(compared, verdict, number, mail, ours, theirs)
        expect(not compared.wrong, *compared.wrong[:20], len(compared.wrong))
        for kind, count in compared.cases.items():
            fact(f"{kind}: {count} mails, {compared.passed[kind]} that pass; dkimpy and we agree")
        expect(sum(compared.cases.values()) > 300, compared.cases)
        expect(0 < compared.passed["changed"] < compared.cases["changed"], compared.passed)


def real(compared, verdict, number, mail, ours, theirs):
    """A real mail, as it is and with one octet of it changed."""
    if not re.search(rb"(?im)^from\s*:", mail.split(b"\r\n\r\n")[0]) or b"\r\n\r\n" not in mail:
        return
    # What signed it before, nobody can verify any more.
    head, body = mail.split(b"\r\n\r\n", 1)
    head = re.sub(rb"(?im)^dkim-signature:.*\r\n(?:[ \t].*\r\n)*", b"", head + b"\r\n")
    mail = head + b"\r\n" + body
    compared.both("of the corpus signed by us", number, signed_by_us(verdict, ours, mail), True)
    one, canon = theirs[number % 2], CANONS[number % 4]
    signed = signed_by_dkimpy(one, canon, mail)
    compared.both("of the corpus signed by dkimpy", (number, canon), signed, True)
    at = len(signed) - 1 - number % max(1, len(body) or 1)
    changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
    if b"\n" not in (signed[at : at + 1], changed[at : at + 1]) and b"\r" not in (signed[at : at + 1], changed[at : at + 1]):
        compared.both("of the corpus changed in one octet", (number, canon), changed)


if __name__ == "__main__":
    main()
