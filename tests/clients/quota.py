"""An account at its quota: what would make more of it is refused and nothing is stored; all else works."""

import mailbox as boxes
import re

from corpus import made
from house import USER, Server, expect, fact

KIB = 1024
# What the box itself has to say of it counts, too: rules.py looks at that.
SILENT = "[delivery]\nquota-warnings = false\n"


def main():
    with Server(settings=SILENT) as server:
        by_bytes(server)
    with Server(settings=SILENT) as server:
        by_messages(server)
    with Server(settings=SILENT) as server:
        imported(server)


def refused(answer):
    expect(answer.status == "NO" and answer.text.startswith("[OVERQUOTA]"), answer)


def told(client):
    """What GETQUOTAROOT says: {resource: (usage, limit)}."""
    answer = client.ok("GETQUOTAROOT INBOX")
    expect(answer.of("QUOTAROOT")[0].text.endswith(USER.encode()), answer)
    found = re.findall(rb"(STORAGE|MESSAGE) (\d+) (\d+)", answer.of("QUOTA")[0].text)
    return {name.decode(): (int(usage), int(limit)) for name, usage, limit in found}


def by_bytes(server):
    message = made(1, size=10 * KIB)
    size = len(message)
    with server.connect(tls=True) as client, server.connect() as other:
        expect(told(client) == {})
        # A limit that is set while sessions are open holds in them.
        server.run("account", "quota", USER, 10 * size)
        for uid in range(1, 10):
            expect(client.append("INBOX", message, sync=uid % 2 == 0) == uid)
        client.ok("SELECT INBOX")
        other.ok("SELECT INBOX")
        client.ok("STORE 9 +FLAGS (\\Flagged)")
        expect(client.append("INBOX", message) == 10)
        expect(told(client) == {"STORAGE": (-(-10 * size // KIB), -(-10 * size // KIB))}, told(client))
        before = state(server, client)

        refused(client.command("APPEND INBOX ", made(11)))
        # Who waits to be asked for the message is not asked.
        client.send(b"w APPEND INBOX {100}\r\n")
        expect(client.line().text.startswith(b"w NO [OVERQUOTA]"))
        refused(other.command("COPY 1 Archive"))
        refused(other.command("UID COPY 1:10 Archive"))
        # Pipelined, with what follows: each has its own answer.
        tags = [client.begin("APPEND INBOX ", made(12)), client.begin("COPY 1 Sent"), client.begin("NOOP")]
        refused(client.end(tags[0]))
        refused(client.end(tags[1]))
        expect(client.end(tags[2]).status == "OK")
        expect(state(server, client) == before, "something was stored")

        # What makes no more of it.
        other.ok("STORE 1:3 +FLAGS (\\Seen $Work)")
        other.ok("MOVE 1 Archive")
        other.ok("UID MOVE 2 Trash")
        other.ok("CREATE Work")
        other.ok("RENAME Work Play")
        refused(client.command("APPEND INBOX ", made(13)))
        client.ok("NOOP")

        # Room that one session makes is room in another, at once.
        other.ok("STORE 1 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        client.append("INBOX", message)
        refused(client.command("APPEND INBOX ", made(13)))
        # The mail in the trash still counts, until it is gone.
        other.ok("DELETE Trash")
        client.append("INBOX", message)
        refused(client.command("APPEND INBOX ", made(14)))

        # More is given, and less, while sessions are open. Less than is there: nothing is taken away.
        server.run("account", "quota", USER, "1M")
        client.ok("NOOP")
        client.ok("UID COPY 3:5 Archive")
        client.append("INBOX", message)
        expect(told(client)["STORAGE"][1] == KIB)
        server.run("account", "quota", USER, size)
        count = server.status()["messages"]
        refused(client.command("APPEND INBOX ", made(15)))
        other.ok("NOOP")
        refused(other.command("COPY 1 Archive"))
        other.ok("MOVE 1 Archive")
        other.ok("STORE 1:* +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        expect(server.status()["messages"] < count)
        server.run("account", "quota", USER, "none")
        expect(told(client) == {})
        client.append("INBOX", message)
        expect("all is well" in server.run("check"))
    fact("by octets: refused at the limit to the octet; room freed is room at once, in both sessions")


def state(server, client):
    """Everything that could have changed, and the counters beside it."""
    mailboxes = {name: client.status(name, "MESSAGES UIDNEXT SIZE") for name in ("INBOX", "Archive", "Sent")}
    return mailboxes, server.status()["messages"], server.status()["bytes"], told(client)


def by_messages(server):
    server.run("account", "quota", USER, "1G", "--messages", 5)
    with server.connect(tls=True) as client, server.connect() as other:
        for number in range(5):
            client.append("INBOX", made(number))
        client.ok("SELECT INBOX")
        other.ok("SELECT INBOX")
        expect(told(client) == {"STORAGE": (1, 1 << 20), "MESSAGE": (5, 5)}, told(client))
        refused(client.command("APPEND INBOX ", made(9)))
        refused(client.command("COPY 1 Archive"))
        client.ok("MOVE 1 Archive")
        expect(told(client)["MESSAGE"] == (5, 5))
        client.ok("STORE 1:2 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        other.ok("NOOP")
        # All of a COPY or nothing: there is room for two more.
        client.append("INBOX", made(6))
        other.ok("NOOP")
        refused(other.command("COPY 1:3 Sent"))
        expect(other.status("Sent")["MESSAGES"] == 0)
        other.ok("COPY 2 Sent")
        refused(client.command("APPEND INBOX ", made(9)))
        server.run("account", "quota", USER, "none", "--messages", "none")
        client.append("INBOX", made(9))
        # Two accounts do not share a quota.
        server.run("account", "add", "bob@example.org", "--password-stdin", "--messages", "1", input="another one\n")
        with server.connect(user="bob@example.org", password="another one") as bob:
            bob.append("INBOX", made(1))
            refused(bob.command("APPEND INBOX ", made(2)))
            expect(bob.command(f"GETQUOTA {USER}").status == "NO")
            expect(bob.command("SETQUOTA bob@example.org (MESSAGE 100)").status == "NO")
        client.append("INBOX", made(10))
        expect("all is well" in server.run("check"))
    fact("by messages: the same, and nobody's quota is another's")


def imported(server):
    """An import stops where there is no more room, and says so."""
    file = server.folder / "box"
    box = boxes.mbox(file)
    for number in range(20):
        box.add(made(number, size=5 * KIB).replace(b"\r\n", b"\n"))
    box.close()
    size = len(made(0, size=5 * KIB))
    for running in (True, False):
        address = f"import-{running}@example.org".lower()
        server.run("account", "add", address, "--password-stdin", "--quota", 8 * size + size // 2, input="a password\n")
        if not running:
            server.stop()
        complaint = server.run("import", address, file, fails=True)
        expect("quota" in complaint.lower(), complaint)
        if not running:
            server.start()
        with server.connect(user=address, password="a password") as client:
            count = client.status("INBOX")["MESSAGES"]
            expect(count == 8, count)
        server.run("account", "quota", address, "none")
        server.run("import", address, file, "--mailbox", "All")
        with server.connect(user=address, password="a password") as client:
            expect(client.status("All")["MESSAGES"] == 20)
    expect("all is well" in server.run("check"))
    fact("an import takes what there is room for, and says why it stops")


main()
