"""Rounds become figures, tables, JSON and the generated part of a document."""
import pathlib
import statistics

import targets

HEADINGS = {"cpu_us": "CPU us", "user_us": "user us", "system_us": "system us", "per_second": "per second",
            "p50_ms": "p50 ms", "p99_ms": "p99 ms", "cpu_ms_per_gib": "CPU ms/GiB", "gib_per_second": "GiB/s",
            "growth_mib": "growth MiB", "bytes_each": "bytes each", "rss_mib": "RSS MiB", "start_ms": "start ms"}
FLOORS = {"nginx": "/ nginx", "bare relay": "/ relay"}
BEGIN, END = "<!-- figures: begin, made by bench/bench.py -->", "<!-- figures: end -->"


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def summary(rounds, cost):
    """name -> [figures of a round] becomes name -> figure -> {min, median, max}.

    Ratios of the figure `cost` compare within a round, where the machine was in the same mood
    for both.
    """
    out = {}
    for name, samples in rounds.items():
        out[name] = {key: spread([s[key] for s in samples]) for key in samples[0]}
        for other, heading in FLOORS.items():
            if other in rounds:
                out[name][heading] = spread(
                    [s[cost] / t[cost] if t[cost] > 0 else 0 for s, t in zip(samples, rounds[other])])
    return out


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cells(case):
    """Lines of cells: headings, then the medians of each subject."""
    figures = case["figures"]
    columns = case["columns"] + [h for h in FLOORS.values() if any(h in f for f in figures.values())]
    yield [""] + [HEADINGS.get(c, c) for c in columns]
    for name, values in figures.items():
        yield [name] + [number(values[c]["median"]) if c in values else "" for c in columns]


def text(title, lines, note=""):
    lines = list(lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = [f"\n{title}"]
    for line in lines:
        out.append(line[0].ljust(widths[0]) + "".join(c.rjust(w + 2) for c, w in zip(line[1:], widths[1:])))
    return "\n".join(out + ([f"({note})"] if note else []))


def markdown(title, lines, note=""):
    head, *rest = lines
    out = [f"### {title}", "", *([note, ""] if note else []), "| " + " | ".join(head) + " |",
           "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in rest]) + "\n"


def case_text(case):
    return text(case["title"], cells(case), case["note"])


def targets_text(results):
    return text("Targets", targets.lines(results["cases"]))


def about(results):
    """One sentence on where the figures come from."""
    machine = results["machine"]
    return (f"Cordgate {machine['commit']} on {machine['date']}; {machine['cpu']}, {machine['cores']} cores, "
            f"Linux {machine['kernel']}; " + ", ".join(machine["versions"].values()) +
            f"; {results['rounds']} rounds of {results['seconds']} s; medians.")


def write_document(path, results):
    """Replaces what is between the markers of a Markdown file."""
    path = pathlib.Path(path)
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    parts = [about(results) + "\n", markdown("Targets", targets.lines(results["cases"]))]
    parts += [markdown(case["title"], cells(case), case["note"]) for case in results["cases"].values()]
    path.write_text(before + BEGIN + "\n\n" + "\n".join(parts) + "\n" + END + after)
