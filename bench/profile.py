"""Where the time of an authenticated request goes; bench/profile.sh builds what it needs.

  callgrind   instructions per request in user space, and the functions they are spent in.
              Counts, not times: they are the same whatever else the machine does.
  calls       system calls per request of Cordgate, nginx and the bare relay under load
  samples     where the CPU was, the kernel included, under load; needs perf
"""
import argparse
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from load import run
from processes import Processes, family, free_port
from subjects import Maker

WARM_UP = 10
BEGIN, END = "<!-- profile: begin, made by bench/profile.py -->", "<!-- profile: end -->"
said = []


def say(text):
    print(text, flush=True)
    said.append(text)


def write_document(path):
    """Puts what was said between the markers of a Markdown file."""
    before, rest = path.read_text().split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n```text\n{chr(10).join(said).strip()}\n```\n\n{END}{rest.split(END)[1]}")


class Visitors:
    """Connections that ask for the same page again and again, each with one request on its way."""

    def __init__(self, subject, path, connections):
        self.text = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{subject.port}\r\nUser-Agent: bench\r\n"
                     f"Accept: */*\r\nCookie: {subject.cookie}\r\n\r\n").encode()
        self.sockets = [socket.create_connection(("127.0.0.1", subject.port), timeout=30)
                        for _ in range(connections)]

    def ask(self, count):
        """`count` times on each connection."""
        for _ in range(count):
            for each in self.sockets:
                each.sendall(self.text)
            for each in self.sockets:
                read_answer(each)


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or sys.exit("the connection was closed")
    head, body = data.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"wrong answer: {head[:200]}")
    left = int(re.search(rb"(?i)content-length: (\d+)", head)[1]) - len(body)
    while left > 0:
        left -= len(connection.recv(65536)) or sys.exit("the connection was closed")


def callgrind(options, processes, maker):
    """Counts from a moment after the warm-up to one after the last request."""
    out = processes.name("callgrind")
    wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--cache-sim=no"]
    subject = maker.make("cordgate", wrapper=wrapper)
    visitors = Visitors(subject, options.path, options.connections)
    visitors.ask(WARM_UP)
    each = max(options.requests // options.connections, 1)
    count = each * options.connections
    subprocess.run(["callgrind_control", "--zero", str(subject.pid)], check=True, capture_output=True)
    visitors.ask(each)
    subprocess.run(["callgrind_control", "--dump", str(subject.pid)], check=True, capture_output=True)
    processes.stop(subject.processes)
    dump = f"{out}.1"
    text = annotate(dump)
    total = int(re.search(r"([\d,]+) .*PROGRAM TOTALS", text)[1].replace(",", ""))
    say(f"\nGET {options.path}: {total / count:,.0f} instructions per request in user space"
          f" ({count} requests, {options.connections} connections)")
    listing("self", text, count, total, options.top)
    listing("with what they call", annotate(dump, "--inclusive=yes"), count, total, options.top)


def annotate(dump, *more):
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", *more, dump]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def listing(title, text, count, total, top):
    say(f"\n{'per request':>12}{'share':>7}  function, {title}")
    found = re.findall(r"^ *([\d,]+) \([^)]*\)  (\S.*)$", text, re.M)
    rows = [(int(cost.replace(",", "")), readable(name)) for cost, name in found if "PROGRAM TOTALS" not in name]
    # What was on the stack when counting began, the event loop, has no cost of its own.
    rows = [(cost, name) for cost, name in rows if cost < 0.98 * total]
    for cost, name in rows[:top]:
        say(f"{cost / count:12,.0f}{100 * cost / total:6.1f}%  {name}")


def readable(name):
    """The function without its file, object, template arguments and parameters."""
    name = re.sub(r"^\?\?\?:(0x\w+) \[(?:.*/)?([^]]*)\]$", r"\1 in \2", name)
    name = re.sub(r" \[[^]]*\]$", "", name)
    name = re.sub(r"^[^ :]*:(?!:)", "", name)
    name = name.replace("(anonymous namespace)::", "").replace("[abi:cxx11]", "")
    for brackets in ("<>", "()"):
        inner = re.compile(r"\%s[^%s]*\%s" % (brackets[0], re.escape(brackets), brackets[1]))
        while (shorter := inner.sub("", name)) != name:
            name = shorter
    return name[:110]


def under_load(subject, options, seconds):
    """wrk on the subject, begun; ends by itself."""
    command = ["wrk", "-t1", f"-c{options.load_connections}", f"-d{seconds}s", "-H", f"Cookie: {subject.cookie}",
               f"http://127.0.0.1:{subject.port}{options.path}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def calls(options, processes, maker):
    """strace slows the subject down, but what it calls for a request stays what it was."""
    say(f"\nsystem calls per request, {options.load_connections} connections")
    for name in ("bare relay", "nginx", "cordgate"):
        subject = maker.make(name)
        report = processes.name("strace")
        load = under_load(subject, options, 3)
        time.sleep(0.5)
        attached = [f"-p{pid}" for pid in family(subject.pid)]
        trace = processes.spawn(["strace", "-f", "-o", str(report), "-e", "trace=all", "-e", "signal=none", *attached])
        text = load.communicate(timeout=60)[0]
        trace.send_signal(signal.SIGINT)
        trace.wait(10)
        processes.stop(subject.processes)
        if "requests in" not in text:
            sys.exit(text)
        names = re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", report.read_text(errors="replace"), re.M)
        unfinished = re.findall(r"^\d+ +(\w+)\(.*<unfinished \.\.\.>$", report.read_text(errors="replace"), re.M)
        totals = {}
        for call in names:
            totals[call] = totals.get(call, 0) + 1
        for call in unfinished:  # and once more when it resumed
            totals[call] -= 1
        # Each request is written twice: to the origin, and its answer to the client.
        writes = sum(totals.get(call, 0) for call in ("write", "writev", "sendto", "sendmsg", "sendfile"))
        heavy = sorted(((n / (writes / 2), call) for call, n in totals.items()), reverse=True)
        say(f"{name:12} {sum(n for n, _ in heavy):5.2f}  " +
              ", ".join(f"{call} {n:.2f}" for n, call in heavy if n >= 0.01))


def samples(options, processes, maker):
    subject = maker.make("cordgate")
    data = processes.name("perf")
    load = under_load(subject, options, 4)
    time.sleep(0.5)
    done = subprocess.run(["perf", "record", "-o", str(data), "-e", "cpu-clock", "-F", "5000", "-p", str(subject.pid),
                           "--", "sleep", "3"], capture_output=True, text=True)
    load.communicate(timeout=60)
    processes.stop(subject.processes)
    if done.returncode != 0:
        say(f"\nperf cannot sample here: {done.stderr.strip().splitlines()[-1:]}")
        return
    for sort in ("dso", "dso,symbol"):
        text = run(["perf", "report", "-i", str(data), "--stdio", "--no-children", "-s", sort], 60)
        say(f"\nshare of the CPU, by {sort}")
        rows = [line.rstrip() for line in text.splitlines() if re.match(r" +\d+\.\d+%", line)]
        for row in rows[:options.top]:
            say(re.match(r" +\S+%", row)[0] + "  " + readable(row.strip().split(maxsplit=1)[1]).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=lambda p: pathlib.Path(p).resolve(), default="build/profile")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--load-connections", type=int, default=64, help="of calls and samples")
    parser.add_argument("--path", default="/small")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--doc", type=pathlib.Path, help="also write this into a document, between its markers")
    parser.add_argument("--only", type=lambda t: t.split(","), default=["callgrind", "calls", "samples"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Processes() as processes:
        port = free_port()
        processes.start([str(options.programs / "origin"), str(port)], port)
        maker = Maker(processes, options.programs, port)
        for part, tool in ((callgrind, "valgrind"), (calls, "strace"), (samples, "perf")):
            if part.__name__ not in options.only:
                continue
            if shutil.which(tool):
                part(options, processes, maker)
            else:
                say(f"\n{tool} is not installed")
    if options.doc:
        write_document(options.doc)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
