"""A DNS server for a check: what names have, over UDP and TCP on a free port of the loopback; and `verdict` asked by it."""

import base64
import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

import dnslib
from dnslib.server import BaseResolver, DNSHandler, DNSServer

from house import ROOT, expect

CLIENT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "examples" / "verdict"
PAYLOAD = 1232
ALIASES = 8  # that are followed in one answer
FAILS = "FAILS"  # as a kind: the server cannot tell
SILENT = "SILENT"  # as a kind: it says nothing at all
NOW = 1_700_000_000


class Handler(DNSHandler):
    """What is too long for UDP is asked for again over TCP."""

    udplen = PAYLOAD


class Quiet:
    """Tells nothing of what was asked."""

    def __getattr__(self, _):
        return lambda *_: None


class Zone(BaseResolver):
    """Records by name, a list of `(kind, data)` each; as a context it is served."""

    def __init__(self, records=()):
        self.records = {}
        for name, kind, data in records:
            self.add(name, kind, data)
        self.servers = []
        self.unknown = lambda name: "NXDOMAIN"

    def add(self, name, kind, data=None):
        self.records.setdefault(plain(name), []).append((kind, data))

    def forget(self, name):
        self.records.pop(plain(name), None)

    def __enter__(self):
        self.port = free_port()
        for tcp in (False, True):
            server = DNSServer(self, address="127.0.0.1", port=self.port, tcp=tcp, logger=Quiet(), handler=Handler)
            server.start_thread()
            self.servers.append(server)
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()
            server.server.server_close()

    def find(self, name, kind, aliases=0):
        """What an answer holds: records, or a word why there are none."""
        found = self.records.get(plain(name))
        if found is None:
            return self.unknown(name)
        here = []
        for one, data in found:
            if one in (FAILS, SILENT) and data in (None, kind) and not here:
                return one
            if one == kind:
                here.append((name, kind, data))
        if not here:
            for one, data in found:
                if one == "CNAME" and aliases < ALIASES:
                    after = self.find(data, kind, aliases + 1)
                    return [(name, "CNAME", data), *(after if isinstance(after, list) else [])]
        return here

    def resolve(self, request, _):
        reply = request.reply()
        asked = b".".join(request.q.qname.label).decode(errors="replace")
        found = self.find(asked, dnslib.QTYPE[request.q.qtype])
        if found == SILENT:
            raise dnslib.DNSError(found)
        if found == FAILS:
            reply.header.rcode = dnslib.RCODE.SERVFAIL
        elif found == "NXDOMAIN":
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        else:
            for name, kind, data in found:
                name = request.q.qname if plain(name) == plain(asked) else name
                reply.add_answer(dnslib.RR(name, getattr(dnslib.QTYPE, kind), rdata=rdata(kind, data), ttl=300))
        return reply


def rdata(kind, data):
    if kind == "TXT":
        strings = data if isinstance(data, (list, tuple)) else [data]
        octets = [one.encode() if isinstance(one, str) else one for one in strings]
        return dnslib.TXT([one[at : at + 255] for one in octets for at in range(0, max(len(one), 1), 255)])
    if kind == "MX":
        return dnslib.MX(data[1], data[0])
    return getattr(dnslib, kind)(data)


def plain(name):
    return name.rstrip(".").lower()


def free_port():
    """A port that is free for both."""
    for _ in range(100):
        with contextlib.ExitStack() as probes:
            tcp = probes.enter_context(socket.socket())
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            udp = probes.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no free port")


class Verdict:
    """`verdict`, which asks a zone."""

    def __init__(self, zone):
        self.zone = zone

    def __enter__(self):
        self.process = subprocess.Popen(
            [CLIENT, f"127.0.0.1:{self.zone.port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, failure, *_):
        self.process.stdin.close()
        code = self.process.wait(60)
        expect(failure is not None or code == 0, "exit", code)

    def ask(self, kind, **about):
        if "message" in about:
            about["message"] = base64.b64encode(about["message"]).decode()
        self.process.stdin.write(json.dumps({kind: about}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        expect(line, "it ended", kind, about)
        return json.loads(line)

    def check(self, message=b"", client="192.0.2.1", helo="mx.sender.example", sender="", now=NOW, draw=0):
        about = {"client": client, "helo": helo, "from": sender, "now": now, "draw": draw, "message": message}
        return self.ask("check", **about)
