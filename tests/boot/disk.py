"""Images and what is in them: made ready for a test, looked into and changed without the machine."""

import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from house import ROOT, expect

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
IMAGES = Path(os.environ.get("PILLARBOX_IMAGES") or TARGET / "images" / "out")
SECTOR = 512
PINNED_SECONDS = 300
UNPACKING = threading.Lock()


def pinned(*command, input=None, fails=False):
    """Runs a program of the pinned root that QEMU is in; returns what it printed. With `fails`, it may fail."""
    done = subprocess.run(
        [ROOT / "cross" / "enter", "--group", "qemu", *map(str, command)],
        input=input,
        capture_output=True,
        timeout=PINNED_SECONDS,
        cwd="/tmp",
        env={**os.environ, "MTOOLS_SKIP_CHECK": "1"},
    )
    expect(fails or done.returncode == 0, command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done if fails else done.stdout


def image(board, folder=IMAGES):
    """The newest image of a board in a folder, unpacked."""
    packed = max(Path(folder).glob(f"**/pillarbox-*-{board}.img.xz"), key=os.path.getmtime, default=None)
    expect(packed, f"no image of {board} in {folder}: images/build {board}")
    raw = (TARGET / "boot" if folder == IMAGES else Path(folder)) / f"{board}.img"
    # Machines that start side by side share it.
    with UNPACKING:
        unpack(packed, raw)
    return raw


def unpack(packed, raw):
    """Makes an image of the packed one, unless there is one that is newer."""
    if not raw.exists() or raw.stat().st_mtime < packed.stat().st_mtime:
        raw.parent.mkdir(parents=True, exist_ok=True)
        part = raw.with_suffix(f".part{os.getpid()}")
        with lzma.open(packed) as source, open(part, "wb") as target:
            while piece := source.read(1 << 20):
                # What is empty takes no room.
                if piece.strip(b"\0"):
                    target.write(piece)
                else:
                    target.seek(len(piece), os.SEEK_CUR)
            target.truncate()
        part.rename(raw)


def copy(source, target):
    """A copy that takes no room where the source is empty."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)
    return target


@dataclass(frozen=True)
class Partition:
    """Where a partition is, in octets."""

    number: int
    start: int
    length: int
    entry: int  # octet of its entry in the table


class Disk:
    """A disk as a file."""

    def __init__(self, path):
        self.path = Path(path)
        # What a machine that ran with it made to sign its certificates with, once that was looked up.
        self.authority = None

    @classmethod
    def fresh(cls, board, folder, mebibytes, images=IMAGES):
        """As somebody has it who has just written a board's image to a card of this size."""
        disk = cls(copy(image(board, images), Path(folder) / "disk.img"))
        if mebibytes:
            expect(disk.path.stat().st_size <= mebibytes << 20, "the image is larger than the card")
            os.truncate(disk.path, mebibytes << 20)
        return disk

    def copied(self, path):
        return Disk(copy(self.path, path))

    def read(self, at, length):
        with open(self.path, "rb") as file:
            file.seek(at)
            return file.read(length)

    def write(self, at, octets):
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(octets)

    def partitions(self):
        """By the MBR, or the GPT that one protects."""
        mbr = self.read(0, SECTOR)
        expect(mbr[510:] == b"\x55\xaa", "no partition table", self.path)
        if mbr[450] == 0xEE:
            return list(self._gpt())
        found = []
        for number in range(4):
            entry = 446 + 16 * number
            start, length = struct.unpack("<II", mbr[entry + 8 : entry + 16])
            if length:
                found.append(Partition(number + 1, start * SECTOR, length * SECTOR, entry))
        return found

    def _gpt(self):
        header = self.read(SECTOR, 92)
        expect(header[:8] == b"EFI PART", "a protective MBR and no GPT")
        table, count, size = struct.unpack("<QII", header[72:88])
        for number in range(count):
            at = table * SECTOR + number * size
            entry = self.read(at, size)
            if any(entry[:16]):
                first, last = struct.unpack("<QQ", entry[32:48])
                yield Partition(number + 1, first * SECTOR, (last - first + 1) * SECTOR, at)

    @property
    def boot(self):
        """The partition with the settings."""
        return self.partitions()[0]

    @property
    def data(self):
        """The partition with the mail."""
        return self.partitions()[-1]

    # The FAT partition, by mtools.

    def _fat(self, program, *arguments, **how):
        return pinned(program, "-i", f"{self.path}@@{self.boot.start}", *arguments, **how)

    def put(self, name, content):
        """Writes a file as a PC would."""
        # mtools asks before it writes over a file, unless told so.
        self._fat("mcopy", "-o", "-", f"::{name}", input=content.encode() if isinstance(content, str) else content)

    def get(self, name):
        return self._fat("mcopy", f"::{name}", "-")

    def has(self, name):
        return self._fat("mdir", "-b", f"::{name}", fails=True).returncode == 0

    def names(self, folder=""):
        """The paths of all files under a folder."""
        listed = self._fat("mdir", "-b", "-/", f"::{folder}").decode().split("\n")
        return sorted(line.removeprefix("::/") for line in listed if line and not line.endswith("/"))

    # The data partition, by e2fsprogs.

    def extract(self, partition, path):
        """A partition as a file of its own, which takes no room where it is empty."""
        with open(self.path, "rb") as source, open(path, "wb") as target:
            target.truncate(partition.length)
            at, end = partition.start, partition.start + partition.length
            while at < end:
                try:
                    at = os.lseek(source.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                stop = min(end, os.lseek(source.fileno(), at, os.SEEK_HOLE))
                target.seek(at - partition.start)
                while at < stop:
                    at += os.sendfile(target.fileno(), source.fileno(), at, stop - at)
        return Path(path)

    def head(self, partition=None):
        """A hash of the first mebibyte of the data partition: nobody formatted it as long as that stays."""
        return hashlib.sha256(self.read((partition or self.data).start, 1 << 20)).hexdigest()


def file_in(partition, name):
    """A file of a copy of an ext4 file system that is in use; `None` if it is not there."""
    # What is new may be in the journal only.
    pinned("e2fsck", "-y", "-E", "journal_only", partition, fails=True)
    done = pinned("debugfs", "-R", f"cat {name}", partition, fails=True)
    return done.stdout or None


def rescue(partition, name, folder):
    """Copies a folder out of an ext4 file system."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir()
    pinned("debugfs", "-R", f"rdump {name} {folder}", partition)


def file_system_is_clean(partition):
    """What a start does: the journal is replayed, and orphans are let go. After that nothing at all may be wrong."""
    for options in ("-fp", "-fn"):
        done = pinned("e2fsck", options, partition, fails=True)
        allowed = (0, 1) if options == "-fp" else (0,)
        expect(done.returncode in allowed, options, done.returncode, done.stdout[-2000:], done.stderr[-500:])
