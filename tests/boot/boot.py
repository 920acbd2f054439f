"""From a card that was just written to mail that is served, on two boards: time, memory, 100 real mails, and again.

    boot.py [BOARD...]
"""

import sys
from itertools import islice

from machine import CARD, PASSWORD, RASPI3B, USER, VIRT, Machine, card, scratch, together
from corpus import some_mail
from house import expect, fact

MAILS = 100
LOG_INS = 50
MEMORY = 48 << 10  # KiB that PID 1 and the server may have at rest


def main():
    named = sys.argv[1:] or ["virt", "raspi3b"]
    boards = {board.name: board for board in (VIRT, RASPI3B)}
    together(*(lambda board=boards[name]: whole(board) for name in named))


def whole(board):
    """All that a board must show."""

    def told(text):
        fact(f"{board.name}: {text}")

    mails = list(islice(some_mail(), MAILS))
    with scratch() as folder:
        disk = card(board, folder, hostname="letters")
        with Machine(board, disk) as machine:
            told(f"{machine.owned():.1f} s from power to greeting, with a new card")
            rest = machine.status().memory
            told(f"{shown(rest)} at rest, before anybody logged in")
            expect(sum(rest.values()) <= MEMORY, rest)
            pop3_greets(machine)
            with machine.imap() as client:
                for octets in mails:
                    client.append("INBOX", octets)
            both_read(machine, mails)
            for _ in range(LOG_INS):
                with machine.imap() as client:
                    client.ok("LOGOUT")
            busy = machine.status().memory
            told(f"{shown(busy)} after {LOG_INS} log-ins and {MAILS} mails read twice")
            # What was needed for a moment is given back.
            expect(sum(busy.values()) <= MEMORY, busy)
            told(f"{machine.reboot():.1f} s from `reboot` to greeting")
            both_read(machine, mails)
            expect(machine.reboots() == 1, machine.reboots())
            told(f"{MAILS} mails read by IMAP and POP3, octet for octet, before and after it")
            by_name(machine, "letters")
            nobody_else(machine)
            machine.power_off()
        grown = disk.data.length >> 20
        expect(grown > CARD * 0.6, "the data partition did not grow", grown)
        told(f"the data partition grew to {grown} MiB; it was turned off in good order")


def shown(memory):
    """Kibibytes by process, as a sentence."""
    parts = ", ".join(f"{name} {kib / 1024:.1f}" for name, kib in memory.items())
    return f"{sum(memory.values()) / 1024:.1f} MiB of memory ({parts})"


def pop3_greets(machine):
    with machine.pop3(user=None) as client:
        client.ok("QUIT")


def nobody_else(machine):
    """Another password is not right, nor is another name."""
    for user, password in ((USER, PASSWORD + "!"), ("pi", PASSWORD)):
        with machine.imap(user=None) as client:
            answer = client.command(f'LOGIN {user} "{password}"')
            expect(answer.status == "NO", user, answer)


def both_read(machine, mails):
    """What is in the mailbox is what was appended."""
    with machine.imap() as client:
        found = client.messages("INBOX", "BODY.PEEK[]")
        expect([body for _, (_, [body]) in sorted(found.items())] == mails, len(found))
    with machine.pop3() as client:
        found = client.all()
        expect([body for _, body in sorted(found.items())] == [ended(octets) for octets in mails], len(found))
        client.quit()


def ended(octets):
    """POP3 ends the last line of every message."""
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def by_name(machine, name):
    """The certificate is for the name that the preseed gave."""
    with machine.imap(tls=machine.trust(f"{name}.local")) as client:
        client.ok("NOOP")


main()
