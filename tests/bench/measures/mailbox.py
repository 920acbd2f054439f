"""Looking at mailboxes: SELECT and STATUS of the large one, LIST-STATUS of 200 small ones; ms each, warm.

SELECT alternates between the large mailbox and INBOX, so that each one opens it anew. STATUS is asked
while INBOX is selected.
"""

from client import Refused, Span
from stage import Row

NAME, NEEDS = "mailbox", "mail boxes"
ROWS = [
    Row("select", "SELECT, warm", "ms", "lower"),
    Row("status", "STATUS", "ms", "lower"),
    Row("liststatus", "LIST-STATUS of 200 mailboxes", "ms", "lower"),
]
LIST_STATUS = 'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))'


def run(stage):
    with stage.peer.connect() as client:
        for _ in range(stage.options.repeats * 4):
            timed(stage, client, "select", "SELECT Synthetic")
            client.command("SELECT INBOX")
        for _ in range(stage.options.repeats * 4):
            timed(stage, client, "status", "STATUS Synthetic (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
        for _ in range(stage.options.repeats):
            heard = timed(stage, client, "liststatus", LIST_STATUS)
            if heard.count(b"* STATUS ") < stage.options.boxes:
                raise Refused(f"LIST-STATUS: {heard.count(b'* STATUS ')} replies")


def timed(stage, client, key, command):
    """One measured command."""
    with Span() as span:
        heard = client.command(command)
    stage.record(key, span.ms, span.cpu)
    return heard
