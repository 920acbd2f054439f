"""Running a program that wants a terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


def run(command, seconds=120, keys=b"", **options):
    """Runs a program in a terminal with `keys` typed ahead; returns its exit code and all that it showed."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, **options)
    finally:
        os.close(slave)
    shown, end = b"", time.monotonic() + seconds
    try:
        if keys:
            os.write(master, keys)
        while True:
            readable, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
            if not readable:
                raise TimeoutError(f"{command}: {shown[-1500:]!r}")
            try:
                piece = os.read(master, 65536)
            except OSError:  # EIO: the last one has closed it
                piece = b""
            if not piece:
                return process.wait(max(1, end - time.monotonic())), shown.decode(errors="replace")
            shown += piece
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(master)
