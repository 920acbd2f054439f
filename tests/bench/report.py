"""The table: medians side by side, ratios, spread, and the client's own CPU."""

import statistics

BEFORE = "pillarbox-before"
# What a change may cost on any line, noise left out.
LEAST_OF_BEFORE = 0.97


def merge(rounds):
    """[{key: [(value, cpu)]}] of several rounds -> {key: {"rounds": medians of each, "median", "min", "max", "cpu"}}.

    A round's value is the median of its repetitions; the result's is the median of the rounds.
    """
    merged = {}
    for values in rounds:
        for key, pairs in values.items():
            kept = merged.setdefault(key, {"rounds": [], "all": [], "cpus": []})
            kept["rounds"].append(statistics.median(value for value, _ in pairs))
            kept["all"] += [value for value, _ in pairs]
            kept["cpus"] += [cpu for _, cpu in pairs if cpu is not None]
    for kept in merged.values():
        kept["median"] = statistics.median(kept["rounds"])
        kept["min"], kept["max"] = min(kept["rounds"]), max(kept["rounds"])
        cpus = kept.pop("cpus")
        kept["cpu"] = statistics.median(cpus) if cpus else None
    return merged


def ratio(row, results):
    """Pillarbox against itself before where that was measured, else against the better Dovecot; above 1 where Pillarbox
    is better; None where it cannot be said."""
    ours = results.get("pillarbox", {}).get(row.key)
    others = [BEFORE] if BEFORE in results else [name for name in results if name != "pillarbox"]
    theirs = [results[name][row.key]["median"] for name in others if row.key in results[name]]
    if not ours or not theirs or not row.better:
        return None
    if row.better == "higher":
        return ours["median"] / max(theirs) if max(theirs) else None
    return min(theirs) / ours["median"] if ours["median"] else None


def short_of(rows, results):
    """What Pillarbox must reach and does not, in words."""
    found = []
    for row in rows:
        ours, against = results.get("pillarbox", {}).get(row.key), ratio(row, results)
        if BEFORE in results:
            if against and against < LEAST_OF_BEFORE:
                found.append(f"{row.title.strip()} ({row.unit}): {against:.2f} times what it was")
            continue
        if ours and ours["median"] < row.least:
            found.append(f"{row.title.strip()}: {number(ours['median'])} {row.unit}, and at least {row.least} is due")
        if against and against < row.ahead:
            found.append(f"{row.title.strip()} ({row.unit}): {against:.2f} times Dovecot, and at least {row.ahead} is due")
    return found


def number(value):
    """Three significant digits, thousands marked."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2f}"


def table(rows, results, failures, floor):
    """The lines of the table. `results`: {peer: merged}; `failures`: {(peer, key): text}."""
    peers = list(results)
    lines = [["measurement", "unit", *peers, "ratio", *(f"{short(peer)} min..max" for peer in peers), "client CPU"]]
    for row in rows:
        if row.key == "floor":
            if floor:
                cells = [""] * len(peers)
                cells[0] = number(floor["median"])
                spread = [""] * len(peers)
                spread[0] = f"{number(floor['min'])}..{number(floor['max'])}"
                lines.append([row.title, row.unit, *cells, "", *spread, ""])
            continue
        cells, spread, cpus = [], [], []
        for peer in peers:
            kept = results[peer].get(row.key)
            if (peer, row.key) in failures and not kept:
                cells.append("failed")
            else:
                cells.append(number(kept["median"]) if kept else "-")
            spread.append(f"{number(kept['min'])}..{number(kept['max'])}" if kept else "-")
            cpus.append(f"{kept['cpu']:.0%}" if kept and kept["cpu"] is not None else "-")
        if all(cell == "-" for cell in cells):
            continue
        against = ratio(row, results)
        lines.append([row.title, row.unit, *cells, f"{against:.2f}" if against else "", *spread, " ".join(cpus)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    out = []
    for at, line in enumerate(lines):
        cells = [cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths))]
        out.append("  ".join(cells).rstrip())
        if at == 0:
            out.append("  ".join("-" * width for width in widths))
    return out


def short(peer):
    """A peer's name for narrow columns."""
    return peer.removeprefix("dovecot-")
