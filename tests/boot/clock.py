"""A board without a clock: it wakes in 1970, serves all the same, and knows the time once somebody tells it.

    clock.py
"""

import calendar
import re
import time
import tomllib

from machine import VIRT, Machine, card, scratch
from house import expect, fact
from ntp import TimeServer

WOKEN = "1970-01-01T00:00:00"
AHEAD = 3 * 86_400  # seconds that our time server's time is from this machine's, so that it can be nobody else's
RIGHT = 5  # seconds that the time may be wrong by
TOLD_SECONDS = 200  # until it asked again a server that did not answer before
DATE = re.compile(rb'INTERNALDATE "( ?\d+-\w+-\d+ \d+:\d+:\d+) ([+-])(\d\d)(\d\d)"')
MAIL = b"From: bob@example.org\r\nSubject: When\r\n\r\nNow.\r\n"
SETTINGS = '[host]\ntime-servers = ["10.0.2.2"]\n'


def main():
    with scratch() as folder:
        disk = card(VIRT, folder, settings=SETTINGS)
        with Machine(VIRT, disk, clock=WOKEN, processors=2) as machine:
            machine.owned()
            before = alone(machine)
            told(machine)
            again(machine, before)
            machine.power_off()


def alone(machine):
    """Nobody says what the time is."""
    with machine.imap() as client:
        client.ok("NOOP")
    dated = appended(machine)
    built = tomllib.loads(machine.disk.get("a/slot.toml").decode())["built"]
    expect(built <= dated < built + 3600, "the date of arrival", dated, "and that of the build", built)
    day = time.strftime("%Y-%m-%d", time.gmtime(dated))
    fact(f"woken in 1970: TLS verified; mail arrives in {day}, the day of the build")
    return dated


def told(machine):
    """A time server begins to answer."""
    with TimeServer(AHEAD) as server:
        began = time.monotonic()
        while abs(appended(machine) - server.now()) > RIGHT:
            expect(time.monotonic() < began + TOLD_SECONDS, "the time is still wrong", server.asked)
            time.sleep(1)
        fact(f"right {time.monotonic() - began:.0f} s after a time server began to answer ({server.asked} questions)")
        with machine.imap() as client:
            client.ok("NOOP")


def again(machine, before):
    """Nobody says it after a new start: it goes on from what it knew."""
    known = time.time() + AHEAD
    machine.reboot()
    dated = appended(machine)
    # The hardware that did not know it may have been told.
    expect(known - RIGHT <= dated <= time.time() + AHEAD + RIGHT, dated, known)
    expect(dated > before + AHEAD / 2)
    fact(f"after a new start without a time server: {time.time() + AHEAD - dated:.0f} s behind, never back")


def appended(machine):
    """When a message that comes now came, by the machine's clock."""
    with machine.imap() as client:
        uid = client.append("INBOX", MAIL)
        client.ok("EXAMINE INBOX")
        [line] = client.ok(f"UID FETCH {uid} INTERNALDATE").of("FETCH")
        text, sign, hours, minutes = DATE.search(line.text).groups()
        seconds = calendar.timegm(time.strptime(text.decode().strip(), "%d-%b-%Y %H:%M:%S"))
        return seconds - (1 if sign == b"+" else -1) * (int(hours) * 3600 + int(minutes) * 60)


main()
