"""A mixed load for whole daemons: mixed.py FOLDER-OF-PROGRAMS SECONDS NAME [--seed N] [--memory] [--logs FOLDER]

Two gates, one plain and one with TLS, in front of one application that is restarted by SIGKILL, with
the simulator as Discord. Many threads do what tests/load/operations.py lists and check every answer;
SIGHUP comes every few seconds. At the end the daemons are asked to stop with connections open.
--memory: also compare memory in the middle and at the end (without sanitizers, which keep memory).
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import operations
from app import Closed, Reader, read_frame
from client import Gate, Outages, Request, Wrong, log_in, read_answer

HERE = pathlib.Path(__file__).resolve().parent
USERS = ("301000000000000001", "301000000000000002", "301000000000000003", "301000000000000004", "80351110224678912")
THREADS, DRAIN = 16, 15
CALLS = 16  # threads of the gate that call Discord, each with a connection at most
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|DEADLYSIGNAL|terminate called|Assertion ")
BUG = re.compile(r" (error bug|critical \w+): | status=500 ")
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1",
              "TSAN_OPTIONS": "second_deadlock_stack=1"}


class World:
    """Everything that runs, and what was seen."""

    def __init__(self, options, folder, stack):
        self.options, self.folder, self.stack = options, folder, stack
        self.outages, self.stop, self.lock = Outages(), threading.Event(), threading.Lock()
        self.done, self.ended, self.wrong = collections.Counter(), collections.Counter(), collections.defaultdict(list)
        self.passed = self.failed = 0

    def check(self, name, good, why=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"ok: {name}" if good else f"FAILED: {name}: {why}", flush=True)

    def start(self, name, command, port):
        """Runs it until it listens; what it says goes to NAME.log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **SANITIZERS})
        self.stack.callback(lambda: process.poll() is not None or (process.kill(), process.wait()))
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process
            time.sleep(0.01)
        raise SystemExit(f"{name} did not start:\n{self.log(name)}")

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start_all(self):
        ports = free_ports(4)
        self.app_port, self.discord_port, programs = ports[0], ports[1], self.options.programs
        make_certificates(self.folder)
        self.gates = [Gate("plain", ports[2], tls=False), Gate("tls", ports[3], tls=True)]
        registered = [word for gate in self.gates for word in ("--redirect-uri", f"{gate.url}/callback")]
        self.start("discord-sim", [programs / "discord-sim", "--listen", f"127.0.0.1:{ports[1]}", "--no-rate-limits", *registered], ports[1])
        self.start_app()
        for gate in self.gates:
            config = self.folder / f"{gate.name}.yaml"
            config.write_text(configuration(gate, ports[1], self.app_port, self.folder))
            config.chmod(0o600)
            gate.process = self.start(gate.name, [programs / "cordgate", "serve", "--config", config], gate.port)
            gate.sessions = [log_in(gate, user) for user in USERS]
            gate.files, _ = files_of(gate, self.discord_port)

    def start_app(self):
        self.app = self.start("app", [sys.executable, HERE / "app.py", str(self.app_port), str(self.options.seed)], self.app_port)

    # --- the load ---------------------------------------------------------------

    def once(self, operation, rng, gate):
        """Does it, and says what is wrong with how it went; None: nothing."""
        mark = self.outages.mark()
        try:
            operation(rng, gate)
            self.done[operation.__name__] += 1
            return None
        except (Wrong, *operations.ENDED) as error:
            if self.outages.touched(mark) and not (isinstance(error, Wrong) and "502" not in str(error)):
                self.ended[operation.__name__] += 1
                return None
            # What must not be sent twice may meet a connection that the application closes at that moment.
            if operation is operations.upload and str(error).endswith("status 502 for 200"):
                self.done["stale"] += 1
                return None
            # Who aborts may be told of it.
            if operation.__name__.startswith("abort_") and not isinstance(error, Wrong):
                return None
            return f"{gate.name}: {type(error).__name__}: {error}"
        except Exception as error:  # a time-out above all
            return f"{gate.name}: {type(error).__name__}: {error}"

    def work(self, number):
        rng = random.Random(f"{self.options.seed} {number}")
        names, weights = list(operations.ALL), list(operations.ALL.values())
        while not self.stop.is_set():
            operation = rng.choices(names, weights)[0]
            problem = self.once(operation, rng, rng.choice(self.gates))
            if problem:
                with self.lock:
                    self.wrong[operation.__name__].append(f"{time.strftime('%H:%M:%S')} {problem}")

    def disturb(self, end):
        """SIGHUP with another certificate, and the application's restarts."""
        rng, turn = random.Random(f"{self.options.seed} disturb"), 0
        while time.monotonic() < end and not self.stop.wait(rng.uniform(2, 4)):
            turn += 1
            shutil.copy(self.folder / f"cert-{turn % 2}.pem", self.folder / "cert.new")
            (self.folder / "cert.new").rename(self.folder / "cert.pem")
            for gate in self.gates:
                gate.process.send_signal(signal.SIGHUP)
            self.done["SIGHUP"] += 1
            if turn % 4 == 0:
                self.outages.begin()
                self.app.kill()
                self.app.wait()
                time.sleep(rng.random() * 0.3)
                self.start_app()
                time.sleep(0.3)  # what the gates kept open is gone
                self.outages.end()
                self.done["restart of the application"] += 1

    def run(self):
        seconds, begin = self.options.seconds, time.monotonic()
        samples = collections.defaultdict(list)
        workers = [threading.Thread(target=self.work, args=[number], daemon=True) for number in range(THREADS)]
        workers.append(threading.Thread(target=self.disturb, args=[begin + seconds - 3], daemon=True))
        for worker in workers:
            worker.start()
        while (passed := (time.monotonic() - begin) / seconds) < 1 and all(g.process.poll() is None for g in self.gates):
            for gate in self.gates:
                samples[gate.name, "middle" if 0.4 < passed < 0.6 else "end" if passed > 0.8 else ""].append(resident(gate))
            time.sleep(0.1)
        self.stop.set()
        for worker in workers:
            worker.join(operations_end := 90)
        self.check("every client came to an end", not any(w.is_alive() for w in workers), f"not within {operations_end} s")
        return samples

    # --- the checks -------------------------------------------------------------

    def check_answers(self):
        for operation in operations.ALL:
            name, wrong = operation.__name__, self.wrong[operation.__name__]
            print(f"   {name}: {self.done[name]} good, {self.ended[name]} ended by a restart of the application, {len(wrong)} wrong")
            self.check(f"{name}: every answer was right", self.done[name] and not wrong, "\n  ".join(wrong[:5]) or "never done")
        stale, uploads = self.done["stale"], self.done["upload"]
        self.check("hardly an upload met a connection that was just closed", stale <= max(2, uploads / 100), f"{stale} of {uploads}")
        for name in ("stale", "SIGHUP", "restart of the application"):
            print(f"   {name}: {self.done[name]}")

    def check_files(self, gate):
        """Nothing is left open once the clients and the application are gone."""
        before, end = gate.files, time.monotonic() + 20
        while len((now := files_of(gate, self.discord_port))[0]) > len(before) and time.monotonic() < end:
            time.sleep(0.1)
        print(f"   {gate.name}: {len(before)} descriptors before, {len(now[0])} after, {len(now[1])} connections to Discord")
        self.check(f"{gate.name}: as many descriptors as before", len(now[0]) <= len(before), f"{before}, then {now[0]}")
        self.check(f"{gate.name}: few connections to Discord", len(now[1]) <= CALLS, now[1])

    def check_memory(self, gate, samples):
        middle, last = (statistics.median(samples[gate.name, when] or [0]) for when in ("middle", "end"))
        print(f"   {gate.name}: {middle / 1e6:.1f} MB in the middle, {last / 1e6:.1f} MB at the end")
        self.check(f"{gate.name}: memory does not grow", 0 < last <= 1.2 * middle, f"{middle} to {last}")

    def check_stop(self, gate):
        """A stop with connections that rest, an answer under way and a WebSocket."""
        rng = random.Random(f"{self.options.seed} stop")
        try:
            with contextlib.ExitStack() as stack:
                held = [stack.enter_context(operations.connected(gate)) for _ in range(8)]
                operations.open_websocket(rng, gate, *held[0])
                slow = Request(rng, gate.sessions[0], "slow", 1000000)
                held[1][0].sendall(slow.bytes + b"\r\n")
                held[1][1].more()  # it has begun
                begin = time.monotonic()
                gate.process.send_signal(signal.SIGTERM)
                slow.check(read_answer(held[1][1]))
                told = read_frame(held[0][1])
                self.check(f"{gate.name}: the WebSocket is told", told == (8, b"\x03\xe9"), str(told))
                code = gate.process.wait(DRAIN + 30)
            self.check(f"{gate.name}: stops with 0 in time", code == 0 and time.monotonic() - begin < DRAIN,
                       f"code {code} after {time.monotonic() - begin:.1f} s")
        except (Wrong, Closed, OSError, subprocess.TimeoutExpired) as error:
            self.check(f"{gate.name}: stops with 0 in time", False, f"{type(error).__name__}: {error}; code {gate.process.poll()}")

    def check_log(self, name):
        text = self.log(name)
        report, bug = REPORT.search(text), BUG.search(text)
        self.check(f"{name}: no report of a sanitizer", not report, "" if not report else text[max(0, report.start() - 200):][:6000])
        self.check(f"{name}: no bug in the log", not bug, "" if not bug else text[max(0, bug.start() - 300):][:600])

    def check_all(self, samples):
        self.check_answers()
        self.app.kill()
        self.app.wait()
        for gate in self.gates:
            alive = gate.process.poll() is None
            self.check(f"{gate.name}: still runs", alive, f"ended with {gate.process.poll()}")
            if alive:
                self.check_files(gate)
                if self.options.memory:
                    self.check_memory(gate, samples)
        self.start_app()
        for gate in self.gates:
            if gate.process.poll() is None:
                self.check_stop(gate)
        for name in (*(gate.name for gate in self.gates), "discord-sim"):
            self.check_log(name)


def free_ports(count):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def files_of(gate, discord):
    """What is open there, and the local ports of connections to Discord, which are kept for later calls.

    Sockets are named by the ports of their two ends and the state, as /proc/net/tcp has them.
    """
    sockets, calls = {}, set()
    for line in pathlib.Path(f"/proc/{gate.process.pid}/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *rest = line.split()
        here, there = (int(address[-4:], 16) for address in (here, there))
        sockets[f"socket:[{rest[5]}]"] = here, there, state
    folder, found = f"/proc/{gate.process.pid}/fd", []
    for each in os.listdir(folder):
        with contextlib.suppress(OSError):
            name = os.readlink(f"{folder}/{each}")
            here, there, state = sockets.get(name, (0, 0, ""))
            if there == discord:
                calls.add(here)
            elif not name.endswith("-wal"):  # each of SQLite's connections opens it when it is first used
                found.append(f"tcp {here}-{there} {state}" if here else name)
    return sorted(found), calls


def resident(gate):
    with contextlib.suppress(OSError):  # it has just ended
        return int(pathlib.Path(f"/proc/{gate.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def make_certificates(folder):
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
    for number in range(2):
        subprocess.run(["openssl", "req", "-x509", *(["-key", "key.pem"] if number else key), "-subj", f"/CN=load {number}",
                        "-days", "2", "-out", f"cert-{number}.pem"], cwd=folder, check=True, capture_output=True)
    shutil.copy(folder / "cert-0.pem", folder / "cert.pem")


def configuration(gate, discord, app, folder):
    tls = f", tls: {{cert_file: '{folder}/cert.pem', key_file: '{folder}/key.pem'}}" if gate.context else ""
    return f"""
server: {{listen: ['127.0.0.1:{gate.port}'], public_url: '{gate.url}', workers: 2{tls},
         limits: {{logins_per_minute: 0}}, timeouts: {{drain: {DRAIN}s}}}}
discord: {{client_id: '1100000000000000001', client_secret: 'demo-secret-of-the-simulator',
          api_url: 'http://127.0.0.1:{discord}/api/v10', authorize_url: 'http://127.0.0.1:{discord}/oauth2/authorize',
          cdn_url: 'http://127.0.0.1:{discord}'}}
upstreams: [{{url: 'http://127.0.0.1:{app}'}}]
session: {{store: 'sqlite:{folder}/{gate.name}.db'}}
internal: {{listen: '127.0.0.1:0'}}
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("seconds", type=float)
    parser.add_argument("name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--logs", type=pathlib.Path, help="where the logs go when something failed")
    options = parser.parse_args()
    print(f"{options.name}: seed {options.seed}, {options.seconds:g} s, {THREADS} clients", flush=True)
    with tempfile.TemporaryDirectory(prefix="cordgate-load-") as folder, contextlib.ExitStack() as stack:
        world = World(options, pathlib.Path(folder), stack)
        world.start_all()
        world.check_all(world.run())
        if world.failed and options.logs:
            options.logs.mkdir(parents=True, exist_ok=True)
            for log in world.folder.glob("*.log"):
                shutil.copy(log, options.logs)
    print(f"{world.passed} passed, {world.failed} failed")
    return 1 if world.failed else 0


if __name__ == "__main__":
    sys.exit(main())
