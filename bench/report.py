"""Rounds become figures, tables and JSON."""
import statistics

HEADINGS = {"cpu_us": "CPU us", "user_us": "user", "system_us": "system", "per_second": "req/s",
            "p50_ms": "p50 ms", "p99_ms": "p99 ms"}
FLOORS = {"nginx": "/ nginx", "bare relay": "/ relay"}


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def summary(rounds):
    """name -> [figures of a round] becomes name -> figure -> {min, median, max}.

    Ratios compare within a round, where the machine was in the same mood for both.
    """
    out = {}
    for name, samples in rounds.items():
        out[name] = {key: spread([s[key] for s in samples]) for key in samples[0]}
        for other, heading in FLOORS.items():
            if "cpu_us" in samples[0] and other in rounds:
                out[name][heading] = spread([s["cpu_us"] / t["cpu_us"] for s, t in zip(samples, rounds[other])])
    return out


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rows(case, figures):
    """Lines of cells: headings, then a line for each subject, of medians."""
    columns = case["columns"] + [h for h in FLOORS.values() if any(h in f for f in figures.values())]
    yield [""] + [HEADINGS.get(c, c) for c in columns]
    for name, values in figures.items():
        yield [name] + [number(values[c]["median"]) if c in values else "" for c in columns]


def table(case):
    lines = list(rows(case, case["figures"]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [f"\n{case['title']}"]
    for line in lines:
        text.append(line[0].ljust(widths[0]) + "".join(cell.rjust(w + 2) for cell, w in zip(line[1:], widths[1:])))
    return "\n".join(text)
