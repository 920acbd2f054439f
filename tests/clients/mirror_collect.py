"""Collecting by IMAP, one way; and what is told of a provider that cannot be used, and of a quota that is full."""

import re
import subprocess

import dovecot
from corpus import made
from dovecot import Dovecot
from house import PASSWORD, USER, Server, binary, expect, fact
from mirror_tools import add, numbers, renumber, until_rest

MESSAGES = 40


def count(client, mailbox):
    return client.status(mailbox, "MESSAGES")["MESSAGES"]


def main():
    with Dovecot() as provider, Server() as server:
        with provider.connect() as far:
            for number in range(MESSAGES):
                far.append("INBOX", made(number, 3_000), flags="\\Seen" if number % 2 else "")
        add(server, provider, "--collect", "--into", "Provider/Old")
        shown = until_rest(server)
        near, far = server.connect(), provider.connect()
        expect(numbers(shown)[0] == MESSAGES and count(near, "Provider/Old") == MESSAGES, shown)
        expect(near.status("Provider/Old", "UNSEEN")["UNSEEN"] == MESSAGES // 2)
        expect(count(far, "INBOX") == MESSAGES and "Provider" not in " ".join(far.mailboxes()))
        # What is deleted here stays there, and does not come again; not even with other UIDs.
        near.ok("SELECT Provider/Old")
        near.ok("STORE 1:5 +FLAGS (\\Deleted)")
        near.ok("EXPUNGE")
        far.close()
        renumber(provider, "INBOX")
        with provider.connect() as far:
            far.append("INBOX", made(MESSAGES, 3_000))
        until_rest(server)
        expect(count(near, "Provider/Old") == MESSAGES - 5 + 1, count(near, "Provider/Old"))
        fact(f"{MESSAGES} messages came once, also when the folder was renumbered; what was deleted here does not come again")

        # A quota that is full stops it, and is told; with more room it goes on.
        server.run("account", "quota", USER, "none", "--messages", str(MESSAGES - 5 + 1 + 2))
        with provider.connect() as far:
            for number in range(6):
                far.append("INBOX", made(1_000 + number, 3_000))
        shown = server.run("mirror", "run", USER)
        expect("quota" in shown and "held back" in shown and "last success      never" not in shown, shown)
        # The warnings that the quota is full take room, too.
        expect(0 <= count(near, "Provider/Old") - (MESSAGES - 5 + 1) <= 2, count(near, "Provider/Old"))
        server.run("account", "quota", USER, "none", "--messages", "none")
        shown = until_rest(server)
        expect("held" not in shown and count(near, "Provider/Old") == MESSAGES - 5 + 1 + 6, shown)
        fact("a full quota stops it and is told; with more room the rest comes")

        # A provider that is not there, that has another password, another certificate: told, and the success before stays.
        provider.stop()
        shown = show_failed(server)
        expect("failed" in shown and re.search(r"last success +\d+ ", shown), shown)
        users = (provider.folder / "users").read_text()
        (provider.folder / "users").write_text(users.replace(dovecot.PASSWORD, "another"))
        provider.start()
        shown = show_failed(server)
        expect("did not take user and password" in shown, shown)
        (provider.folder / "users").write_text(users)
        until_rest(server)
        server.run("mirror", "remove", USER)
        expect("no mailbox at a provider" in server.run("mirror", "show", USER, fails=True))
        add(server, provider, "--collect", "--no-check", certificate="00" * 32)
        shown = show_failed(server)
        expect("certificate" in shown and "never" in shown, shown)
        server.run("mirror", "remove", "2")
        fact("no connection, a wrong password and a wrong certificate are told, and when it last went well")

        # Deleted there once it is here.
        before = count(near, "INBOX")
        add(server, provider, "--collect", "--delete-after", "0")
        until_rest(server)
        with provider.connect() as far:
            expect(count(far, "INBOX") == 0, count(far, "INBOX"))
        expect(count(near, "INBOX") == before + MESSAGES + 7, before, count(near, "INBOX"))
        near.close()
        fact("with --delete-after 0 all are here, and none is left there")
        for secret in (dovecot.PASSWORD, PASSWORD):
            expect(secret not in server.log(), "a password is in the log")


def show_failed(server):
    """A look that fails; what is told of it."""
    done = subprocess.run(
        [binary(), "mirror", "run", USER, "--data", server.data], capture_output=True, text=True, timeout=60, check=False
    )
    expect(done.returncode == 1, done.stdout, done.stderr)
    return done.stdout


main()
