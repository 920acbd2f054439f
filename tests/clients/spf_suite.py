"""The published test suite of RFC 7208, as the sources of pyspf carry it: every case of it, over a real DNS server."""

import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import yaml

from house import expect, fact
from zone import FAILS, SILENT, Verdict, Zone

SOURCE = "pyspf==2.0.14"
SUITE = "test/rfc7208-tests.yml"


def suite():
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", ":all:", "--dest", folder, SOURCE]
        subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            member = next(member for member in tar.getmembers() if member.name.endswith(SUITE))
            return list(yaml.safe_load_all(tar.extractfile(member).read()))


def zone_of(scenario):
    """The suite's own form: `SPF` stands for TXT unless there is one; TIMEOUT is for all kinds not named before it."""
    zone = Zone()
    for name, records in scenario["zonedata"].items():
        own = any(isinstance(record, dict) and "TXT" in record for record in records)
        for record in records:
            if record == "TIMEOUT":
                zone.add(name, FAILS)
                continue
            ((kind, data),) = record.items()
            if kind == "SPF":
                if own:
                    continue
                kind = "TXT"
            if data == "NONE":
                zone.records.setdefault(name.lower(), [])
            elif data == "TIMEOUT":
                zone.add(name, FAILS, kind)
            else:
                zone.add(name, kind, data)
    zone.unknown = lambda name: FAILS if name.startswith("error.") else "NXDOMAIN"
    return zone


def main():
    cases = explained = preferred = 0
    wrong = []
    scenarios = suite()
    for scenario in scenarios:
        with zone_of(scenario) as zone, Verdict(zone) as verdict:
            for name, case in scenario["tests"].items():
                cases += 1
                answer = verdict.check(client=case["host"], helo=case["helo"], sender=case["mailfrom"])
                results = case["result"] if isinstance(case["result"], list) else [case["result"]]
                preferred += answer["spf"] == results[0]
                if answer["spf"] not in results:
                    wrong.append(f"{scenario['description']}: {name}: {answer['spf']}, not {results}")
                if "explanation" in case:
                    explained += 1
                    told = answer["explanation"] or "DEFAULT"
                    if told != case["explanation"]:
                        wrong.append(f"{scenario['description']}: {name}: {told!r}, not {case['explanation']!r}")
    expect(not wrong, *wrong)
    expect(cases > 190 and explained > 15, "the suite is not whole", cases, explained)
    fact(f"{cases} cases of {len(scenarios)} scenarios of RFC 7208's suite, {explained} with their explanation: all as it says")
    fact(f"{preferred} of them with the result that it prefers where it allows several")
    silence()


def silence():
    """A server that never answers is an error for now, and in bounded time."""
    with Zone([("quiet.example", SILENT, None)]) as zone, Verdict(zone) as verdict:
        began = time.monotonic()
        answer = verdict.check(sender="a@quiet.example")
        seconds = time.monotonic() - began
        expect(answer["spf"] == "temperror" and 1 < seconds < 25, answer, seconds)
        fact(f"a server that never answers: temperror after {seconds:.1f} s")


if __name__ == "__main__":
    main()
