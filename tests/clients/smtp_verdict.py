"""What is thought of a sender has its consequence at the MX: refused, put into Junk, asked to come again, or told in the header;
what claims to be our own opinion is left out. Names are answered by a server of the check's own."""

from corpus import made
from house import USER, Server, expect, fact
from smtp import Smtp
from zone import FAILS, Zone

NAME = "mx.example.org"
RECORDS = [
    ("good.example", "TXT", "v=spf1 ip4:127.0.0.1 -all"),
    ("_dmarc.good.example", "TXT", "v=DMARC1; p=reject"),
    ("bad.example", "TXT", "v=spf1 -all"),
    ("_dmarc.bad.example", "TXT", "v=DMARC1; p=reject"),
    ("junk.example", "TXT", "v=spf1 -all"),
    ("_dmarc.junk.example", "TXT", "v=DMARC1; p=quarantine"),
    ("slow.example", FAILS, None),
    ("_dmarc.slow.example", "TXT", "v=DMARC1; p=reject"),
]


def mail(number, domain):
    claim = f"Authentication-Results: {NAME}; dkim=pass header.d={domain}\r\n".encode()
    return claim + made(number).replace(b"bob@example.org", f"bob@{domain}".encode())


def main():
    with Zone(RECORDS) as zone:
        settings = f"[server]\nname = '{NAME}'\n[dns]\nservers = ['127.0.0.1:{zone.port}']\n[smtp]\ntrusted = []\n"
        with Server(settings=settings) as server:
            heard = {}
            with Smtp(server.smtp_port) as client:
                client.say("EHLO client.example.net")
                for number, domain in enumerate(("good.example", "bad.example", "junk.example", "slow.example")):
                    heard[domain] = client.deliver(f"bob@{domain}", [USER], mail(number, domain))[-1][0]
            with Smtp(server.lmtp_port) as client:
                client.say("LHLO relay.example.net")
                heard["lmtp"] = client.deliver("bob@bad.example", [USER], mail(9, "bad.example"))[-1][0]
            for domain, said in heard.items():
                fact(f"{domain}: {said}")
            expected = {"good.example": "250", "bad.example": "550 5.7.1", "junk.example": "250", "lmtp": "250"}
            expected["slow.example"] = "451 4.7.0"
            for domain, code in expected.items():
                expect(heard[domain].startswith(code), domain, heard[domain])
            with server.connect() as imap:
                expect((imap.status("INBOX")["MESSAGES"], imap.status("Junk")["MESSAGES"]) == (2, 1))
                imap.ok("EXAMINE INBOX")
                lines = imap.ok("FETCH 1:2 BODY.PEEK[HEADER]").of("FETCH")
                good, local = (line.literals[0] for line in lines)
            results = f"Authentication-Results: {NAME}".encode()
            expect(good.count(results) == 1 and b"dkim=pass" not in good, good)
            expect(b"spf=pass" in good and b"dmarc=pass" in good, good)
            # Who brings mail by LMTP has checked it: that opinion stays, whosever name it bears.
            expect(local.count(results) == 1 and b"dkim=pass" in local, local)
            fact("the header tells of it once, and not what the mail claimed")


if __name__ == "__main__":
    main()
