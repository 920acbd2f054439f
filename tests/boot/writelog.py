"""The log of QEMU's `blklogwrites`: every write and flush of a disk in their order, to be replayed up to any of them.

The format is that of the kernel's dm-log-writes. A sector with magic, version, entries and sector size; then for each
entry a sector with its four numbers (place, sectors, flags, extra octets), and after it what was written.
"""

import os
import struct
from dataclasses import dataclass

MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD = 1, 2, 4
PLACED = 512  # octets that a place is counted in, and that a disk writes whole or not at all


@dataclass(frozen=True)
class Entry:
    """One thing that the machine asked its disk for."""

    at: int  # octet of the disk
    length: int
    flags: int
    data: int  # octet of the log
    end: int  # octet of the log after all of it

    @property
    def flushes(self):
        """After it, all that came before it stays."""
        return bool(self.flags & FLUSH)

    @property
    def writes(self):
        return self.length > 0 and not self.flags & DISCARD


class WriteLog:
    """A log, read."""

    def __init__(self, path):
        self.path = path
        self.entries = list(self._read())

    def _read(self):
        size = os.stat(self.path).st_size
        with open(self.path, "rb") as log:
            magic, version, _, sector = struct.unpack("<QQQI", log.read(28))
            if (magic, version) != (MAGIC, VERSION):
                raise AssertionError(f"{self.path} is no log of writes: {magic:#x} {version}")
            at = sector
            # The count in the first sector is renewed now and then: the log itself says more.
            while at + sector <= size:
                log.seek(at)
                place, sectors, flags, extra = struct.unpack("<QQQQ", log.read(32))
                length, data = sectors * sector, at + sector
                end = data + (0 if flags & DISCARD else length) + -(-extra // sector) * sector
                if end > size:
                    return
                # QEMU turns a write through the disk's cache into a write and a flush.
                if flags & FUA:
                    raise AssertionError("a write through the cache, which this reader does not know")
                yield Entry(place * sector, length, flags, data, end)
                at = end


class Replay:
    """A disk as it was when the log began, and what is done to it again."""

    def __init__(self, log, disk):
        """`disk` is changed, step by step."""
        self.log = log
        self.done = 0
        self._from = os.open(log.path, os.O_RDONLY)
        self._to = os.open(disk, os.O_RDWR)

    def close(self):
        os.close(self._from)
        os.close(self._to)

    def up_to(self, cut):
        """Does all that was on the disk for good when the power went after entry `cut`; returns what may be or not."""
        kept = next((number + 1 for number in range(cut, -1, -1) if self.log.entries[number].flushes), 0)
        for entry in self.log.entries[self.done : kept]:
            self._write(self._to, entry, 0, entry.length)
        self.done = max(self.done, kept)
        return [entry for entry in self.log.entries[kept : cut + 1] if entry.writes]

    def lose(self, copy, shift, length, loose, dice):
        """Of the writes that nothing flushed, lets some reach a copy, in part, and forgets the others.

        The copy begins with octet `shift` of the disk, and has `length` octets.
        """
        target = os.open(copy, os.O_RDWR)
        order = list(loose)
        dice.shuffle(order)
        survived = 0
        for entry in order:
            fate = dice.choice(["lost", "lost", "whole", "torn"])
            for start in range(0, entry.length, PLACED):
                at = entry.at + start - shift
                if 0 <= at < length and (fate == "whole" or fate == "torn" and dice.random() < 0.5):
                    os.pwrite(target, os.pread(self._from, PLACED, entry.data + start), at)
                    survived += 1
        os.close(target)
        return survived

    def _write(self, target, entry, start, length):
        if entry.writes:
            done = start
            while done < length:
                piece = os.pread(self._from, min(length - done, 1 << 20), entry.data + done)
                os.pwrite(target, piece, entry.at + done)
                done += len(piece)
