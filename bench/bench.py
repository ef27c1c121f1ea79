"""Measures proxies side by side on loopback; bench/run.sh builds what it needs.

The figure that counts is CPU time per request (user + system, of the proxy's processes only,
from /proc): it depends less on what else the machine does than a time would. The subjects take turns, several
rounds; every figure is a median of the rounds, ratios are medians of the ratios within a round.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import cases
import load
import report
from processes import Processes, free_port
from subjects import FILES, Maker


def run_case(case, options, processes, maker):
    """The rounds of one case; its subjects are gone afterwards."""
    names = [n for n in case.subjects if n in options.subjects]
    rounds = {name: [] for name in names}

    def make(name):
        return maker.make(name, case.workers, **case.settings.get(name, {}))

    running = {} if case.fresh else {name: make(name) for name in names}
    try:
        for _ in range(min(options.rounds, case.rounds)):
            for name in names:
                if case.fresh:
                    running = {name: make(name)}
                rounds[name].append(case.measure(running[name]))
                if case.fresh:
                    processes.stop(running.pop(name).processes)
    finally:
        processes.stop(p for subject in running.values() for p in subject.processes)
    return {"title": case.title, "note": case.note, "columns": case.columns,
            "figures": report.summary(rounds, case.columns[0])}


def said(*command):
    """The first version number in what a program prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    return re.search(r"\d+\.\d+[\d.]*", done.stdout + done.stderr)[0]


def machine(options):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run([options.programs / "cordgate", "version"], capture_output=True, text=True).stdout
    return {"date": datetime.date.today().isoformat(), "cpu": cpu[1] if cpu else os.uname().machine,
            "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
            "commit": re.search(r"\b[0-9a-f]{12}\b|unknown", commit)[0],
            "versions": {"nginx": f"nginx {said('nginx', '-v')}", "haproxy": f"HAProxy {said('haproxy', '-v')}",
                         "caddy": f"Caddy {said('caddy', 'version')}", "wrk": f"wrk {said('wrk', '-v')}"}}


def run(options):
    """The results, and the names of the cases that failed: the others still count."""
    failed = []
    results = {"machine": machine(options), "rounds": options.rounds, "seconds": options.seconds, "cases": {}}
    with Processes() as processes:
        port = free_port()
        processes.start([str(options.programs / "origin"), str(port)], port)
        maker = Maker(processes, options.programs, port)
        for case in cases.matrix(options):
            if options.only and case.name not in options.only:
                continue
            try:
                results["cases"][case.name] = run_case(case, options, processes, maker)
            except load.Failed as failure:
                failed.append(case.name)
                print(f"\n{case.title}: FAILED\n{failure}", flush=True)
                continue
            print(report.case_text(results["cases"][case.name]), flush=True)
            if options.json:
                options.json.write_text(json.dumps(results, indent=2) + "\n")
    return results, failed


def arguments():
    def names(text):
        return [name.strip() for name in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=lambda p: pathlib.Path(p).resolve(), default="build/bench")
    parser.add_argument("--only", type=names, help="comma list of cases; --list names them")
    parser.add_argument("--subjects", type=names, default=cases.EVERYONE,
                        help="comma list of programs: " + ", ".join(cases.EVERYONE))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of load, for each subject in a round")
    parser.add_argument("--quick", action="store_true", help="one round of a second, and an eighth of the bulk")
    parser.add_argument("--json", type=pathlib.Path, help="also write the results here")
    parser.add_argument("--doc", help="also write the figures into this document, between its markers")
    parser.add_argument("--from", dest="earlier", type=pathlib.Path, help="measure nothing: use these results")
    parser.add_argument("--list", action="store_true", help="name the cases")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1
    known = [case.name for case in cases.matrix(options)]
    for name in options.only or []:
        if name not in known:
            parser.error(f"no case is named '{name}', but: {', '.join(known)}")
    for name in options.subjects:
        if name not in cases.EVERYONE:
            parser.error(f"no program is named '{name}', but: {', '.join(cases.EVERYONE)}")
    return options


def main():
    options = arguments()
    if options.list:
        print("\n".join(f"{case.name:16} {case.title}" for case in cases.matrix(options)))
        return
    if FILES < 4096:
        sys.exit(f"the limit of open files is {FILES}; a thousand connections need 4096 (ulimit -n)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results, failed = (json.loads(options.earlier.read_text()), []) if options.earlier else run(options)
    if options.earlier:
        print("\n".join(report.case_text(case) for case in results["cases"].values()))
    print(report.targets_text(results))
    if options.doc:
        report.write_document(options.doc, results)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
