"""SMTP smuggling: in every mix of CR, LF and dots that is not CRLF.CRLF, a second mail may hide in the first. It is never
delivered as one of its own, and what holds it is refused once it has truly ended; the connection stays in step."""

import itertools

from house import Server, USER, expect, fact
from smtp import Smtp

PARTS = (b"\r", b"\n", b"\r\n", b".", b"..")
HIDDEN = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nhidden" % USER.encode()


def ends(octets):
    """Where RFC 5321 has the message end: after CRLF.CRLF, the CRLF of DATA counted."""
    at = (b"\r\n" + octets).find(b"\r\n.\r\n")
    return None if at < 0 else at + 3


def stands_alone(message):
    """Whether a CR or an LF stands alone."""
    rest = message.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def attempt(client, mix, pipelined):
    """One message with `mix` and a hidden one after it; how many mails the server was right to take."""
    head = b"Subject: outer\r\n\r\nbody"
    octets = head + mix + HIDDEN + b"\r\n.\r\n"
    end = ends(octets)
    envelope = b"MAIL FROM:<bob@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\n" % USER.encode()
    if pipelined:
        client.send(envelope + octets)
    else:
        client.send(envelope)
    for code in ("250", "250", "354"):
        reply = client.reply()
        expect(reply.startswith(code), mix, reply)
    if not pipelined:
        client.send(octets)
    expected = "554 5.6.0" if stands_alone(octets[: end - 3]) else "250"
    reply = client.reply()
    expect(reply.startswith(expected), mix, reply, expected)
    taken = int(expected == "250")
    if end != len(octets):
        # It was CRLF.CRLF: what follows are commands, and the sender's own.
        for code in ("250", "250", "354", "250"):
            reply = client.reply()
            expect(reply.startswith(code), mix, reply)
        taken += 1
    reply = client.say("NOOP")
    expect(reply == "250 2.0.0 Done", mix, reply)
    return taken


def main():
    with Server(settings="[server]\nname = 'mx.example.org'\n") as server:
        mixes = [b"".join(parts) for count in range(1, 6) for parts in itertools.product(PARTS, repeat=count)]
        # What ends the mail and goes on is the sender's own nonsense, and no smuggling.
        mixes = sorted(mix for mix in set(mixes) if b"\r\n.\r\n" not in mix[:-1])
        taken, own = 0, 2 * sum(mix.endswith(b"\r\n.\r\n") for mix in mixes)
        for where, pipelined in ((server.smtp_port, True), (server.lmtp_port, False)):
            for some in (mixes[at : at + 90] for at in range(0, len(mixes), 90)):  # a hundred refusals are the last
                with Smtp(where) as client:
                    client.say("LHLO x" if client.is_lmtp else "EHLO x")
                    for mix in some:
                        taken += attempt(client, mix, pipelined)
                    expect(client.say("QUIT").startswith("221"))
        with server.connect() as imap:
            expect(imap.status("INBOX")["MESSAGES"] == taken, taken)
            imap.ok("SELECT INBOX")
            [found] = imap.ok("SEARCH SUBJECT smuggled").of("SEARCH")
            expect(len(found.text.split()) - 2 == own, own, found)
        fact(f"{len(mixes)} mixes of CR, LF and dots, by SMTP in one write and by LMTP: each refused or taken as one mail")
        fact(f"{taken} mails there, no more than were sent in good form")
        server.peak_is_bounded("while smuggling was tried")


if __name__ == "__main__":
    main()
