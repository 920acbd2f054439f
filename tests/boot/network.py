"""The network cable: out and in while it runs, and not there when it starts. (DHCP itself: tests/network.rs.)

    network.py
"""

import time

from machine import START_SECONDS, VIRT, Machine, card, scratch, unverified
from house import expect, fact
from imap import Closed, Imap

NOTICED = 20  # seconds until the console says that the cable is out
BACK = 60  # seconds until it serves again
OUT = 15  # seconds that the cable stays out once that was noticed
SLIRP = "10.0.2.15"


def main():
    with scratch() as folder:
        disk = card(VIRT, folder)
        with Machine(VIRT, disk, processors=2) as machine:
            machine.owned()
            expect(SLIRP in machine.status().addresses, str(machine.status()))
            out_and_in(machine)
            out_and_in(machine)
            expect(machine.reboots() == 0)
            machine.power_off()
        with Machine(VIRT, disk, processors=2, cable=False) as machine:
            started_without(machine)
            machine.power_off()


def out_and_in(machine):
    """The cable is pulled out, and put in again."""
    with machine.imap() as client:
        client.ok("SELECT INBOX")
        began = time.monotonic()
        machine.plug(False)
        until_status(machine, lambda status: SLIRP not in status.addresses, NOTICED, "the cable is out")
        noticed = time.monotonic() - began
        expect(not answers(machine, 3), "it answers without a cable")
        time.sleep(OUT)
        expect(SLIRP not in machine.status().addresses)
        machine.plug(True)
        back = until_answers(machine, BACK)
        until_status(machine, lambda status: SLIRP in status.addresses, BACK, "the address")
        # TCP bears it, if it was not for long.
        client.ok("NOOP")
    fact(f"cable out: noticed in {noticed:.0f} s; in again: served after {back:.1f} s, an open connection goes on")


def started_without(machine):
    """It starts, says so, and waits for a cable."""
    machine.console.wait("is a network cable plugged in", START_SECONDS)
    expect(SLIRP not in machine.status().addresses)
    expect(machine.reboots() == 0)
    machine.plug(True)
    back = until_answers(machine, BACK)
    with machine.imap() as client:
        client.ok("SELECT INBOX")
    fact(f"started without a cable: {back:.1f} s from putting it in to a greeting")


def answers(machine, seconds):
    """Whether IMAP greets."""
    try:
        with Imap(machine.ports["imaps"], unverified(), timeout=seconds):
            return True
    except (OSError, Closed):
        return False


def until_answers(machine, seconds):
    began = time.monotonic()
    while not answers(machine, 5):
        expect(time.monotonic() < began + seconds, f"not served within {seconds} s", machine.console.text()[-2000:])
    return time.monotonic() - began


def until_status(machine, true, seconds, what):
    began = time.monotonic()
    while not true(status := machine.status()):
        expect(time.monotonic() < began + seconds, what, str(status))
        time.sleep(0.5)


main()
