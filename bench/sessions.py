"""What many sessions cost: bytes, memory and time in SQLite and in Redis, and logins of a whole daemon.

For each store in turn: session_store writes the sessions and looks at them, the daemon starts on them and
people log in through the simulator, then the expired are purged while others read and write. Redis is a
redis-server of this program's own, on a unix socket in its own folder. `./dev bench sessions` builds what
it needs. Takes about 15 minutes and 4 GB of disk and of memory for 1,000,000 sessions.
"""
import argparse
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from http.client import HTTPConnection

import report
from processes import Processes, cpu_seconds, free_port, resident_bytes

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # that of session_store
MIB = 1 << 20
BEGIN, END = "<!-- figures: begin, made by bench/sessions.py -->", "<!-- figures: end -->"
INDEXES = {"sqlite_autoindex_sessions_1": "by cookie", "sqlite_autoindex_sessions_2": "by handle",
           "sessions_by_user": "by user", "sessions_by_expires": "by expiry", "sessions_by_last_seen": "by last use"}


class Sqlite:
    """A database file of its own."""

    def __init__(self, processes, _options):
        self.path = processes.folder / "sessions.db"
        self.url = f"sqlite:{self.path}"

    def size(self, _processes, _sessions):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as database:
            bytes_of = dict(database.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
            sealed, = database.execute("SELECT avg(length(sealed)) FROM sessions").fetchone()
        wal = pathlib.Path(f"{self.path}-wal")
        return {"bytes": self.path.stat().st_size, "sealed_bytes_each": sealed,
                "wal_mib": wal.stat().st_size / MIB if wal.exists() else 0,
                "indexes": {name: bytes_of[table] for table, name in INDEXES.items()}}


class Redis:
    """A redis-server of its own."""

    def __init__(self, processes, options):
        self.socket = processes.folder / "redis.sock"
        self.url = f"redis+unix:{self.socket}"
        process = processes.spawn(["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(processes.folder),
                                   "--save", "", "--appendonly", "yes", "--appendfsync", options.appendfsync,
                                   "--auto-aof-rewrite-percentage", "0"])
        self.pid = process.pid
        end = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
                return
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"redis-server did not start:\n{pathlib.Path(process.log).read_text()}")
            time.sleep(0.01)

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-s", str(self.socket), *words], capture_output=True, check=True, timeout=120)
        return done.stdout.decode("latin-1")

    def info(self, name):
        return int(re.search(rf"^{name}:(\d+)", self.ask("INFO"), re.M)[1])

    def size(self, processes, sessions):
        of_index = lambda key: int(self.ask("MEMORY", "USAGE", key, "SAMPLES", "0") or 0)
        # Besides one key a session there are the three indexes of all, and one of each user.
        users = int(self.ask("DBSIZE")) - sessions - 3
        some = self.ask("SCAN", "0", "MATCH", "cordgate:u:*", "COUNT", "5000").split()[1:201]
        return {"bytes": self.info("used_memory"), "rss_mib": resident_bytes(self.pid) / MIB,
                "log_mib": sum(f.stat().st_size for f in (processes.folder / "appendonlydir").iterdir()) / MIB,
                "indexes": {"by handle": of_index("cordgate:handles"), "by expiry": of_index("cordgate:expires"),
                            "by last use": of_index("cordgate:seen"),
                            "by user": sum(map(of_index, some)) / len(some) * users}}


STORES = {"sqlite": Sqlite, "redis": Redis}


# --- logins -----------------------------------------------------------------------------

USERS = [300000000000000000 + i for i in range(1000)]


def world():
    """1,000 people in the simulator, who are in some 30 of 300 guilds each."""
    members = {i: [] for i in range(300)}
    for i, user in enumerate(USERS):
        for guild in {(i + step * step) % 300 for step in range(36)}:
            members[guild].append({"user": str(user)})
    return json.dumps({
        "users": [{"id": str(user), "username": f"person{i}", "avatar": f"{user:032x}"} for i, user in enumerate(USERS)],
        "guilds": [{"id": str(200000000000000000 + i), "name": f"Guild number {i}", "icon": f"{i:032x}", "members": of}
                   for i, of in members.items()]})


class Gate:
    """The daemon on a store, with the simulator as Discord."""

    def __init__(self, processes, options, url):
        discord, self.port = free_port(), free_port()
        origin = f"http://127.0.0.1:{discord}"
        self.simulator = processes.start(
            [str(options.programs / "discord-sim"), "--listen", f"127.0.0.1:{discord}", "--world", processes.write("world.json", world()),
             "--no-rate-limits", "--redirect-uri", f"http://127.0.0.1:{self.port}/callback"], discord)
        conf = processes.write("cordgate.yaml", f"""
server: {{listen: ['127.0.0.1:{self.port}'], public_url: 'http://127.0.0.1:{self.port}', limits: {{logins_per_minute: 0}}}}
discord: {{client_id: '1100000000000000001', client_secret: 'demo-secret-of-the-simulator', api_url: '{origin}/api/v10',
          authorize_url: '{origin}/oauth2/authorize', cdn_url: '{origin}'}}
upstreams: [{{url: 'http://127.0.0.1:1'}}]
session: {{store: '{url}', keys: ['{KEY}']}}
internal: {{listen: '127.0.0.1:0'}}
log: {{access: false}}
""")
        self.process = processes.start([str(options.programs / "cordgate"), "serve", "--config", conf], self.port, patience=600)
        self.start_seconds = time.monotonic() - self.process.began

    def log_in(self, user, connections):
        """One login, on connections that stay open."""
        cookies, url = {}, f"http://127.0.0.1:{self.port}/login"
        for method in ("GET", "POST", "GET"):  # the gate, the consent page, the gate
            parts = urllib.parse.urlsplit(url)
            if parts.port not in connections:
                connections[parts.port] = HTTPConnection("127.0.0.1", parts.port, timeout=60)
                connections[parts.port].connect()
                connections[parts.port].sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection, body, headers = connections[parts.port], None, {}
            if method == "POST":
                body, headers = f"decision=authorize&user={user}", {"Content-Type": "application/x-www-form-urlencoded"}
            else:
                headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in cookies.items())
            connection.request(method, f"{parts.path}?{parts.query}", body, headers)
            answer = connection.getresponse()
            told = answer.read()
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, value = line.split(";")[0].split("=", 1)
                cookies[name] = value
            if answer.status not in (302, 303):
                raise RuntimeError(f"a login ended with {answer.status} at {parts.path}: {told[:300]}")
            url = urllib.parse.urljoin(url, answer.headers["Location"])
        if not cookies.get("cordgate"):
            raise RuntimeError("a login made no session")


def logins(gate, seconds, at_once):
    """People who log in one after the other, so many at a time."""
    times, problems, end = [], [], time.monotonic() + seconds

    def work(users):
        connections = {}
        try:
            while time.monotonic() < end:
                began = time.monotonic()
                gate.log_in(next(users), connections)
                times.append((time.monotonic() - began) * 1e3)
        except Exception as problem:  # told below
            problems.append(problem)
        for connection in connections.values():
            connection.close()

    gate.log_in(USERS[0], {})
    rss = resident_bytes(gate.process.pid)
    threads = [threading.Thread(target=work, args=[itertools.cycle(USERS[i::at_once])]) for i in range(at_once)]
    before, began = cpu_seconds(gate.process.pid)[0], time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.monotonic() - began, cpu_seconds(gate.process.pid)[0] - before
    if problems:
        raise SystemExit(f"logins failed: {problems[0]}\n{pathlib.Path(gate.process.log).read_text()[-2000:]}")
    times.sort()
    return {"start_seconds": gate.start_seconds, "rss_mib": rss / MIB, "logins": len(times), "per_second": len(times) / took,
            "cpu_ms_each": used * 1e3 / len(times), "p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100]}


# --- the whole ----------------------------------------------------------------------------

def session_store(options, command, url, *more):
    done = subprocess.run([str(word) for word in (options.programs / "session_store", command, url, options.sessions, *more)],
                          capture_output=True, text=True, timeout=options.seconds + 1800)
    if done.returncode != 0:
        raise SystemExit(f"session_store {command} {url} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def measure(store, options):
    """All figures of a store, in the order of the questions."""
    with Processes() as processes:
        kept = STORES[store](processes, options)
        tell = lambda what: print(f"{store}: {what}", file=sys.stderr, flush=True)
        empty = kept.info("used_memory") if store == "redis" else 0
        tell(f"writing {options.sessions:,} sessions")
        out = {"fill": session_store(options, "fill", kept.url, options.seconds)}
        options.sessions = int(out["fill"]["written"])  # fewer when the time was up
        out["size"] = kept.size(processes, options.sessions)
        out["size"]["bytes_each"] = (out["size"]["bytes"] - empty) / options.sessions
        tell("looking at them")
        out["look"] = session_store(options, "look", kept.url)
        tell("logging in")
        gate = Gate(processes, options, kept.url)
        out["logins"] = logins(gate, options.login_seconds, options.at_once)
        processes.stop([gate.process, gate.simulator])
        tell("purging")
        out["purge"] = session_store(options, "purge", kept.url)
        return out


ROWS = (  # heading, section, figure
    ("sessions written", "fill", "written"), ("seconds to write them", "fill", "seconds"),
    ("written per second", "fill", "per_second"), ("a write, p50 ms", "fill", "create_p50_ms"), ("a write, p99 ms", "fill", "create_p99_ms"),
    ("MiB in all (file, used_memory)", "size", "mib"), ("bytes a session", "size", "bytes_each"), ("... of which indexes", "size", "index_bytes_each"),
    ("RSS of redis-server, MiB", "size", "rss_mib"), ("append-only log, MiB", "size", "log_mib"),
    ("look-up of a session that is not in the cache, p50 ms", "look", "find_p50_ms"), ("... p99 ms", "look", "find_p99_ms"),
    ("... by 4 threads at once, p99 ms", "look", "find_by_4_p99_ms"), ("look-up of an unknown cookie, p99 ms", "look", "find_unknown_p99_ms"),
    ("touch, p99 ms", "look", "touch_p99_ms"), ("sessions of a user, p99 ms", "look", "list_user_p99_ms"),
    ("page of 100 of all, p99 ms", "look", "list_page_of_100_p99_ms"), ("end a user's sessions, p99 ms", "look", "end_user_p99_ms"),
    ("sessions of the user with most", "look", "heavy_user_sessions"), ("... to end them, ms", "look", "end_heavy_user_max_ms"),
    ("RSS of the process that did this, MiB", "look", "rss_mib"), ("a session in the daemon's cache, KiB", "look", "cached_kib_each"),
    ("the daemon's start, s", "logins", "start_seconds"), ("its RSS after the first login, MiB", "logins", "rss_mib"),
    ("logins per second", "logins", "per_second"), ("CPU ms of the daemon per login", "logins", "cpu_ms_each"),
    ("a login, p50 ms", "logins", "p50_ms"), ("... p99 ms", "logins", "p99_ms"),
    ("expired sessions purged", "purge", "purged"), ("... in seconds", "purge", "seconds"), ("a batch, p50 ms", "purge", "batch_p50_ms"),
    ("longest batch, ms", "purge", "batch_max_ms"),
    ("others' reads meanwhile, p99 ms", "purge", "purging_read_p99_ms"), ("... longest", "purge", "purging_read_max_ms"),
    ("others' writes meanwhile, p99 ms", "purge", "purging_write_p99_ms"), ("... longest", "purge", "purging_write_max_ms"),
    ("... without a purge, p99 ms", "purge", "without_write_p99_ms"), ("... longest", "purge", "without_write_max_ms"))


def lines(runs):
    """Headings and figures, medians of the runs."""
    stores = list(runs[0]["stores"])

    def cells(find):
        out = []
        for store in stores:
            values = [v for v in (find(run, run["stores"].get(store)) for run in runs) if v is not None]
            out.append(report.number(statistics.median(values)) if values else "")
        return out

    yield ["", *({"sqlite": "SQLite", "redis": "Redis"}[store] for store in stores)]
    for heading, section, figure in ROWS:
        row = cells(lambda _, of: of and of[section].get(figure))
        if any(row):
            yield [heading, *row]
    for name in sorted({name for store in stores for name in runs[0]["stores"][store]["size"]["indexes"]}):
        row = cells(lambda run, of: of and name in of["size"]["indexes"] and of["size"]["indexes"][name] / run["sessions"] or None)
        yield [f"index {name}, bytes a session", *row]


def note(runs):
    machine, count = runs[-1].get("machine", {}), len(runs)
    return (f"Cordgate {machine.get('commit', '?')} on {machine.get('date', '?')}; {machine.get('cpu', '?')}, "
            f"{machine.get('cores', '?')} cores that others used, too; appendfsync {runs[-1]['appendfsync']}; "
            + (f"medians of {count} runs." if count > 1 else "one run; p50 is the median of its calls."))


def write_document(path, runs):
    before, rest = path.read_text().split(BEGIN)
    table = report.markdown(f"{runs[-1]['sessions']:,} sessions", lines(runs), note(runs))
    path.write_text(before + BEGIN + "\n\n" + table + "\n" + END + rest.split(END)[1])


def machine(options):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run([options.programs / "cordgate", "version"], capture_output=True, text=True).stdout
    return {"date": datetime.date.today().isoformat(), "cpu": cpu[1] if cpu else os.uname().machine,
            "cores": len(os.sched_getaffinity(0)), "commit": re.search(r"\b[0-9a-f]{12}\b|unknown", version)[0]}


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench sessions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, default="build/bench", help=argparse.SUPPRESS)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=1800, help="to write them; with fewer written it goes on (default %(default)s)")
    parser.add_argument("--stores", default="sqlite,redis", help="which, with commas between")
    parser.add_argument("--appendfsync", default="everysec", choices=("always", "everysec"), help="redis-server's (default %(default)s)")
    parser.add_argument("--login-seconds", type=float, default=20)
    parser.add_argument("--at-once", type=int, default=16, help="people who log in at the same time (default %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="also write all figures there")
    parser.add_argument("--doc", type=pathlib.Path, help="also write the figures into this document, between its markers")
    parser.add_argument("--from", dest="earlier", type=pathlib.Path, action="append", default=[],
                        help="measure nothing: use what --json wrote; repeatable, for medians")
    parser.add_argument("--trial", action="store_true", help="2,000 sessions, one second of logins: whether it works")
    options = parser.parse_args()
    options.programs = options.programs.resolve()
    if options.trial:
        options.sessions, options.login_seconds, options.at_once = 2000, 1, 4
    return options


def run(options):
    """Everything, store by store; exits when calls failed."""
    results = {"machine": machine(options), "sessions": options.sessions, "appendfsync": options.appendfsync, "stores": {}}
    for store in options.stores.split(","):
        figures = results["stores"][store] = measure(store, options)
        size = figures["size"]
        size["mib"], size["index_bytes_each"] = size["bytes"] / MIB, sum(size["indexes"].values()) / options.sessions
        results["sessions"] = options.sessions
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    wrong = [f"{name}: {figure}" for name, of in results["stores"].items()
             for figure in ("without_failures", "purging_failures") if of["purge"][figure] > 0]
    if wrong:
        raise SystemExit(f"calls failed: {', '.join(wrong)}")
    return results


def main():
    options = arguments()
    runs = [json.loads(path.read_text()) for path in options.earlier] or [run(options)]
    print(report.text(f"{runs[-1]['sessions']:,} sessions", lines(runs), note(runs)))
    if options.doc:
        write_document(options.doc, runs)


if __name__ == "__main__":
    main()
