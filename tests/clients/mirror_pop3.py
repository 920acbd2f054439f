"""POP3 collection from Dovecot, which keeps its mail: each comes once, however often connection and server break.

    mirror_pop3.py [MESSAGES [BREAKS]]
"""

import random
import re
import sys
import time

import dovecot
from corpus import made
from dovecot import Dovecot
from house import USER, Server, expect, fact

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
BREAKS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
SEED = random.randrange(1 << 30)


def marks(client):
    found = []
    client.ok("EXAMINE INBOX")
    for line in client.ok("UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").of("FETCH"):
        found.append(re.search(rb"Collected (\d+)", line.literals[0])[1])
    return found


def count(server):
    with server.connect() as client:
        return client.status("INBOX", "MESSAGES")["MESSAGES"]


def wait_for(server, wanted):
    end = time.monotonic() + 120
    with server.connect() as client:
        while client.status("INBOX", "MESSAGES")["MESSAGES"] < wanted:
            expect(time.monotonic() < end, f"{wanted} messages do not come", server.run("mirror", "show", USER))
            time.sleep(0.05)


def main():
    print(f"    seed {SEED}", flush=True)
    dice = random.Random(SEED)
    with Dovecot() as provider, Server() as server:
        with provider.connect() as client:
            for number in range(MESSAGES):
                size = dice.choice([400, 900, 4_000, 20_000])
                client.append("INBOX", made(number, size, subject="Collected") + b".\r\n..\r\n.end\r\n")
        began = time.monotonic()
        server.run(
            *("mirror", "add", USER, "--pop3", "localhost", "--port", provider.pop3s_port, "--user", dovecot.USER),
            *("--certificate", provider.certificate, "--every", "10", "--password-stdin"),
            input=dovecot.PASSWORD + "\n",
        )
        for number in range(BREAKS):
            wanted = MESSAGES * (number + 1) // (BREAKS + 2)
            wait_for(server, wanted)
            if number % 4 == 0:
                server.kill()
                server.start()
            elif number % 4 == 1:
                server.restart()
            else:
                provider.cut()
        wait_for(server, MESSAGES)
        took = time.monotonic() - began
        shown = server.run("mirror", "run", USER)
        with server.connect() as client:
            found = marks(client)
            expect(len(found) == MESSAGES and len(set(found)) == MESSAGES, len(found), len(set(found)))
            # What came is what is there, octet for octet.
            near = sorted(literals[0] for _, literals in client.messages("INBOX", "BODY.PEEK[]").values())
        with provider.connect() as client:
            far = sorted(literals[0] for _, literals in client.messages("INBOX", "BODY.PEEK[]").values())
        expect(near == far, "contents differ")
        fact(f"{MESSAGES} messages came once each through {BREAKS} breaks in {took:.0f} s; all stay at the provider")
        fact(re.search(r"messages fetched +\d+", shown)[0])
        # Those that come later come, too, and what the owner deletes here does not come again.
        with server.connect() as client:
            client.ok("SELECT INBOX")
            client.ok("UID STORE 1:10 +FLAGS (\\Deleted)")
            client.ok("EXPUNGE")
        with provider.connect() as client:
            client.append("INBOX", made(MESSAGES, 500, subject="Collected"))
        server.run("mirror", "run", USER)
        expect(count(server) == MESSAGES - 10 + 1, count(server))
        # At once, where the owner wants that.
        server.run("mirror", "remove", USER)
        server.run(
            *("mirror", "add", USER, "--pop3", "localhost", "--port", provider.pop3_port, "--user", dovecot.USER),
            *("--starttls", "--certificate", provider.certificate, "--delete-after", "0", "--into", "Old"),
            *("--password-stdin",),
            input=dovecot.PASSWORD + "\n",
        )
        server.run("mirror", "run", USER)
        with provider.connect() as client:
            expect(client.status("INBOX", "MESSAGES")["MESSAGES"] == 0)
        with server.connect() as client:
            expect(client.status("Old", "MESSAGES")["MESSAGES"] == MESSAGES + 1)
        fact("with --delete-after 0 all are here, and none is left there")


main()
