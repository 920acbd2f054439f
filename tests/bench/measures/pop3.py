"""POP3: the synthetic mail in the INBOX of an account, all of it retrieved; beside it the same INBOX by IMAP.

RETR is pipelined, with more under way than the buffers of a connection hold; one at a time: each is sent when the one
before it was heard. cold: the server restarted and the page cache dropped; warm: repeated in new sessions, POP3 and
IMAP in turn. MB/s are 10^6 bytes of mail per second, not of what is around it. Log-in to STAT begins at USER on an open
connection; the hash is argon2id at every peer, and remembered when warm.
"""

import host
from client import Refused, Span
from stage import Row

NAME, NEEDS = "pop3", "drop"
WINDOW = 1000
KINDS = {"plain": ("", False), "tls": (", TLS", True)}
STATES = ("cold", "warm")
ROWS = [Row(f"pop3-login-{state}", f"POP3 log-in to STAT, 10,000 messages, {state}", "ms", "lower") for state in STATES]
ROWS += [Row("pop3-lists", "UIDL and LIST", "ms", "lower")]
ROWS += [
    row
    for kind, (title, _) in KINDS.items()
    for state in STATES
    for row in (
        Row(f"pop3-{kind}-{state}", f"RETR of all{title}, {state}", "MB/s", "higher", ahead=1),
        Row(f"pop3-{kind}-{state}-count", f"RETR of all{title}, {state}", "messages/s", "higher"),
        Row(f"pop3-{kind}-{state}-imap", f"  UID FETCH of the same{title}, {state}", "MB/s", "higher"),
        Row(f"pop3-{kind}-{state}-share", f"  RETR by UID FETCH{title}, {state}", "times", "", least=0.9),
    )
]
ROWS += [Row(f"pop3-{kind}-single", f"RETR one at a time{title}, warm", "MB/s", "higher") for kind, (title, _) in KINDS.items()]


def run(stage):
    with stage.peer.pop3() as client:
        client.login(*stage.peer.drop())
        stage.sizes["pop3"] = client.retrieve(stage.count, WINDOW)
        client.command("QUIT")
    for kind, (_, tls) in KINDS.items():
        cold(stage)
        imap(stage, f"pop3-{kind}-cold-imap", tls)
        cold(stage)
        pop3(stage, f"pop3-{kind}-cold", tls, login="pop3-login-cold")
        for _ in range(stage.options.repeats):
            pop3(stage, f"pop3-{kind}-warm", tls, login="pop3-login-warm")
            imap(stage, f"pop3-{kind}-warm-imap", tls)
        pop3(stage, f"pop3-{kind}-single", tls, window=1)
        for state in STATES:
            key = f"pop3-{kind}-{state}"
            for (ours, _), (beside, _) in zip(stage.values[key], stage.values[f"{key}-imap"]):
                stage.record(f"{key}-share", ours / beside)


def pop3(stage, key, tls, login=None, window=WINDOW):
    """One session that retrieves everything."""
    with stage.peer.pop3(tls) as client:
        with Span() as span:
            count = client.login(*stage.peer.drop())
        if count != stage.count:
            raise Refused(f"{count} messages are there, and {stage.count} should be")
        if login:
            stage.record(login, span.ms, span.cpu)
        if login == "pop3-login-warm":
            lists(stage, client)
        with Span() as span:
            received = client.retrieve(count, window, stage.sizes["pop3"] if window > 1 else None)
        if received < stage.synthetic.size:
            raise Refused(f"{key}: {received} bytes received, at least {stage.synthetic.size} expected")
        stage.record(key, stage.synthetic.size / 1e6 / span.seconds, span.cpu)
        if window > 1:
            stage.record(f"{key}-count", count / span.seconds, span.cpu)
        client.command("QUIT")


def lists(stage, client):
    """What a client asks first that leaves mail on the server."""
    with Span() as span:
        found = len(client.listing("UIDL")), len(client.listing("LIST"))
    if found != (stage.count, stage.count):
        raise Refused(f"UIDL and LIST: {found} lines")
    stage.record("pop3-lists", span.ms, span.cpu)


def imap(stage, key, tls):
    """The same mail by one UID FETCH."""
    with stage.peer.connect(tls, login=False) as client:
        client.login(*stage.peer.drop())
        client.command("SELECT INBOX")
        with Span() as span:
            received = client.drain("UID FETCH 1:* BODY.PEEK[]")
        if received < stage.synthetic.size:
            raise Refused(f"{key}: {received} bytes received, at least {stage.synthetic.size} expected")
        stage.record(key, stage.synthetic.size / 1e6 / span.seconds, span.cpu)


def cold(stage):
    """A server that starts with nothing in memory."""
    stage.peer.stop()
    stage.cold = host.drop_cache(stage.peer.data)
    stage.peer.start()
