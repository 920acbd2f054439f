"""A board in QEMU: started, talked to, and ended, whatever happens.

The programs are those of the pinned root (`cross/enter --group qemu`), so that every machine tests with the same ones.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))
from console import Console  # noqa: E402
from disk import IMAGES, Disk, file_in  # noqa: E402
from house import ROOT, expect, until  # noqa: E402
from imap import Closed, Imap  # noqa: E402
from pop3 import Pop3  # noqa: E402
from qmp import Qmp  # noqa: E402

START_SECONDS = 240  # to a greeting; a machine that emulates another is slow when it has other work, too
COMMAND_SECONDS = 60
STOP_SECONDS = 120
SERVED = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "web": 80, "webs": 443}
PROMPT = r"(?m:^pillarbox> \Z)"
USER, PASSWORD = "anna", "seven open sesames"


@dataclass(frozen=True)
class Board:
    """What a board is for QEMU, and which image it starts from."""

    name: str
    image: str
    machine: tuple
    network: str
    console: int  # which of its serial ports has the console
    button: bool  # whether it has one for the power
    words: str = ""  # for the kernel, where QEMU is not as the board is


VIRT = Board(
    "virt",
    "qemu-virt",
    (
        *("-M", "virt", "-cpu", "cortex-a53", "-m", "512", "-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
        *("-device", "virtio-rng-pci", "-device", "i6300esb"),
    ),
    "virtio-net-pci,romfile=",
    console=0,
    button=True,
)
# QEMU's model of the watchdog starts the machine again as soon as it is switched on. And of the two consoles, ours is
# to be the one that a test can read and type at.
RASPI3B = Board(
    "raspi3b",
    "rpi3",
    ("-M", "raspi3b"),
    "usb-net",
    console=1,
    button=False,
    words="pillarbox.watchdog=off console=ttyS1,115200",
)
CARD = 512  # MiB: a power of two, as cards in QEMU must be


class Machine:
    """A machine with a disk; as a context it is started, and killed at the end.

    `recorded` names a file for the log of all that is written to the disk; `clock` is the time that its hardware tells.
    """

    def __init__(self, board, disk, *, processors=1, clock=None, recorded=None, cable=True, extra=()):
        self.board, self.disk = board, disk
        self.folder = Path(tempfile.mkdtemp(prefix="pillarbox-boot-", dir="/tmp"))
        self.processors, self.clock, self.recorded, self.cable, self.extra = processors, clock, recorded, cable, extra
        self.ports = {}
        self.process = self.console = self.qmp = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, failure, *_):
        if failure is not None and self.console:
            print(f"the console of {self.board.name} at the end:", file=sys.stderr)
            print(*self.console.text().splitlines()[-60:], sep="\n  ", file=sys.stderr)
        self.kill()
        if "PILLARBOX_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Turns it on."""
        self.ports = {name: free_port() for name in SERVED}
        self.began = time.monotonic()
        with open(self.folder / "qemu", "wb") as log:
            self.process = subprocess.Popen(
                [ROOT / "cross" / "enter", "--group", "qemu", *map(str, self._command())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        until(lambda: self._has_socket("console") and self._has_socket("qmp"), 60, "QEMU's sockets")
        self.console = Console(self.folder / "console")
        self.qmp = Qmp(self.folder / "qmp")
        if not self.cable:
            self.plug(False)
        self.qmp("cont")

    def _has_socket(self, name):
        said = (self.folder / "qemu").read_text(errors="replace")
        expect(self.process.poll() is None, "QEMU ended", said[-2000:])
        return (self.folder / name).exists()

    def _command(self):
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{self.ports[name]}-:{port}" for name, port in SERVED.items())
        yield from ("qemu-system-aarch64", *self.board.machine, "-nodefaults", "-display", "none", "-S")
        yield from ("-netdev", f"user,id=net,{forwards}", "-device", f"{self.board.network},netdev=net,id=nic")
        for _ in range(self.board.console):
            yield from ("-serial", "null")
        yield from ("-chardev", "socket,id=console,path=console,server=on,wait=off,logfile=console.log")
        yield from ("-serial", "chardev:console")
        yield from ("-chardev", "socket,id=qmp,path=qmp,server=on,wait=off", "-mon", "chardev=qmp,mode=control")
        if self.board is VIRT:
            yield from ("-smp", self.processors)
            yield from self._virtual_disk()
        else:
            yield from self._card()
        if self.clock:
            yield from ("-rtc", f"base={self.clock}")
        yield from self.extra

    def _virtual_disk(self):
        file = f"driver=file,filename={self.disk.path},cache.no-flush=on"
        if self.recorded:
            Path(self.recorded).write_bytes(b"")
            yield from ("-blockdev", f"node-name=file,{file}")
            yield from ("-blockdev", f"node-name=log,driver=file,filename={self.recorded},cache.no-flush=on")
            yield from ("-blockdev", "node-name=recorded,driver=blklogwrites,file=file,log=log")
            yield from ("-blockdev", "node-name=disk,driver=raw,file=recorded", "-device", "virtio-blk-pci,drive=disk")
        else:
            # Only what is named so can be pulled out by drive_del.
            yield from ("-drive", f"if=none,id=disk,format=raw,file={self.disk.path},cache=unsafe")
            yield from ("-device", "virtio-blk-pci,drive=disk")

    def _card(self):
        """As the firmware would: it loads U-Boot and tells it of the hardware."""
        for name in ("u-boot.bin", "bcm2837-rpi-3-b.dtb"):
            found = [path for path in self.disk.names() if path.split("/")[-1] == name]
            expect(found, f"no {name} on the FAT partition")
            octets = self.disk.get(found[0])
            # QEMU's model of the USB port is of no use to the kernel any more once U-Boot has looked what is there.
            (self.folder / name).write_bytes(octets.replace(b"preboot=pci enum; usb start;", b"preboot=pci enum;           "))
        yield from ("-kernel", self.folder / "u-boot.bin", "-dtb", self.folder / "bcm2837-rpi-3-b.dtb")
        yield from ("-drive", f"if=sd,id=disk,format=raw,file={self.disk.path},cache=unsafe")

    # What it serves.

    def greeting(self, seconds=START_SECONDS):
        """Waits for a greeting on 993; returns the seconds since the machine was turned on."""
        end = time.monotonic() + seconds
        while True:
            expect(self.process.poll() is None, "the machine ended before a greeting", self.console.text()[-3000:])
            try:
                with Imap(self.ports["imaps"], unverified(), timeout=8) as client:
                    expect(client.greeting.startswith(b"* OK"), client.greeting)
                    return time.monotonic() - self.began
            except (OSError, Closed):
                expect(time.monotonic() < end, f"no greeting within {seconds} s", self.console.text()[-3000:])
                time.sleep(0.1)

    def owned(self, user=USER):
        """Waits for a greeting and for the account of the preseed; returns the seconds to the greeting."""
        seconds = self.greeting()
        # At the console: a log-in that fails would make the next ones slower.
        until(lambda: user in self.command("account list"), 60, "an account of the preseed")
        return seconds

    def authority(self):
        """What the machine made to sign its certificates with, as the disk has it."""
        if self.disk.authority is None:

            def found():
                part = self.disk.extract(self.disk.data, self.folder / "data.part")
                self.disk.authority = file_in(part, "/mail/tls/ca.pem")
                part.unlink()
                return self.disk.authority

            # The kernel writes what is in the journal to its place when it finds time.
            until(found, 180, "an authority on the disk")
        return self.disk.authority.decode()

    def trust(self, name="localhost"):
        """What a careful client believes: the machine's authority, for a name that it may have."""
        return Trust(ssl.create_default_context(cadata=self.authority()), name)

    def imap(self, user=USER, password=PASSWORD, tls=None, timeout=120):
        """An IMAP connection; logged in, unless `user` is None."""
        client = Imap(self.ports["imaps"], tls or self.trust(), timeout)
        if user is not None:
            client.ok(f'LOGIN {user} "{password}"')
        return client

    def pop3(self, user=USER, password=PASSWORD, timeout=120):
        """A POP3 connection; logged in, unless `user` is None."""
        client = Pop3(self.ports["pop3s"], self.trust(), timeout)
        return client if user is None else client.login(user, password)

    # What its owner does at the console.

    def command(self, words, seconds=COMMAND_SECONDS):
        """Types a command at the prompt; returns what it showed."""
        self.prompt()
        mark = self.console.mark()
        self.console.type(words)
        self.console.wait(re.escape(words) + r"\n(?s:.*)" + PROMPT, seconds, mark)
        shown = self.console.text(mark)
        return shown.partition("\n")[2].rpartition("pillarbox> ")[0]

    def prompt(self, seconds=COMMAND_SECONDS):
        """Waits until the console takes commands, and has answered all that was typed before."""
        mark = self.console.mark()
        self.console.type("'")
        self.console.wait("a quote is not closed\n(?s:.*)" + PROMPT, seconds, mark)

    def status(self):
        """What `status` says at the console."""
        return Status(self.command("status"))

    def settled(self, seconds):
        """Waits until a system is not on trial any more."""
        until(lambda: "trial" not in self.status().system, seconds, "it is confirmed")

    def plug(self, connected):
        """Puts the network cable in or pulls it out."""
        self.qmp("set_link", name="nic", up=connected)

    def reboots(self):
        """How often the machine started itself again."""
        return self.qmp.count("RESET")

    def reboot(self, seconds=START_SECONDS):
        """In good order, at the console; returns the seconds to the next greeting."""
        self.prompt()
        before, began = self.reboots(), time.monotonic()
        self.console.type("reboot")
        self.qmp.wait("RESET", before + 1, STOP_SECONDS)
        self.greeting(seconds)
        return time.monotonic() - began

    def power_off(self, seconds=STOP_SECONDS):
        """In good order, by the power button or, where there is none, at the console."""
        if self.board.button:
            self.qmp("system_powerdown")
        else:
            self.prompt()
            self.console.type("poweroff")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not turn itself off: {self.console.text()[-3000:]}") from None

    def kill(self):
        """Pulls the plug."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        for door in (self.console, self.qmp):
            if door:
                door.close()


def card(board, folder, mebibytes=CARD, images=IMAGES, settings=None, **seed):
    """A card that somebody has just written, with what Imager put on it, and with settings of an owner's own."""
    disk = Disk.fresh(board.image, folder, mebibytes, images)
    disk.put("rpi-preseed.toml", preseed(**seed))
    if settings:
        disk.put("pillarbox.toml", settings)
    if board.words:
        options = disk.get("a/options.env").decode().rstrip()
        disk.put("a/options.env", f"{options} {board.words}\n")
    return disk


class Status:
    """The block on the console: who it is, and a line each for what there is to say."""

    def __init__(self, shown):
        self.shown = shown
        head = re.search(r"(?m)^Pillarbox (\S+) is (\S+)\n((?:  .*\n)+)", shown)
        expect(head, "no status", shown)
        self.version, self.name = head[1], head[2]
        self.lines = [tuple(line.strip().split(None, 1)) for line in head[3].splitlines()]

    def __str__(self):
        return self.shown

    def of(self, what):
        return ", ".join(line[1] for line in self.lines if line[0] == what)

    @property
    def addresses(self):
        return self.of("address")

    @property
    def mail(self):
        return self.of("mail")

    @property
    def system(self):
        """The slot, and whether it is on trial."""
        return self.of("system")

    @property
    def slot(self):
        return self.system[:1]

    @property
    def wrong(self):
        return [line[1] for line in self.lines if line[0] == "WRONG"]

    @property
    def memory(self):
        """Kibibytes that PID 1 and the server have for themselves, and their parts of what they share."""
        sizes = re.findall(r"(\w[\w ]*?) (\d+) KiB", self.of("memory"))
        expect(sizes, "no memory in the status", self.shown)
        return {name: int(kib) for name, kib in sizes}


class Trust:
    """A TLS context that verifies one name, whatever a client of these tests asks for."""

    def __init__(self, context, name):
        self.context, self.name = context, name

    def wrap_socket(self, plain, server_hostname):
        return self.context.wrap_socket(plain, server_hostname=self.name)


def unverified():
    """For who does not know the machine's authority yet."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def hashed(password, kind="6"):
    """A password as Raspberry Pi Imager writes it."""
    done = subprocess.run(
        ["openssl", "passwd", f"-{kind}", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def preseed(user=USER, password=PASSWORD, hostname="pillarbox", kind="6"):
    """`rpi-preseed.toml`, as Raspberry Pi Imager writes it."""
    return (
        f'config_version = "1.0"\n\n[system]\nhostname = "{hostname}"\n\n'
        f'[user]\nname = "{user}"\npassword = "{hashed(password, kind)}"\npassword_encrypted = true\n\n'
        '[ssh]\nenabled = false\n\n[locale]\nkeymap = "de"\ntimezone = "Europe/Berlin"\n'
    )


def together(*works, at_once=2):
    """Does works of which each has a machine of its own, some at a time; the first failure comes out at the end."""

    def one(work):
        try:
            return work()
        except BaseException:
            traceback.print_exc()
            raise

    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(one, work) for work in works]
    return [done.result() for done in waiting]


def scratch():
    """A folder for disks, which QEMU in its root can see."""
    return tempfile.TemporaryDirectory(prefix="pillarbox-boot-", dir="/tmp")

