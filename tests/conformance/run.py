#!/usr/bin/env python3
"""Cordgate, nginx and HAProxy side by side: raw messages in, and what comes out at the other end.

    run.py [--programs build/release] [--cases FOLDER]... [--verbose]

Every case is sent to each of the three, as it is; a recording upstream keeps the bytes that
arrive. judge.py says what is wrong with what Cordgate did. Without --cases the cases are those
of grammar.py. FOLDER holds NAME.http (a client's bytes) and NAME[.METHOD].resp (an upstream's
bytes, answering METHOD, GET by default). Ends with 'N passed, N failed'.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import grammar  # noqa: E402
import http1  # noqa: E402
import judge  # noqa: E402

LANES = 4
NAMES = ("cordgate", "nginx", "haproxy")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Upstream:
    """Keeps the bytes of every connection, and answers each whole request: 'ok', or the bytes it was told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.connections = []  # [bytes, since when the case counts, whether it still counts]
        self.arrived = []      # whole requests of this case, in the order of their ends
        self.answer = None
        self.changed = time.monotonic()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        entry = {"data": b"", "from": 0, "counts": True}
        with self.lock:
            self.connections.append(entry)
        answered = 0
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                with self.lock:
                    entry["data"] += piece
                    self.changed = time.monotonic()
                    answer = self.answer
                while True:
                    try:
                        message, answered = http1.take_request(entry["data"], answered)
                    except http1.Incomplete:
                        break
                    except http1.Invalid:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        return
                    with self.lock:
                        if entry["counts"]:
                            self.arrived.append(message)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)
                        connection.settimeout(1)
                        while connection.recv(65536):
                            pass
                        return
                    body = b"" if message.start[0] == b"HEAD" else b"ok"
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)
                    if answered >= len(entry["data"]):
                        break
        except OSError:
            pass
        finally:
            connection.close()
            with self.lock:
                entry["closed"] = True

    def begin(self, answer):
        with self.lock:
            self.connections = [c for c in self.connections if not c.get("closed")]
            for c in self.connections:
                c["from"] = len(c["data"])
            self.arrived = []
            self.answer = answer

    def take(self):
        """The bytes of this case by connection, and its whole requests; what comes later on a half-sent one counts for no case."""
        with self.lock:
            out = []
            for c in self.connections:
                data = c["data"][c["from"]:]
                if data and c["counts"]:
                    out.append(data)
                    if http1.requests(data)[1] not in ("end", "closed"):
                        c["counts"] = False
            return out, list(self.arrived)


class Proxies:
    """Each program, with a listener and an upstream of its own for every lane."""

    def __init__(self, programs):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cordgate-conformance-"))
        self.processes = []
        self.upstreams = {n: [Upstream() for _ in range(LANES)] for n in NAMES}
        self.ports = {n: [free_port() for _ in range(LANES)] for n in NAMES}
        for lane in range(LANES):
            self.cordgate(programs, lane)
        self.nginx()
        self.haproxy()
        for port in (p for ports in self.ports.values() for p in ports):
            self.wait_for(port)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def start(self, name, command):
        log = open(self.folder / f"{name}.log", "w")
        self.processes.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log))

    def wait_for(self, port):
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if any(p.poll() is not None for p in self.processes):
                break
            time.sleep(0.05)
        logs = "\n".join(f"{f.name}: {f.read_text()[-2000:]}" for f in self.folder.glob("*.log"))
        raise SystemExit(f"nothing listens on port {port}\n{logs}")

    def cordgate(self, programs, lane):
        port, upstream = self.ports["cordgate"][lane], self.upstreams["cordgate"][lane].port
        conf = self.write(f"cordgate-{lane}.yaml", f"""
server: {{listen: ['127.0.0.1:{port}'], public_url: 'http://127.0.0.1:{port}', workers: 1}}
discord: {{client_id: '1100000000000000001', client_secret: 'a-secret-of-the-conformance-run'}}
upstreams: [{{url: 'http://127.0.0.1:{upstream}'}}]
rules: [{{path: '/**', access: public}}]
paths: {{login: '/_in', callback: '/_back', logout: '/_out'}}
session: {{store: 'memory:'}}
internal: {{listen: '127.0.0.1:0'}}
log: {{access: false}}
""")
        self.start(f"cordgate-{lane}", [str(programs / "cordgate"), "serve", "--config", conf])

    def nginx(self):
        servers = "".join(f"""
  upstream u{i} {{ server 127.0.0.1:{self.upstreams['nginx'][i].port}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u{i}; proxy_http_version 1.1;
    proxy_set_header Connection ""; }} }}"""
                          for i, port in enumerate(self.ports["nginx"]))
        f = self.folder
        conf = self.write("nginx.conf", f"""
user root; worker_processes 1; daemon off; pid {f}/nginx.pid; error_log {f}/nginx.err;
events {{ worker_connections 512; }}
http {{ access_log off; client_max_body_size 0; client_body_temp_path {f}/b; proxy_temp_path {f}/p;
  fastcgi_temp_path {f}/f; uwsgi_temp_path {f}/u; scgi_temp_path {f}/s; {servers} }}""")
        self.start("nginx", ["nginx", "-c", conf])

    def haproxy(self):
        sections = "".join(f"""
listen l{i}
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{self.upstreams['haproxy'][i].port}
""" for i, port in enumerate(self.ports["haproxy"]))
        conf = self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 512
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
  http-reuse always
{sections}""")
        self.start("haproxy", ["haproxy", "-db", "-f", conf])

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def count_answers(received, methods):
    """The statuses of the final answers so far, and whether the last is whole."""
    statuses, at, i = [], received, 0
    while at:
        method = methods[i] if i < len(methods) else b"GET"
        _, final, end = http1.response(at, method, closed=False)
        if final is None:
            found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", at)
            return statuses + ([int(found[1])] if found and int(found[1]) >= 200 else []), False
        statuses.append(final.start[1])
        if end == "end":
            return statuses, True
        at, i = judge.rest_behind(at, method), i + 1
    return statuses, True


def send(port, upstream, data, answer, quiet):
    """One case through one proxy."""
    sent, end = http1.requests(data)
    methods = [r.start[0] for r in sent]
    upstream.begin(answer)
    received, closed, finished = b"", False, False
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client.sendall(data)
        except OSError:
            pass
        last = time.monotonic()
        while not closed:
            # A proxy that owes an answer gets longer than one that may be waiting for bytes.
            patience = quiet * (1 if received else 4)
            left = max(last, upstream.changed) + patience - time.monotonic()
            if finished or left <= 0:
                break
            client.settimeout(min(left, 0.02))
            try:
                piece = client.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                closed = True
                break
            if not piece:
                closed = True
            received += piece
            last = time.monotonic()
            if end == "end" and sent and answer is None:
                statuses, whole = count_answers(received, methods)
                finished = whole and len(statuses) >= len(sent)
    statuses, _ = count_answers(received, methods)
    return judge.Outcome(statuses, closed, received, *upstream.take()).read()


class Case:
    def __init__(self, name, data, method=None):
        self.name, self.data, self.method = name, data, method

    def run(self, proxies, lane, quiet=0.06):
        outcomes = {}
        for name in NAMES:
            data, answer = self.data, None
            if self.method is not None:
                data, answer = self.method + b" / HTTP/1.1\r\nHost: app.example\r\n\r\n", self.data
            outcomes[name] = send(proxies.ports[name][lane], proxies.upstreams[name][lane], data, answer, quiet)
        if self.method is None:
            findings, what = judge.judge_request(self.data, outcomes)
        else:
            findings, what = judge.judge_response(self.data, self.method, outcomes)
        if findings and quiet < 0.5:
            return self.run(proxies, lane, 0.5)  # so that a slow moment is no finding
        return findings, what, outcomes


def read_cases(folders):
    if not folders:
        return [Case(*c) for c in grammar.cases()]
    out = []
    for folder in map(pathlib.Path, folders):
        for path in sorted(folder.rglob("*.http")) + sorted(folder.rglob("*.resp")):
            found = re.search(r"\.([A-Z]+)\.resp$", path.name)
            method = None if path.suffix == ".http" else found[1].encode() if found else b"GET"
            out.append(Case(str(path.relative_to(folder)), path.read_bytes(), method))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--cases", action="append", default=[])
    parser.add_argument("--only", help="cases whose name matches this pattern")
    parser.add_argument("--verbose", action="store_true", help="a line for every case")
    arguments = parser.parse_args()
    cases = [c for c in read_cases(arguments.cases) if not arguments.only or re.search(arguments.only, c.name)]
    proxies = Proxies(pathlib.Path(arguments.programs).resolve())
    lanes = list(range(LANES))
    lock = threading.Lock()

    def run(case):
        with lock:
            lane = lanes.pop()
        try:
            return case, case.run(proxies, lane)
        finally:
            with lock:
                lanes.append(lane)

    failed, totals = 0, {n: 0 for n in NAMES}
    try:
        with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
            for case, (findings, what, outcomes) in pool.map(run, cases):
                failed += bool(findings)
                for name, outcome in outcomes.items():
                    totals[name] += not outcome.seen if case.method is None else not outcome.answers or outcome.answers[-1] >= 500
                if findings or arguments.verbose:
                    print(f"{'FAIL' if findings else 'ok  '} {case.name}  ({what})")
                    for name, outcome in outcomes.items():
                        print(f"       {name:9}{outcome.short()}")
                for kind, text in findings:
                    print(f"       {kind}: {text}")
                if findings:
                    print(f"       bytes: {case.data[:300]!r}", flush=True)
    finally:
        proxies.stop()
    print("refused: " + ", ".join(f"{n} {totals[n]}" for n in NAMES) + f" of {len(cases)}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return failed > 0 or not cases


if __name__ == "__main__":
    sys.exit(main())
