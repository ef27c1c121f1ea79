"""Measures proxies side by side on loopback; see run.sh.

One worker each. The figure that counts is CPU time per request (user + system, of the
proxy's processes only, from /proc): it hardly depends on what else the machine does.
Every figure is a median of rounds; ratios are medians of the ratios within a round.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from http.client import HTTPConnection
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")
CLIENT_ID = "1100000000000000001"
SECRET = "demo-secret-of-the-simulator"
FERN = "301000000000000001"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def family(pid):
    """The process and its children: nginx and HAProxy work in a child."""
    pids = [pid]
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            pids.append(int(stat.parent.name))
    return pids


def cpu_seconds(pid):
    user = system = 0
    for each in family(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cordgate-bench-"))
        self.processes = []

    def start(self, command, port):
        log = open(self.folder / f"{pathlib.Path(command[0]).name}-{port}.log", "w")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        wait_for(port)
        return process.pid

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def nginx(self, name, port, body):
        conf = self.write(f"{name}.conf", f"""
user root; worker_processes 1; daemon off; pid {self.folder}/{name}.pid; error_log {self.folder}/{name}.err;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {self.folder}/{name}-b; proxy_temp_path {self.folder}/{name}-p;
  fastcgi_temp_path {self.folder}/{name}-f; uwsgi_temp_path {self.folder}/{name}-u; scgi_temp_path {self.folder}/{name}-s;
  {body.replace('PORT', str(port))}
}}""")
        return self.start(["nginx", "-c", conf], port)

    def upstream(self):
        port = free_port()
        (self.folder / "www").mkdir()
        (self.folder / "www" / "64k").write_bytes(b"x" * 65536)
        self.nginx("upstream", port, f"""server {{ listen 127.0.0.1:PORT reuseport; root {self.folder}/www;
          location = /small {{ return 200 "hello, world\\n"; }} }}""")
        return port

    def subjects(self, upstream):
        """name -> (pid, port); each proxies to the same upstream."""
        programs = pathlib.Path(self.arguments.programs).resolve()
        found = {}
        port = free_port()
        found["bare relay"] = (self.start([str(programs / "bare_relay"), str(port), str(upstream)], port), port)
        port = free_port()
        found["nginx"] = (self.nginx("proxy", port, f"""
          upstream app {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
          server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass http://app; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; }} }}"""), port)
        port = free_port()
        conf = self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
""")
        found["haproxy"] = (self.start(["haproxy", "-db", "-f", conf], port), port)
        found["cordgate"] = self.cordgate(programs, upstream)
        return found

    def cordgate(self, programs, upstream):
        discord, port = free_port(), free_port()
        origin = f"http://127.0.0.1:{discord}"
        self.start([str(programs / "discord-sim"), "--listen", f"127.0.0.1:{discord}", "--auto-approve", FERN,
                    "--redirect-uri", f"http://127.0.0.1:{port}/callback"], discord)
        conf = self.write("cordgate.yaml", f"""
server: {{listen: ['127.0.0.1:{port}'], public_url: 'http://127.0.0.1:{port}', workers: 1}}
discord: {{client_id: '{CLIENT_ID}', client_secret: '{SECRET}', api_url: '{origin}/api/v10',
          authorize_url: '{origin}/oauth2/authorize', cdn_url: '{origin}'}}
upstreams: [{{url: 'http://127.0.0.1:{upstream}'}}]
session: {{store: 'memory:'}}
internal: {{listen: '127.0.0.1:0'}}
log: {{access: false}}
""")
        pid = self.start([str(programs / "cordgate"), "serve", "--config", conf], port)
        self.cookie = log_in(port)
        return pid, port

    def measure(self, pid, port, path):
        a = self.arguments
        command = ["wrk", "-t1", f"-c{a.connections}", f"-d{a.seconds}s", "--latency",
                   "-H", f"Cookie: {self.cookie}", f"http://127.0.0.1:{port}{path}"]
        before = cpu_seconds(pid)
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = cpu_seconds(pid)
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if bad or requests == 0:
            raise SystemExit(f"wrong answers while measuring {path}:\n{text}")
        latency = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
        scale = {"us": 1e-3, "ms": 1, "s": 1e3}[latency.group(2)]
        return {"user_us": (after[0] - before[0]) / requests * 1e6,
                "system_us": (after[1] - before[1]) / requests * 1e6,
                "cpu_us": (sum(after) - sum(before)) / requests * 1e6,
                "per_second": requests / a.seconds, "p99_ms": float(latency.group(1)) * scale}

    def run(self):
        upstream = self.upstream()
        subjects = self.subjects(upstream)
        results = {}
        for case, path in {"small GET": "/small", "64 KiB": "/64k"}.items():
            rounds = {name: [] for name in subjects}
            for _ in range(self.arguments.rounds):
                for name, (pid, port) in subjects.items():
                    rounds[name].append(self.measure(pid, port, path))
            results[case] = summary(rounds)
            table(case, results[case])
        return results


def log_in(port):
    """The session cookie of a visitor who let the simulator sign them in."""
    cookies, url = {}, f"http://127.0.0.1:{port}/login"
    for _ in range(5):
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())} if parts.port == port else {}
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            cookies[name] = value
        if "cordgate" in cookies:
            return f"cordgate={cookies['cordgate']}"
        url = urllib.parse.urljoin(url, answer.headers["Location"])
    raise SystemExit("could not log in through the simulator")


def summary(rounds):
    out = {}
    for name, samples in rounds.items():
        out[name] = {key: statistics.median(s[key] for s in samples) for key in samples[0]}
        for other in ("nginx", "bare relay"):
            out[name][f"cpu / {other}"] = statistics.median(
                s["cpu_us"] / t["cpu_us"] for s, t in zip(samples, rounds[other]))
    return out


def table(case, rows):
    print(f"\n{case}\n{'':12}{'CPU us':>8}{'user':>7}{'system':>8}{'req/s':>9}{'p99 ms':>8}{'/ nginx':>9}{'/ floor':>9}")
    for name, r in rows.items():
        print(f"{name:12}{r['cpu_us']:8.1f}{r['user_us']:7.1f}{r['system_us']:8.1f}{r['per_second']:9.0f}"
              f"{r['p99_ms']:8.2f}{r['cpu / nginx']:9.2f}{r['cpu / bare relay']:9.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", help="also write the results here")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    try:
        results = bench.run()
    finally:
        bench.stop()
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
