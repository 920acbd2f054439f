"""Disks that are full, missing, damaged, failing, or pulled out: said clearly, nothing formatted, mail served.

    faults.py [pulled|missing|full|damaged|noted...]
"""

import base64
import os
import random
import re
import sys
import time
from itertools import islice
from pathlib import Path

from machine import PROMPT, START_SECONDS, VIRT, Machine, card, scratch, together
from corpus import made, some_mail
from disk import pinned
from house import expect, fact
from imap import Closed

MAILS = 20
WATCHED = 150  # seconds that a machine with a fault is watched: it must not start itself again and again
PULLED = 240  # seconds until a disk that is gone was noticed
LARGE = 4 << 20
SMALL = 256  # MiB: a card on which the data partition grows by little


def main():
    works = {"pulled": pulled, "missing": missing, "full": full, "damaged": damaged, "noted": noted}
    # Most of the time they are only looked at.
    together(*(works[name] for name in sys.argv[1:] or works), at_once=3)


def used(folder):
    """A card with mail on it; returns the mail, too."""
    disk = card(VIRT, folder)
    mails = list(islice(some_mail(), MAILS))
    with Machine(VIRT, disk) as machine:
        machine.owned()
        with machine.imap() as client:
            for octets in mails:
                client.append("INBOX", octets)
        machine.power_off()
    return disk, mails


def full():
    """A disk that fills up: writing is refused, reading goes on, also after a new start; room that is made is used."""
    with scratch() as folder:
        disk = card(VIRT, folder, mebibytes=SMALL)
        mails = list(islice(some_mail(), MAILS))
        with Machine(VIRT, disk) as machine:
            machine.owned()
            with machine.imap() as client:
                for octets in mails:
                    client.append("INBOX", octets)
                client.command("CREATE Large")
                taken, answer = fill(client)
            fact(f"full after {taken} mails of 4, 1 and 0.25 MiB: {answer.status} {answer.text}")
            expect(answer.status == "NO", answer)
            said = says(machine, r"is full")
            read(machine, mails)
            machine.reboot()
            read(machine, mails)
            says(machine, r"is full")
            with machine.imap() as client:
                client.ok("SELECT Large")
                client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
                client.ok("EXPUNGE")
                until_accepted(client)
            read(machine, mails)
            expect(machine.reboots() == 1)
            machine.power_off()
        fact(f"full: {said!r}; mail can be read, before and after a new start, and appended once some was removed")


def dense(number, size=LARGE):
    """A message of about a size that cannot be packed."""
    noise = random.Random(number).randbytes(size * 3 // 4)
    return made(number) + base64.encodebytes(noise).replace(b"\n", b"\r\n")


def fill(client):
    """Takes in mail until not even a small one fits; returns how many, and what the last was told."""
    taken = 0
    for size in (LARGE, LARGE >> 2, LARGE >> 4):
        while (answer := client.command("APPEND Large ", dense(taken, size))).status == "OK":
            taken += 1
            expect(taken < 200, "the disk does not fill up")
    return taken, answer


def until_accepted(client):
    """What was removed is room again, in some seconds."""
    end = time.monotonic() + 60
    while (answer := client.command("APPEND Large ", dense(1000))).status != "OK":
        expect(time.monotonic() < end, "no room again", answer)
        time.sleep(1)


def missing():
    """No data partition at all."""
    with scratch() as folder:
        disk = card(VIRT, folder)
        data = disk.data
        before = disk.head()
        disk.write(data.entry, bytes(16))
        with Machine(VIRT, disk) as machine:
            said = stays(machine, r"no partition")
            machine.power_off()
        expect(disk.partitions()[-1] != data and len(disk.partitions()) == 1, "a partition was made")
        expect(disk.head(data) == before, "where the data was, something was written")
        fact(f"no data partition: {said!r}; nothing was written where it was")


def damaged():
    """The superblock is rubbish."""
    with scratch() as folder:
        disk, mails = used(folder)
        disk.write(disk.data.start + 1024, os.urandom(1024))
        said, answer = read_only(disk, mails, r"superblock")
        fact(f"superblock damaged: {said!r}; mail is read by a copy of it; APPEND: {answer}")


def noted():
    """The file system noted an error."""
    with scratch() as folder:
        disk, mails = used(folder)
        part = disk.extract(disk.data, Path(folder) / "part")
        state = disk.read(disk.data.start + 1024 + 0x3A, 1)[0]
        pinned("debugfs", "-w", "-R", f"set_super_value state {state | 2}", part)
        with open(part, "rb") as changed:
            disk.write(disk.data.start, changed.read(1 << 20))
        said, answer = read_only(disk, mails, r"noted an error")
        fact(f"an error noted by the file system: {said!r}; mail is read; APPEND: {answer}")


def read_only(disk, mails, pattern):
    """A disk that nothing may be written to any more: its mail can be read."""
    before = disk.head()
    with Machine(VIRT, disk) as machine:
        machine.greeting()
        said = says(machine, pattern)
        read(machine, mails)
        with machine.imap() as client:
            client.ok("SELECT INBOX")
            answer = client.command("APPEND INBOX ", mails[0])
            expect(answer.status == "NO", answer)
        read(machine, mails)
        quiet(machine, 60)
        expect(machine.status().mail.startswith("can be read"), str(machine.status()))
        machine.power_off()
    expect(disk.head() == before, "it was written to")
    return said, f"{answer.status} {answer.text}"


def pulled():
    """The disk is gone while the machine runs; put in again, everything is there that was acknowledged."""
    with scratch() as folder:
        disk, mails = used(folder)
        with Machine(VIRT, disk) as machine:
            machine.greeting()
            with machine.imap() as client:
                client.ok("SELECT INBOX")
                machine.qmp.human("drive_del disk")
                answer = refused(client, mails[0])
            said = says(machine, r"does not answer|failed while", PULLED)
            quiet(machine, WATCHED)
            fact(f"pulled while running: {said!r}; APPEND then: {answer}")
        with Machine(VIRT, disk) as machine:
            machine.greeting()
            read(machine, mails)
            machine.power_off()
        fact("put in again: all mail is there")


def refused(client, octets):
    """What becomes of an append to a disk that is gone: an answer that is not OK, or the end of the connection."""
    try:
        answer = client.command("APPEND INBOX ", octets)
    except (Closed, OSError) as ended:
        return type(ended).__name__
    expect(answer.status != "OK", answer)
    return f"{answer.status} {answer.text}"


def read(machine, mails):
    """Everything that was acknowledged is there."""
    with machine.imap() as client:
        found = client.messages("INBOX", "BODY.PEEK[]")
        expect([body for _, (_, [body]) in sorted(found.items())] == mails, len(found))
    with machine.pop3() as client:
        expect(client.stat()[0] >= len(mails))
        client.quit()


def says(machine, pattern, seconds=60):
    """Waits until the console says that something like this is wrong; returns what it says."""
    end = time.monotonic() + seconds
    while True:
        status = machine.status()
        if lines := [line for line in status.wrong if re.search(pattern, line)]:
            return lines[0]
        expect(time.monotonic() < end, pattern, str(status))
        time.sleep(1)


def stays(machine, pattern):
    """A machine that has no mail to serve says why, and stays so."""
    # Before there is one, nobody hears what is typed.
    machine.console.wait(PROMPT, START_SECONDS)
    said = says(machine, pattern)
    quiet(machine, WATCHED)
    status = machine.status()
    expect(said in status.wrong and status.mail == "is not served", str(status))
    return said


def quiet(machine, seconds):
    """It does not start itself again, and answers at the console all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        expect(machine.process.poll() is None, "the machine ended")
        expect(machine.reboots() == 0, "it started itself again")
        machine.prompt()
        time.sleep(5)


main()
