"""What the bench asks of the machine: packages, free ports, /proc, the page cache, the disk's floor."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

POSIX_FADV_DONTNEED = os.POSIX_FADV_DONTNEED


def say(text):
    """One line of progress on stderr; the table alone goes to stdout."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def install(wanted):
    """Installs the Debian packages whose program (`wanted[path] = package`) is missing."""
    missing = sorted({package for path, package in wanted.items() if not (shutil.which(path) or Path(path).exists())})
    if not missing:
        return
    say(f"apt-get install {' '.join(missing)}")
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # A policy that forbids starting the packaged service would be a file on the machine; RUNLEVEL=1 is enough.
    env["RUNLEVEL"] = "1"
    subprocess.run(["apt-get", "update", "-q"], check=False, env=env, **quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    subprocess.run(command, check=True, env=env, **quiet)


def free_port(taken=()):
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in taken:
            return port
    raise RuntimeError("no free port in 100 attempts")


def free_offset(ports):
    """A number N such that port + N is free on 127.0.0.1 for every standard port in `ports`."""
    for offset in range(21000, 31000, 137):
        try:
            for port in ports:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port + offset))
            return offset
        except OSError:
            continue
    raise RuntimeError("no free port offset between 21000 and 31000")


def process_tree(root):
    """The pids of `root` and all its living descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parent = int(stat[stat.rindex(")") + 2 :].split()[1])
            children.setdefault(parent, []).append(int(entry))
    tree, todo = [], [root]
    while todo:
        pid = todo.pop()
        tree.append(pid)
        todo.extend(children.get(pid, ()))
    return tree


def alive_in(pid, session):
    """Whether `pid` still runs (is no zombie) and belongs to `session`, so that a recycled pid is never meant."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    state, _, _, of_session = stat[stat.rindex(")") + 2 :].split()[:4]
    return state != "Z" and int(of_session) == session


def memory_kb(root):
    """PSS of a process tree in KB: private pages whole, shared pages by share; RSS where the kernel hides PSS."""
    total = 0
    for pid in process_tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            try:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                total += resident * os.sysconf("SC_PAGE_SIZE") // 1024
            except OSError:
                continue
    return total


class Group:
    """A memory cgroup for one server, where the machine grants one: says what the kernel holds for it."""

    def __init__(self, name):
        self.path = None
        first = Path("/sys/fs/cgroup/memory")  # version 1; version 2 has all controllers in one tree
        path = (first if first.is_dir() else Path("/sys/fs/cgroup")) / name
        try:
            path.mkdir(exist_ok=True)
        except OSError:
            return
        if (path / "memory.stat").exists():
            self.path = path

    def enter(self):
        """Called in the child between fork and exec."""
        if self.path:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def kernel_kb(self):
        """Kernel memory of the group in KB: page tables, stacks, sockets, inodes; None where it is not known."""
        if not self.path:
            return None
        try:
            first = [self.path / "memory.kmem.usage_in_bytes", self.path / "memory.kmem.tcp.usage_in_bytes"]
            if first[0].exists():
                return sum(int(file.read_text()) for file in first if file.exists()) / 1024
            stat = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())
            return (int(stat["kernel"]) + int(stat["sock"])) / 1024
        except (OSError, KeyError):
            return None

    def remove(self):
        """Gives the empty group back."""
        if self.path:
            try:
                self.path.rmdir()
            except OSError:
                pass


def written_bytes(root):
    """Bytes that a process tree has sent towards the disk since it started.

    `write_bytes` of /proc/PID/io counts pages made dirty (4 KB at least per touched page), not the
    file system's journal. When a process is reaped, the kernel adds its counters to its parent's, so
    that the sum over the living tree includes the processes which have exited meanwhile.
    """
    total = 0
    for pid in process_tree(root):
        try:
            for line in Path(f"/proc/{pid}/io").read_text().splitlines():
                if line.startswith("write_bytes:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total


def disk_counters(folder):
    """(bytes written, flushes) of the whole disk under `folder` since boot, or None. Others write there too."""
    device = os.stat(folder).st_dev
    try:
        stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return int(stat[6]) * 512, int(stat[15])
    except (OSError, IndexError):
        return None


def allocated_bytes(folder):
    """Allocated blocks of all files and folders below `folder`, each hard-linked file once."""
    seen, total = set(), 0
    for where, _, names in os.walk(folder):
        for name in [".", *names]:
            stat = os.lstat(os.path.join(where, name))
            if stat.st_ino not in seen:
                seen.add(stat.st_ino)
                total += stat.st_blocks * 512
    return total


def drop_cache(folder):
    """Empties the page cache for `folder`; answers in words how that was done."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
        return "page cache dropped whole (vm.drop_caches=3)"
    except OSError:
        pass
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                descriptor = os.open(os.path.join(where, name), os.O_RDONLY)
            except OSError:
                continue
            try:
                os.posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
    return "data files dropped from the page cache (posix_fadvise DONTNEED; vm.drop_caches was refused)"


def durable_commit_ms(folder, times=200):
    """Floor: milliseconds of each of `times` durable commits (write 4 KB, fdatasync) beside the stores."""
    path = Path(folder, "floor")
    block = os.urandom(4096)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    try:
        os.pwrite(descriptor, bytes(4096 * 16), 0)
        os.fsync(descriptor)
        spent = []
        for turn in range(times):
            began = time.perf_counter()
            os.pwrite(descriptor, block, 4096 * (turn % 16))
            os.fdatasync(descriptor)
            spent.append((time.perf_counter() - began) * 1000)
        return spent
    finally:
        os.close(descriptor)
        path.unlink()


def argon2id(password, memory_kib=12288, passes=3):
    """`$argon2id$v=19$m=12288,t=3,p=1$…` by libsodium, which Dovecot itself links."""
    sodium = ctypes.CDLL("libsodium.so.23")
    if sodium.sodium_init() < 0:
        raise RuntimeError("libsodium does not start")
    out = ctypes.create_string_buffer(128)
    secret = password.encode()
    algorithm = 2  # crypto_pwhash_ALG_ARGON2ID13
    done = sodium.crypto_pwhash_str_alg(
        out,
        secret,
        ctypes.c_ulonglong(len(secret)),
        ctypes.c_ulonglong(passes),
        ctypes.c_size_t(memory_kib * 1024),
        ctypes.c_int(algorithm),
    )
    if done != 0:
        raise RuntimeError("libsodium refuses to hash")
    return out.value.decode()
