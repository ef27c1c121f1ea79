"""Measures proxies side by side on loopback; bench/run.sh builds what it needs.

The figure that counts is CPU time per request (user + system, of the proxy's processes only,
from /proc): it hardly depends on what else the machine does. The subjects take turns, several
rounds; every figure is a median of the rounds, ratios are medians of the ratios within a round.
"""
import argparse
import json
import pathlib
import signal

import cases
import report
from processes import Processes, free_port
from subjects import Maker


def run_case(case, options, processes, maker):
    names = [n for n in case.subjects if n in options.subjects]
    subjects = [maker.make(name, **case.start) for name in names]
    rounds = {name: [] for name in names}
    try:
        for _ in range(options.rounds):
            for subject in subjects:
                rounds[subject.name].append(case.measure(subject))
    finally:
        processes.stop(p for subject in subjects for p in subject.processes)
    return {"title": case.title, "columns": case.columns, "figures": report.summary(rounds)}


def run(options):
    results = {}
    chosen = [c for c in cases.matrix(options) if not options.only or c.name in options.only]
    with Processes() as processes:
        port = free_port()
        processes.start([str(options.programs / "origin"), str(port)], port)
        maker = Maker(processes, options.programs, port)
        for case in chosen:
            results[case.name] = run_case(case, options, processes, maker)
            print(report.table(results[case.name]), flush=True)
    return results


def names(text):
    return [name.strip() for name in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=lambda p: pathlib.Path(p).resolve(), default="build/bench")
    parser.add_argument("--only", type=names, help="comma list of cases")
    parser.add_argument("--subjects", type=names, default=cases.EVERYONE, help="comma list of programs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--json", help="also write the results here")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    results = run(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
