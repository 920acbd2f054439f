"""Updates: a good one is confirmed and can be undone; a bad one is refused, or gives way by itself to what was before.

    update.py [panic|hang|deaf|good|board...]

Bad systems are real ones with another /init (broken/*.c), in updates that are signed as they must be.
"""

import http.server
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

from machine import RASPI3B, START_SECONDS, STOP_SECONDS, VIRT, Machine, card, scratch, together
from corpus import some_mail
from house import ROOT, expect, fact
from minisign import Key
from slot import Slot, broken

MAILS = 20
# As short as a machine that emulates another can bear: how long health must last, and how long it is waited for.
SOON = "pillarbox.confirm=10 pillarbox.patience=75"
TRIES = 3
NEXT = "starts with the next reboot"
INSTALL_SECONDS = 240
FALLBACK_SECONDS = 900
SETTINGS = '[host]\nname = "letters"\n\n[update]\nkeys = ["{}"]\n'


def main():
    works = {
        "good": good,
        "panic": lambda: gives_way(VIRT, "panic"),
        "hang": lambda: gives_way(VIRT, "hang"),
        "deaf": lambda: gives_way(VIRT, "deaf"),
        # QEMU's model of it can be started again by its watchdog's driver alone, as the real one.
        "board": lambda: gives_way(RASPI3B, "crash"),
    }
    with SHELF:
        together(*(works[name] for name in sys.argv[1:] or ["deaf", "hang", "board", "panic", "good"]))


class Shelf:
    """A web server on this machine that has updates and their signatures."""

    def __init__(self):
        self.files = {}

    def __enter__(self):
        files = self.files

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                octets = files.get(self.path)
                self.send_response(404 if octets is None else 200)
                self.send_header("Content-Length", str(len(octets or b"")))
                self.end_headers()
                self.wfile.write(octets or b"")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def put(self, name, update, signature):
        """Returns the address, for a machine in QEMU."""
        self.files[f"/{name}"] = update
        if signature is not None:
            self.files[f"/{name}.minisig"] = signature
        return f"http://10.0.2.2:{self._server.server_port}/{name}"


SHELF = Shelf()


def gives_way(board, how):
    """A system that is broken is tried three times, and then the one before it is back, with everything it had."""
    mails = list(islice(some_mail(), MAILS))
    with scratch() as folder:
        key = Key(folder)
        disk = card(board, folder, settings=SETTINGS.format(key.public))
        slot = Slot.of(disk)
        files = broken(how, with_binary=how != "panic")
        bad = slot.altered("99.0.0", options=f"{SOON} {board.words}", files=files).update()
        address = SHELF.put(f"{board.name}-{how}.update", bad, key.sign(bad))
        with Machine(board, disk) as machine:
            machine.owned()
            keep(machine, mails)
            version = machine.status().version
            install(machine, address)
            machine.qmp.wait("RESET", 1 + TRIES, FALLBACK_SECONDS)
            machine.greeting()
            status = machine.status()
            expect((status.version, status.slot) == (version, "a"), str(status))
            expect(any("99.0.0" in line for line in status.wrong), "the console says nothing of it", str(status))
            still(machine, mails)
            expect(machine.reboots() == 1 + TRIES, machine.reboots())
            barks = machine.qmp.count("WATCHDOG")
            fact(f"{board.name}: {how}: {machine.reboots()} starts, the watchdog {barks} times")
            expect(how != "hang" or barks >= TRIES, "the watchdog", barks)
            machine.power_off()
        expect(disk.get("pillarbox.toml").decode() == SETTINGS.format(key.public))
        fact(f"{board.name}: a system with fault {how!r}, tried {TRIES} times, gave way to the one before: all whole")


def good():
    """By the keys and the updates of `images/`: refused for every reason, then taken, confirmed, undone."""
    mails = list(islice(some_mail(), MAILS))
    with scratch() as folder:
        folder = Path(folder)
        run("key", folder / "ours")
        key, stranger = Key(folder), Key(folder)
        run("build", VIRT.image, "--trust", folder / "ours.pub", "--out", folder / "image")
        disk = card(VIRT, folder, images=folder / "image", settings=SETTINGS.format(key.public))
        slot = Slot.of(disk)
        built = slot.manifest["built"]
        common = ("build", VIRT.image, "--update-only", "--trust", folder / "ours.pub", "--sign", folder / "ours")
        run(*common, "--version", "99.0.0", "--built", built + 60, "--out", folder / "new")
        update, signature = signed(folder / "new")
        with Machine(VIRT, disk, processors=2) as machine:
            machine.owned()
            keep(machine, mails)
            before = machine.status().version
            refused(machine, "tampered", update[:1_000_000] + b"!" + update[1_000_001:], signature)
            refused(machine, "cut", update[:-10_000], signature)
            refused(machine, "unsigned", update, None)
            refused(machine, "strange", update, stranger.sign(update))
            for name, manifest in (("older", {"later": -1}), ("foreign", {"board": "rpi4"})):
                other = slot.altered("98.0.0", **manifest).update()
                refused(machine, name, other, key.sign(other))
            expect(machine.status().slot == "a" and machine.reboots() == 0)
            still(machine, mails)

            # Not by `images/`, so that the wait for the confirmation is short.
            ours = slot.altered("98.0.0", options=SOON).update()
            install(machine, SHELF.put("soon.update", ours, key.sign(ours)))
            confirmed(machine, "98.0.0", "b")
            still(machine, mails)
            machine.reboot()
            expect(machine.status().system == "b", "it did not stay")
            fact("A to B: confirmed, and there after another start; mail and settings whole")

            undo(machine)
            confirmed(machine, before, "a")
            still(machine, mails)
            fact("undo: A is back with all mail")

            install(machine, SHELF.put("new.update", update, signature))
            machine.greeting()
            expect(machine.status().version == "99.0.0", str(machine.status()))
            still(machine, mails)
            machine.power_off()
            fact(f"an update of images/build ({len(update) >> 20} MiB) by the key that the image trusts: taken")


def run(program, *arguments):
    """A script of `images/`."""
    done = subprocess.run([ROOT / "images" / program, *map(str, arguments)], capture_output=True, text=True)
    expect(done.returncode == 0, program, done.stdout[-2000:], done.stderr[-2000:])


def signed(folder):
    """The update in a folder, and its signature."""
    [file] = folder.glob("**/*.update")
    return file.read_bytes(), Path(f"{file}.minisig").read_bytes()


def keep(machine, mails):
    with machine.imap() as client:
        for octets in mails:
            client.append("INBOX", octets, flags="\\Seen")


def still(machine, mails):
    """Mail is what it was, and so is who may read it."""
    with machine.imap() as client:
        found = client.messages("INBOX", "FLAGS BODY.PEEK[]")
        expect([flags for flags, _ in found.values()] == [("\\Seen",)] * len(mails), found.keys())
        expect([body for _, (_, [body]) in sorted(found.items())] == mails)


def refused(machine, name, update, signature):
    shown = machine.command(f"update {SHELF.put(f'{name}.update', update, signature)}", INSTALL_SECONDS)
    said = [line.strip() for line in shown.splitlines() if line.strip()]
    expect(said and NEXT not in shown, name, shown)
    expect(NEXT not in machine.command("update status"), name)
    fact(f"{name}: {said[-1]}")


def install(machine, address):
    """An update that is taken, and tried."""
    next_time(machine, f"update {address}")


def undo(machine):
    next_time(machine, "update undo")


def next_time(machine, words):
    """A command after which the other system starts next time, which is now."""
    shown = machine.command(words, INSTALL_SECONDS)
    expect(NEXT in shown, words, shown)
    before = machine.reboots()
    machine.console.type("reboot")
    machine.qmp.wait("RESET", before + 1, STOP_SECONDS)


def confirmed(machine, version, slot):
    """What runs now was found well, and stays."""
    machine.greeting()
    status = machine.status()
    expect((status.version, status.slot) == (version, slot), str(status))
    machine.settled(START_SECONDS)


main()
