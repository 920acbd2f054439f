"""SEARCH in the synthetic mailbox: a word in few subjects, a word in few texts, UNSEEN; ms.

The number of hits is checked. Text is hidden in plain, quoted-printable and base64 parts alike.
"""

import mail
from client import Refused, Span
from stage import Row

NAME, NEEDS = "search", "mail"
ROWS = [
    Row("search-subject", "SEARCH SUBJECT word", "ms", "lower"),
    Row("search-text", "SEARCH TEXT word", "ms", "lower"),
    Row("search-unseen", "SEARCH UNSEEN", "ms", "lower"),
]


def run(stage):
    searches = (
        ("search-subject", f"SUBJECT {mail.RARE_SUBJECT}", stage.synthetic.subject_hits),
        ("search-text", f"TEXT {mail.RARE_TEXT}", stage.synthetic.text_hits),
        ("search-unseen", "UNSEEN", stage.synthetic.unseen),
    )
    with stage.peer.connect() as client:
        client.command("SELECT Synthetic")
        for key, keys, hits in searches:
            for _ in range(stage.options.repeats):
                with Span() as span:
                    heard = client.command(f"UID SEARCH {keys}")
                found = len(next(line for line in heard.split(b"\r\n") if line.startswith(b"* SEARCH")).split()) - 2
                if found != hits:
                    raise Refused(f"UID SEARCH {keys}: {found} found, {hits} expected")
                stage.record(key, span.ms, span.cpu)
