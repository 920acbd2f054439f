"""Reading a whole mailbox with one UID FETCH 1:* after SELECT.

first: right after loading, never asked before (the server may now fill its caches); files in the page cache.
cold: the server restarted and the page cache dropped; what earlier fetches have cached on disk is there.
warm: repeated on one connection; the median of several.
Units: messages/s for lists of metadata, MB/s (10^6 bytes received) for whole messages.
"""

import host
from client import Refused, Span
from stage import Row

NAME, NEEDS = "fetch", "mail"
HEADERS = (
    "(UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS "
    "(Date From To Cc Subject Message-ID References In-Reply-To Content-Type)])"
)
LISTS = {
    "headers": ("first-sync headers", HEADERS),
    "flags": ("FLAGS", "(UID FLAGS)"),
    "envelope": ("ENVELOPE+BODYSTRUCTURE", "(UID ENVELOPE BODYSTRUCTURE)"),
}
FULL = {"full": ("full fetch", False), "fulltls": ("full fetch, TLS", True)}
ROWS = [
    Row(f"{key}-{state}", f"{title}, {state}", "messages/s", "higher")
    for key, (title, _) in LISTS.items()
    for state in ("first", "cold", "warm")
]
ROWS += [
    Row(f"{key}-{state}", f"{title}, {state}", "MB/s", "higher")
    for key, (title, _) in FULL.items()
    for state in ("cold", "warm")
]
ROWS += [Row("select-cold", "SELECT, cold", "ms", "lower")]
ROWS += [
    Row("real-headers-warm", "real mail: first-sync headers, warm", "messages/s", "higher"),
    Row("real-envelope-warm", "real mail: ENVELOPE+BODYSTRUCTURE, warm", "messages/s", "higher"),
    Row("real-full-warm", "real mail: full fetch, warm", "MB/s", "higher"),
]


def run(stage):
    mail = stage.synthetic
    for key, (_, items) in LISTS.items():
        with stage.peer.connect() as client:
            client.command(f"SELECT {mail.name}")
            fetch(stage, client, f"{key}-first", items, mail)
    for key, (_, items) in LISTS.items():
        with cold(stage, mail, False) as client:
            fetch(stage, client, f"{key}-cold", items, mail)
            for _ in range(stage.options.repeats):
                fetch(stage, client, f"{key}-warm", items, mail)
    for key, (_, tls) in FULL.items():
        with cold(stage, mail, tls) as client:
            fetch(stage, client, f"{key}-cold", "BODY.PEEK[]", mail)
            for _ in range(stage.options.repeats):
                fetch(stage, client, f"{key}-warm", "BODY.PEEK[]", mail)
    if stage.real:
        with stage.peer.connect() as client:
            client.command(f"SELECT {stage.real.name}")
            for key, items in (("headers", HEADERS), ("envelope", LISTS["envelope"][1]), ("full", "BODY.PEEK[]")):
                client.drain(f"UID FETCH 1:* {items}")
                for _ in range(stage.options.repeats):
                    fetch(stage, client, f"real-{key}-warm", items, stage.real)


def fetch(stage, client, key, items, mail):
    """One measured fetch. The shortest credible reply is known, so that an empty one does not win."""
    with Span() as span:
        size = client.drain(f"UID FETCH 1:* {items}")
    least = mail.size if items == "BODY.PEEK[]" else len(mail.messages) * len("* 1 FETCH (UID 1 FLAGS ())\r\n")
    if size < least:
        raise Refused(f"{key}: {size} bytes received, at least {least} expected")
    stage.record(key, (size / 1e6 if items == "BODY.PEEK[]" else len(mail.messages)) / span.seconds, span.cpu)
    stage.sizes.setdefault(key, size)


def cold(stage, mail, tls):
    """A connection with the mailbox selected, to a server that starts with nothing in memory."""
    stage.peer.stop()
    stage.cold = host.drop_cache(stage.peer.data)
    stage.record("start-cold", stage.peer.start())
    client = stage.peer.connect(tls)
    with Span() as span:
        client.command(f"SELECT {mail.name}")
    stage.record("select-cold", span.ms, span.cpu)
    return client
