"""Twenty and more forms of asking for mail to be sent on to others, by every door and without a log-in: none is granted, nothing is
queued, and nobody gets anything."""

from base64 import b64encode

from house import PASSWORD, USER, Server, expect, fact
from smtp import Smtp

OUTSIDE = "victim@example.net"
OURS = "example.org"
# As RCPT TO has it.
FORMS = [
    f"<{OUTSIDE}>",
    OUTSIDE,
    f"<{OUTSIDE}.>",
    f"<victim%example.net@{OURS}>",
    f"<victim%example.net@[127.0.0.1]>",
    "<victim%example.net>",
    f'<"{OUTSIDE}">',
    f'<"{OUTSIDE}"@{OURS}>',
    f'<"victim%example.net"@{OURS}>',
    f"<@{OURS}:{OUTSIDE}>",
    f"<@mx.{OURS},@{OURS}:{OUTSIDE}>",
    f"<{OUTSIDE}@{OURS}>",
    f"<{OUTSIDE}@mx.{OURS}>",
    f"<{OUTSIDE}@[127.0.0.1]>",
    f"<example.net!victim>",
    f"<example.net!victim@{OURS}>",
    f"<victim@{OURS}@example.net>",
    f"<victim@[192.0.2.1]>",
    f"<victim@[IPv6:2001:db8::1]>",
    f"<victim@EXAMPLE.net> NOTIFY=SUCCESS ORCPT=rfc822;ann@{OURS}",
    "<victim@localhost>",
    f"<ann@{OURS}\x00.example.net>",
]
SENDERS = ["", USER, OUTSIDE, f"postmaster@{OURS}", f"root@mx.{OURS}", "spam@[127.0.0.1]"]


def attempt(client, sender, form):
    """Asks, and goes on as if it had been granted."""
    expect(client.say(f"MAIL FROM:<{sender}>").startswith("250"), sender)
    reply = client.say(f"RCPT TO:{form}")
    expect(reply[0] == "5", sender, form, reply)
    reply = client.say("DATA")
    expect(reply[0] == "5", sender, form, reply)
    expect(client.say("RSET").startswith("250"))


def main():
    with Server(settings=f"[server]\nname = 'mx.{OURS}'\n") as server:
        tried = 0
        for port, tls in ((server.smtp_port, False), (server.smtp_port, True), (server.lmtp_port, False)):
            for sender in SENDERS:
                with Smtp(port) as client:
                    hello = "LHLO" if client.is_lmtp else "EHLO"
                    client.say(f"{hello} {OURS}")
                    if tls:
                        expect(client.say("STARTTLS").startswith("220"))
                        client.socket = server.trust().wrap_socket(client.socket, server_hostname="localhost")
                        client.say(f"{hello} {OURS}")
                    for form in FORMS:
                        attempt(client, sender, form)
                        tried += 1
        # Where mail programs log in, nothing is heard before they have.
        for port, context in ((server.submission_port, None), (server.submissions_port, server.trust())):
            for sender in SENDERS:
                with Smtp(port, context) as client:
                    client.say("EHLO x")
                    expect(client.say(f"MAIL FROM:<{sender}>").startswith("530 5.7.0"))
                    expect(client.say(f"RCPT TO:<{OUTSIDE}>")[0] == "5")
                    tried += 1
        # A password of someone here buys no other name.
        with Smtp(server.submissions_port, server.trust()) as client:
            client.say("EHLO x")
            client.say("AUTH LOGIN")
            expect(client.say(base64(USER)).startswith("334"))
            expect(client.say(base64(PASSWORD)).startswith("235"))
            for sender in (OUTSIDE, f"other@{OURS}", f"root@mx.{OURS}"):
                expect(client.say(f"MAIL FROM:<{sender}>").startswith("553 5.7.1"), sender)
        with server.connect() as imap:
            expect(imap.status("INBOX")["MESSAGES"] == 0)
        fact(f"{len(FORMS)} forms of an address, {len(SENDERS)} senders, every door: {tried} attempts, nothing relayed")


def base64(text):
    return b64encode(text.encode()).decode()


if __name__ == "__main__":
    main()
