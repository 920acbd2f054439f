"""Updates for a test: what an image starts from, altered; and systems that are broken in a way of their own."""

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path

from disk import TARGET
from house import ROOT, expect

BROKEN = Path(__file__).parent / "broken"


class Slot:
    """The files of a slot, and what it says of itself."""

    def __init__(self, manifest, files):
        self.manifest, self.files = manifest, files

    @classmethod
    def of(cls, disk):
        """Slot A of an image."""
        names = [name for name in disk.names("a") if name != "a/slot.toml"]
        manifest = tomllib.loads(disk.get("a/slot.toml").decode())
        files = {name.removeprefix("a/"): disk.get(name) for name in names}
        for name, hash in manifest["files"].items():
            # What the kernel is told was changed for QEMU.
            expect(name == "options.env" or hashlib.sha256(files[name]).hexdigest() == hash, name)
        return cls(manifest, files)

    def altered(self, version, later=1, options="", files=None, **manifest):
        """Another version, built so many seconds later, with more words for the kernel and more in its initramfs."""
        manifest = {**self.manifest, "version": version, "built": self.manifest["built"] + later, **manifest}
        if options:
            manifest["options"] = f"{self.manifest['options']} {options}"
        release = "".join(f"{key} = {toml(manifest[key])}\n" for key in ("version", "board", "built"))
        more = {"etc/pillarbox/release.toml": (0o644, release.encode()), **(files or {})}
        changed = dict(self.files)
        # The kernel unpacks one archive after the other, and what comes later stays.
        first = changed["initramfs"]
        changed["initramfs"] = first + bytes(-len(first) % 4) + gzip.compress(archive(more), mtime=0)
        if "options.env" in changed:
            changed["options.env"] = f"options={manifest['options']}\n".encode()
        for letter in "ab":
            if (name := f"cmdline-{letter}.txt") in changed:
                changed[name] = f"{manifest['options']} pillarbox.slot={letter}\n".encode()
        return Slot(manifest, changed)

    def update(self):
        """The update file."""
        head = "".join(f"{key} = {toml(value)}\n" for key, value in self.manifest.items() if key != "files")
        sums = "".join(f'"{name}" = "{hashlib.sha256(octets).hexdigest()}"\n' for name, octets in self.files.items())
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, octets in {"slot.toml": f"{head}\n[files]\n{sums}".encode(), **self.files}.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(octets)
                tar.addfile(entry, io.BytesIO(octets))
        return packed.getvalue()


def toml(value):
    """A number or a plain string."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def archive(files):
    """A cpio archive, as the kernel unpacks it: {name: (mode, octets)}."""
    out = bytearray()
    for number, (name, (mode, octets)) in enumerate({**files, "TRAILER!!!": (0, b"")}.items(), 1):
        numbers = [number, 0o100000 | mode if mode else 0, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % value for value in numbers) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + octets
        out += bytes(-len(out) % 4)
    return bytes(out)


def broken(how, with_binary=False):
    """The files that make a system broken: `broken/HOW.c` is its /init; the real one, if it needs it, is /pillarbox."""
    # Built in a place that the pinned root sees, wherever the repository is.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        source = shutil.copy(BROKEN / f"{how}.c", folder)
        compiler = ["aarch64-linux-gnu-gcc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", f"{folder}/init", source]
        done = subprocess.run([ROOT / "cross" / "enter", *compiler], capture_output=True, text=True, cwd="/tmp")
        expect(done.returncode == 0, how, done.stderr[-2000:])
        files = {"init": (0o755, Path(folder, "init").read_bytes())}
    if with_binary:
        files["pillarbox"] = (0o755, (TARGET / "cross" / "aarch64" / "pillarbox").read_bytes())
    return files
