"""The power goes a hundred times under load: the file system is whole, the store clean, nothing acknowledged is lost.

    power.py [CUTS [BOOTED]]

Killing QEMU would lose nothing: this machine keeps what was written. So `blklogwrites` notes every write and flush of
the disk, and a cut is made of that: what was written before the last flush is there, and what came after it is so by
chance, whole, in part, or not at all. Each cut is looked at without the machine, some are booted as well.
"""

import random
import shutil
import sys
import time
from bisect import bisect_left
from pathlib import Path

from machine import USER, VIRT, Machine, card, scratch, together  # first: it says where the others are
import books
from disk import file_system_is_clean, rescue
from house import Server, expect, fact
from writelog import Replay, WriteLog

CLIENTS = 4
LOAD_SECONDS = 40
FIRST_BOOT = 0.1  # the part of the cuts that goes into the first boot, with its growing of partition and file system
SEED = 4


def main():
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    booted = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    dice = random.Random(SEED)
    with scratch() as folder:
        folder = Path(folder)
        disk = card(VIRT, folder)
        start = disk.copied(folder / "start.img")
        clients = [books.Client(number, SEED, folder / "log") for number in range(1, CLIENTS + 1)]
        begun = record(disk, folder / "log", clients)
        log = WriteLog(folder / "log")
        disk.path.unlink()
        first = bisect_left(log.entries, begun, key=lambda entry: entry.end)
        early = min(round(cuts * FIRST_BOOT), first)
        places = sorted(dice.sample(range(first), early) + dice.sample(range(first, len(log.entries)), cuts - early))
        flushes = sum(entry.flushes for entry in log.entries)
        written = sum(entry.length for entry in log.entries if entry.writes) >> 20
        changes = sum(client.changes for client in clients)
        fact(f"{changes:,} changes acknowledged in {LOAD_SECONDS} s")
        fact(f"{len(log.entries):,} writes of {written} MiB and flushes noted, {flushes:,} of them flushes")
        expect(changes > 10 * LOAD_SECONDS / 4 and flushes > cuts, "too little was going on")
        replay(log, start, places, clients, folder, dice, booted, first)


def record(disk, log, clients):
    """A first boot, and load; returns the place where that began."""
    with Machine(VIRT, disk, processors=2, recorded=log) as machine:
        machine.owned()
        with machine.imap() as client:
            for name in books.MAILBOXES[1:]:
                client.command(f"CREATE {name}")
        trust = machine.trust()
        begun = clients[0].place()
        books.load(clients, lambda: machine.imap(tls=trust), LOAD_SECONDS)
        return begun


def replay(log, start, places, clients, folder, dice, booted, first):
    """Every cut, in the order of the log."""
    machines = set(dice.sample([place for place in places if place >= first], max(0, booted - 1)))
    machines |= set(places[:1] if booted else ())
    held = lost = survived = 0
    waiting = []
    began = time.monotonic()
    replayed = Replay(log, start.path)
    for cut in places:
        loose = replayed.up_to(cut)
        place = log.entries[cut].end
        chance = random.Random(f"{SEED} {cut}")
        if cut in machines:
            whole = start.copied(folder / f"cut-{cut}.img")
            replayed.lose(whole.path, 0, 1 << 62, loose, random.Random(f"{SEED} {cut}"))
            waiting.append((whole, place))
        part = start.extract(start.data, folder / "data")
        lost += sum(entry.length for entry in loose)
        kept = replayed.lose(part, start.data.start, start.data.length, loose, chance) * 512
        survived += kept
        held += look(part, clients, place, folder, must_serve=cut >= first)
        part.unlink()
    replayed.close()
    spent = time.monotonic() - began
    fact(f"{len(places)} power cuts: file system whole, `pillarbox check` clean, {spent / len(places):.2f} s each")
    fact(f"{held:,} acknowledged changes looked for, and all there")
    fact(f"of {lost >> 10:,} KiB that no flush held, {survived >> 10:,} KiB survived by chance")
    together(*(lambda one=one: boot(*one, clients) for one in waiting))
    if waiting:
        fact(f"{len(waiting)} of them booted, one in the midst of its first start: mail served, nothing missing")


def look(part, clients, place, folder, must_serve):
    """A cut, without the machine."""
    file_system_is_clean(part)
    rescue(part, "/mail", folder / "rescued")
    mail = folder / "rescued" / "mail"
    if not mail.exists() or not (mail / "tls").exists():
        expect(not must_serve, "there is no mail on it")
        return 0
    with_server = Server(accounts=())
    shutil.rmtree(with_server.data, ignore_errors=True)
    with_server.data = mail
    expect("all is well" in with_server.run("check"))
    if not must_serve:
        return 0
    with with_server, with_server.connect(user=USER) as client:
        return books.verify(client, clients, place)


def boot(disk, place, clients):
    """A cut, in the machine."""
    with Machine(VIRT, disk) as machine:
        machine.greeting()
        with machine.imap() as client:
            books.verify(client, clients, place)
        expect(machine.reboots() == 0)
        machine.power_off()


main()
