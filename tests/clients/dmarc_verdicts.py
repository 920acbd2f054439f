"""DMARC beside libopendmarc, which asks the same DNS server, and finds organizations by the list of public suffixes."""

import ctypes
import socket
import struct

from house import expect, fact
from zone import FAILS, Verdict, Zone

SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
MAXPATHLEN, MAXNS = 4096, 3
MOZILLA, IPV4, MAILFROM, HELO = 1, 4, 1, 2
NONE, PASS, FAIL = 0, 1, 2
ABSENT = 14
ENFORCED = {14: ("none", "none"), 15: ("pass", "none"), 16: ("fail", "reject"), 17: ("fail", "quarantine"), 18: ("fail", "none")}
CLIENT = "192.0.2.1"


class Library(ctypes.Structure):
    """OPENDMARC_LIB_T"""

    _fields_ = [
        ("tld_type", ctypes.c_int),
        ("tld_source_file", ctypes.c_char * MAXPATHLEN),
        ("nscount", ctypes.c_int),
        ("nsaddr_list", (ctypes.c_char * 16) * MAXNS),
    ]


class OpenDmarc:
    """libopendmarc, which asks a zone."""

    def __init__(self, zone):
        self.lib = ctypes.CDLL("libopendmarc.so.2")
        self.lib.opendmarc_policy_connect_init.restype = ctypes.c_void_p
        self.lib.opendmarc_policy_connect_shutdown.restype = ctypes.c_void_p
        about = Library(MOZILLA, SUFFIXES.encode(), 1)
        address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(zone.port), socket.inet_aton("127.0.0.1"))
        about.nsaddr_list[0] = (ctypes.c_char * 16).from_buffer_copy(address)
        self.about = about
        expect(self.lib.opendmarc_policy_library_init(ctypes.byref(about)) == 0, "libopendmarc does not begin")

    def weigh(self, author, spf, helo, dkim):
        """The result, and what is enforced."""
        lib, pctx = self.lib, ctypes.c_void_p(self.lib.opendmarc_policy_connect_init(CLIENT.encode(), IPV4))
        lib.opendmarc_policy_store_from_domain(pctx, author.encode())
        if spf:
            domain, passed = spf
            lib.opendmarc_policy_store_spf(pctx, domain.encode(), PASS if passed else FAIL, HELO if helo else MAILFROM, None)
        for domain, passed in dkim:
            lib.opendmarc_policy_store_dkim(pctx, domain.encode(), b"s", PASS if passed else FAIL, None)
        lib.opendmarc_policy_query_dmarc(pctx, author.encode())
        enforced = lib.opendmarc_get_policy_to_enforce(pctx)
        lib.opendmarc_policy_connect_shutdown(pctx)
        return ENFORCED.get(enforced, (f"status {enforced}", "none"))


# The policies of domains. Public suffixes are `org`, `co.uk`, `gov.uk`, and `github.io`, of which some have one, too.
POLICIES = {
    "reject.org": "v=DMARC1; p=reject",
    "quarantine.org": "v=DMARC1; p=quarantine",
    "none.org": "v=DMARC1; p=none",
    "strict.org": "v=DMARC1; p=reject; adkim=s; aspf=s",
    "dkim-strict.org": "v=DMARC1; p=reject; adkim=s",
    "spf-strict.org": "v=DMARC1; p=reject; aspf=s",
    "sp.org": "v=DMARC1; p=reject; sp=none",
    "sp-quarantine.org": "v=DMARC1; p=none; sp=quarantine",
    "own.sp.org": "v=DMARC1; p=quarantine",
    "spaces.org": "v=DMARC1 ;  p = reject ; sp = quarantine ",
    "capitals.org": "v=DMARC1; p=REJECT; aspf=R",
    "reports.org": "v=DMARC1; p=reject; rua=mailto:a@reports.org; ruf=mailto:b@reports.org; fo=1; ri=3600; rf=afrf",
    "unknown-tag.org": "v=DMARC1; p=reject; x-y=1",
    "no-end.org": "v=DMARC1; p=reject;",
    "bad-version.org": "v=DMARC2; p=reject",
    "faulty.org": "v=DMARC1; p=reject;; nonsense; sp=quarantine",
    "no-policy.org": "v=DMARC1",
    "other-text.org": "google-site-verification=abc",
    "shop.co.uk": "v=DMARC1; p=reject",
    "own.market.co.uk": "v=DMARC1; p=reject",
    "own.market.org": "v=DMARC1; p=reject",
    "gov.uk": "v=DMARC1; p=reject; sp=none",
    "tax.gov.uk": "v=DMARC1; p=reject",
    "github.io": "v=DMARC1; p=reject",
    "ann.github.io": "v=DMARC1; p=quarantine",
}

# Author's domain; SPF's domain and whether it passed; signatures' domains and whether they passed.
CASES = [
    ("reject.org", None, []),
    ("reject.org", ("reject.org", True), []),
    ("reject.org", ("reject.org", False), []),
    ("reject.org", None, [("reject.org", True)]),
    ("reject.org", None, [("reject.org", False)]),
    ("reject.org", ("other.org", True), [("other.org", True)]),
    ("reject.org", ("mail.reject.org", True), []),
    ("reject.org", None, [("mail.reject.org", True)]),
    ("mail.reject.org", ("reject.org", True), []),
    ("mail.reject.org", None, [("reject.org", True)]),
    ("a.reject.org", ("b.reject.org", True), []),
    ("a.reject.org", None, [("b.reject.org", True)]),
    ("a.b.c.reject.org", None, [("d.reject.org", True)]),
    ("a.reject.org", ("b.other.org", True), []),
    ("REJECT.org", None, [("Reject.Example", True)]),
    ("notreject.org", None, [("reject.org", True)]),
    ("reject.org", ("notreject.org", True), [("anotherreject.org", True)]),
    ("reject.org", ("other.org", True), [("other.org", True), ("reject.org", True)]),
    ("reject.org", None, [("reject.org", False), ("mail.reject.org", True)]),
    ("quarantine.org", ("other.org", True), []),
    ("quarantine.org", None, [("quarantine.org", True)]),
    ("a.quarantine.org", None, []),
    ("none.org", None, []),
    ("none.org", ("none.org", True), []),
    ("a.none.org", None, [("other.org", True)]),
    ("strict.org", ("strict.org", True), []),
    ("strict.org", None, [("strict.org", True)]),
    ("mail.strict.org", None, [("mail.strict.org", True)]),
    ("mail.strict.org", ("strict.org", True), [("strict.org", True)]),
    ("dkim-strict.org", ("mail.dkim-strict.org", True), []),
    ("spf-strict.org", None, [("mail.spf-strict.org", True)]),
    ("sp.org", None, []),
    ("a.sp.org", None, []),
    ("a.sp.org", None, [("sp.org", True)]),
    ("own.sp.org", None, []),
    ("own.sp.org", ("sp.org", True), []),
    ("own.sp.org", None, [("x.sp.org", True)]),
    ("sp-quarantine.org", None, []),
    ("a.sp-quarantine.org", None, []),
    ("a.b.sp-quarantine.org", ("c.sp-quarantine.org", True), []),
    ("spaces.org", None, []),
    ("a.spaces.org", None, []),
    ("capitals.org", None, []),
    ("capitals.org", None, [("a.capitals.org", True)]),
    ("capitals.org", ("a.capitals.org", True), []),
    ("reports.org", None, []),
    ("unknown-tag.org", None, []),
    ("no-end.org", None, []),
    ("bad-version.org", None, []),
    ("faulty.org", None, []),
    ("a.faulty.org", None, []),
    ("no-policy.org", None, []),
    ("other-text.org", None, []),
    ("nothing.org", None, []),
    ("nothing.org", ("nothing.org", True), [("nothing.org", True)]),
    ("shop.co.uk", None, [("shop.co.uk", True)]),
    ("shop.co.uk", ("mail.shop.co.uk", True), []),
    ("www.shop.co.uk", None, [("shop.co.uk", True)]),
    ("shop.co.uk", ("evil.co.uk", True), [("other.co.uk", True)]),
    ("a.shop.co.uk", None, [("b.evil.co.uk", True)]),
    ("a.shop.co.uk", ("b.shop.co.uk", True), [("b.shop.co.uk", True)]),
    ("own.market.co.uk", ("other.market.co.uk", True), []),
    ("own.market.co.uk", None, [("market.co.uk", True)]),
    ("own.market.co.uk", None, [("other.co.uk", True)]),
    ("own.market.org", None, [("other.market.org", True)]),
    ("below.own.market.org", None, [("evil.org", True)]),
    ("tax.gov.uk", ("evil.gov.uk", True), [("evil.gov.uk", True)]),
    ("mail.tax.gov.uk", ("other.tax.gov.uk", True), []),
    ("nothing.gov.uk", None, [("evil.gov.uk", True)]),
    ("ann.github.io", None, [("eve.github.io", True)]),
    ("a.ann.github.io", None, [("b.ann.github.io", True)]),
    ("bob.github.io", ("eve.github.io", True), []),
]

# In strict mode only the same domain will do (RFC 7489 §3.1.1, §3.1.2); libopendmarc 1.4 takes those below it as well.
STRICT = [
    ("strict.org", ("mail.strict.org", True), []),
    ("strict.org", None, [("mail.strict.org", True)]),
    ("dkim-strict.org", None, [("mail.dkim-strict.org", True)]),
    ("spf-strict.org", ("mail.spf-strict.org", True), []),
]


def zone_of_all():
    zone = Zone()
    for domain, policy in POLICIES.items():
        zone.add(f"_dmarc.{domain}", "TXT", policy)
    return zone


def publish(zone, verdict, domains):
    """For each domain a key of ours to sign with."""
    keys = {}
    for domain in domains:
        key = verdict.ask("generate", algorithm="ed25519", domain=domain, selector="s")
        zone.add(key["name"], "TXT", key["text"])
        keys[domain] = {"pem": key["pem"], "domain": domain, "selector": "s"}
    return keys


def main():
    with zone_of_all() as zone, Verdict(zone) as verdict:
        oracle = OpenDmarc(zone)
        signers = publish(zone, verdict, {domain for _, _, dkim in CASES + STRICT for domain, _ in dkim})
        agreed, wrong = {}, []
        for author, spf, dkim in CASES:
            for helo in (False, True) if spf else (False,):
                theirs = oracle.weigh(author, spf, helo, dkim)
                ours = weigh(zone, verdict, signers, author, spf, helo, dkim)
                if ours != theirs:
                    wrong.append((author, spf, dkim, "HELO" if helo else "MAIL", "we:", ours, "opendmarc:", theirs))
                agreed[ours] = agreed.get(ours, 0) + 1
        expect(not wrong, *wrong)
        for author, spf, dkim in STRICT:
            ours = weigh(zone, verdict, signers, author, spf, False, dkim)
            expect(ours == ("fail", "reject"), author, spf, dkim, ours)
        expect(sum(agreed.values()) >= 80 and len(agreed) == 5, agreed)
        table = ", ".join(f"{count} {result} ({policy})" for (result, policy), count in sorted(agreed.items()))
        fact(f"{len(STRICT)} mails from below a domain that is strict: fail, as RFC 7489 §3.1 has it, unlike libopendmarc")
        fact(f"{sum(agreed.values())} mails: libopendmarc and we agree on result and policy: {table}")
        alone(zone, verdict)


def weigh(zone, verdict, signers, author, spf, helo, dkim):
    """A whole mail, with the SPF record and the signatures that make the case."""
    sender, greeting = "", "nobody.example"
    if spf:
        domain, passed = spf
        # Not kept by the resolver under the same name: each case has one of its own for what differs.
        zone.add(domain, "TXT", f"v=spf1 ip4:{CLIENT} -all") if domain not in zone.records else None
        sender, greeting = ("", domain) if helo else (f"x@{domain}", greeting)
    client = CLIENT if not spf or spf[1] else "192.0.2.99"
    mail = f"From: X <x@{author}>\r\nSubject: Hello\r\n\r\nHello.\r\n".encode()
    for domain, passed in dkim:
        header = verdict.ask("sign", keys=[signers[domain]], now=1_700_000_000, message=mail)["header"].encode()
        mail = (header if passed else header.replace(b"bh=", b"bh=AAAA")) + mail
    answer = verdict.check(mail, client=client, sender=sender, helo=greeting)
    (one,) = answer["dmarc"]
    expect(answer["disposition"] == (one["policy"] if one["result"] == "fail" else "none"), answer)
    return one["result"], one["policy"] if one["result"] == "fail" else "none"


def alone(zone, verdict):
    """What the library leaves to its caller: samples, several authors, and servers that cannot tell."""
    def of(*authors, draw=0):
        fields = "".join(f"From: x@{author}\r\n" for author in authors)
        return verdict.check(f"{fields}\r\nHello.\r\n".encode(), draw=draw)

    zone.add("_dmarc.some.example", "TXT", "v=DMARC1; p=reject; pct=30")
    zone.add("_dmarc.few.example", "TXT", "v=DMARC1; p=quarantine; pct=30")
    zone.add("_dmarc.fails.example", FAILS)
    zone.add("_dmarc.two.example", "TXT", "v=DMARC1; p=reject")
    zone.add("_dmarc.two.example", "TXT", "v=DMARC1; p=none")
    for author, draw, wanted in (
        *(("some.example", 29, "reject"), ("some.example", 30, "quarantine"), ("some.example", 99, "quarantine")),
        *(("few.example", 29, "quarantine"), ("few.example", 30, "none"), ("two.example", 0, "none")),
        ("fails.example", 0, "none"),
    ):
        found = of(author, draw=draw)
        expect(found["disposition"] == wanted, author, draw, found)
    expect(of("none.org", "reject.org")["disposition"] == "reject", "two authors")
    expect(of()["disposition"] == "none" and of()["dmarc"][0]["result"] == "permerror", "no author")
    expect(of("fails.example")["dmarc"][0]["result"] == "temperror", "a server that cannot tell")
    fact("samples (pct), two records, two authors, no author, and a server that cannot tell: as RFC 7489 §6.6 has it")


if __name__ == "__main__":
    main()
