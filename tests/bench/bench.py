"""Measures Pillarbox beside Dovecot (Maildir and mdbox): same disk, same mail, interleaved rounds.

Each round gives every peer a fresh store and runs all measurements on it, one peer after the other; the
next round begins with another peer. The table's values are medians of the rounds.
"""

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import sys
import time
import traceback
from pathlib import Path

import host
import mail
import measures
import peers
import report
from stage import Stage, load_boxes, load_drop, load_mail

ROOT = Path(__file__).resolve().parents[2]
FULL = {"messages": 10_000, "appends": 1000, "seconds": 4, "costs": 400, "repeats": 5, "boxes": 200, "notices": 20, "idle": 1000}
QUICK = {"messages": 1000, "appends": 160, "seconds": 1, "costs": 80, "repeats": 2, "boxes": 20, "notices": 5, "idle": 100}


def options():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    names = ",".join(module.NAME for module in measures.ALL)
    parser.add_argument("--quick", action="store_true", help="a tenth of the mail, one round: a smoke test")
    parser.add_argument("--only", metavar="NAME[,NAME]", help=f"some of: {names}")
    parser.add_argument("--peers", metavar="NAME[,NAME]", help=f"some of: {','.join(peers.PEERS)}")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3; with --quick 1)")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/pillarbox", help="the pillarbox to measure")
    parser.add_argument("--before", type=Path, help="a pillarbox of before: measured as a peer; ratios are against it alone")
    parser.add_argument("--mail", choices=("synthetic", "both"), default="both", help="with the real mail too (default)")
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared/corpus/real-mail.mbox.xz", help="the real mail")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench", help="folder for mail and stores")
    parser.add_argument("--own-logins", action="store_true", help="Dovecot's default: a log-in process per connection")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every value there")
    for key, value in FULL.items():
        parser.add_argument(f"--{key}", type=int, help=f"{value}; with --quick {QUICK[key]}")
    chosen = parser.parse_args()
    for key, value in (QUICK if chosen.quick else FULL).items():
        if getattr(chosen, key) is None:
            setattr(chosen, key, value)
    if chosen.rounds is None:
        chosen.rounds = 1 if chosen.quick else 3
    chosen.modules = [module for module in measures.ALL if not chosen.only or module.NAME in chosen.only.split(",")]
    peers.Dovecot.shared_logins = not chosen.own_logins
    chosen.kinds = choose_peers(parser, chosen)
    if not chosen.modules:
        parser.error(f"--only: none of {names}")
    return chosen


def choose_peers(parser, chosen):
    """The peers asked for; Pillarbox is left out with a word when it is not built and was not named."""
    names = chosen.peers.split(",") if chosen.peers else list(peers.PEERS)
    for name in names:
        if name not in peers.PEERS:
            parser.error(f"--peers: no {name}; known: {', '.join(peers.PEERS)}")
    chosen.binary = chosen.binary.resolve()
    if "pillarbox" in names and not os.access(chosen.binary, os.X_OK):
        if chosen.peers:
            parser.error(f"{chosen.binary} is missing: cargo build --release")
        host.say(f"pillarbox is left out: {chosen.binary} is missing (cargo build --release)")
        names.remove("pillarbox")
    peers.Pillarbox.binary = chosen.binary
    kinds = [peers.PEERS[name] for name in names]
    if not chosen.before:
        return kinds
    if not os.access(chosen.before, os.X_OK):
        parser.error(f"--before: {chosen.before} is missing")
    peers.PillarboxBefore.binary = chosen.before.resolve()
    return [peers.PillarboxBefore, *(kinds if chosen.peers else [peers.Pillarbox])]


def run_peer(peer, chosen, synthetic, real, failures):
    """One peer's turn in one round: a fresh store, then every measurement."""
    stage = Stage(peer, chosen, synthetic, real)
    began = time.perf_counter()
    try:
        peer.create()
        peer.start()
        loaded = set()
        for module in chosen.modules:
            # Not before it is needed: the memory and the APPENDs at the beginning are those of an empty store.
            missing = set(module.NEEDS.split()) - loaded
            if "mail" in missing and module.NAME != "disk":  # `disk` measures the loading itself
                load_mail(stage)
            if "boxes" in missing:
                load_boxes(stage)
            if "drop" in missing:
                load_drop(stage)
            loaded |= missing
            try:
                module_began = time.perf_counter()
                module.run(stage)
                host.say(f"  {module.NAME}: {time.perf_counter() - module_began:.1f} s")
            except Exception as fault:  # one failed measurement must not cost the others
                host.say(f"{peer.name}: {module.NAME} failed: {fault!r}")
                for row in module.ROWS:
                    failures.setdefault((peer.name, row.key), repr(fault))
                if os.environ.get("BENCH_TRACE"):
                    traceback.print_exc()
                peer.stop()
                peer.start()
    except Exception as fault:
        host.say(f"{peer.name}: gave up this round: {fault!r}")
        failures[(peer.name, "round")] = repr(fault)
        if os.environ.get("BENCH_TRACE"):
            traceback.print_exc()
    finally:
        peer.remove()
    host.say(f"{peer.name}: {time.perf_counter() - began:.0f} s")
    return stage


def allow_files(wanted):
    """Raises the limit of open files, for ourselves and for the servers, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def main():
    """Runs the rounds, prints the table."""
    chosen = options()
    for number in (signal.SIGINT, signal.SIGTERM):  # both end the run early, with a table of what there is
        signal.signal(number, signal.default_int_handler)
    allow_files(20_000)
    chosen.work.mkdir(parents=True, exist_ok=True)
    synthetic = mail.synthetic(chosen.work, chosen.messages)
    real = None
    if chosen.mail == "both":
        if chosen.real.exists():
            real = mail.real(chosen.real, 300 if chosen.quick else 3000)
        else:
            host.say(f"the real mail is left out: {chosen.real} is missing")
    turn = [kind(chosen.work) for kind in chosen.kinds]
    for peer in turn:
        peer.prepare()
    rounds = {peer.name: [] for peer in turn}
    failures, floor, cold = {}, [], ""
    sizes = {}
    try:
        for number in range(chosen.rounds):
            floor.append(statistics.median(host.durable_commit_ms(chosen.work)))
            for at in range(len(turn)):
                peer = turn[(at + number) % len(turn)]
                host.say(f"round {number + 1} of {chosen.rounds}: {peer.name}")
                stage = run_peer(peer, chosen, synthetic, real, failures)
                rounds[peer.name].append(stage.values)
                cold = stage.cold or cold
                sizes.setdefault(peer.name, stage.sizes)
    except KeyboardInterrupt:
        host.say("interrupted; the table shows what was measured so far")
    finally:
        for peer in turn:
            peer.group.remove()
    short = show(chosen, [mail for mail in (synthetic, real) if mail], rounds, failures, floor, cold, sizes)
    sys.exit(1 if failures or short else 0)


def show(chosen, mails, rounds, failures, floor, cold, sizes):
    """Prints the table with its circumstances, and writes the JSON file; returns where Pillarbox falls short."""
    results = {name: report.merge(values) for name, values in rounds.items()}
    rows = [row for module in chosen.modules for row in module.ROWS]
    merged_floor = {"median": statistics.median(floor), "min": min(floor), "max": max(floor)} if floor else None
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; {chosen.rounds} interleaved rounds")
    for body in mails:
        print(body.describe())
    if chosen.messages != FULL["messages"] or chosen.boxes != FULL["boxes"] or chosen.idle != FULL["idle"]:
        print(f"smaller than the titles say: {chosen.messages} messages, {chosen.boxes} mailboxes, {chosen.idle} connections")
    if cold:
        print(f"cold: {cold}")
    against = "how it was before" if chosen.before else "the better Dovecot"
    print(f"ratio: pillarbox against {against}, above 1 where pillarbox is better;")
    print("client CPU: user + system time of the client per second of wall time, each peer in the order of the columns")
    print()
    print("\n".join(report.table(rows, results, failures, merged_floor)))
    for (peer, key), fault in sorted(failures.items()):
        print(f"failed: {peer}, {key}: {fault}")
    short = report.short_of(rows, results)
    for line in short:
        print(f"falls short: {line}")
    if chosen.json:
        record = {
            "options": {key: str(value) for key, value in vars(chosen).items() if key not in ("modules", "kinds")},
            "cold": cold,
            "floor_ms": merged_floor,
            "results": results,
            "ratios": {row.key: report.ratio(row, results) for row in rows},
            "reply_bytes": sizes,
            "failures": {f"{peer} {key}": fault for (peer, key), fault in failures.items()},
        }
        chosen.json.write_text(json.dumps(record, indent=1) + "\n")
    return short


if __name__ == "__main__":
    main()
