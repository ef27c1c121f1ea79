"""Loads put on a subject; each returns the figures of one round."""
import json
import re
import subprocess
import time
from http.client import HTTPConnection

from processes import MemoryWatch, cpu_seconds, resident_bytes

MILLISECONDS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}
GIB = 1 << 30


class Failed(Exception):
    """The subject or a client did not do the work; what it said."""


def run(command, seconds):
    """What a client printed; it may take `seconds` and some more."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command} did not end") from None
    if done.returncode != 0:
        raise Failed(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def used(subject, work):
    """(result of work, user seconds, system seconds the subject used for it)"""
    before = cpu_seconds(subject.pid)
    result = work()
    after = cpu_seconds(subject.pid)
    total, user, system = (b - a for a, b in zip(before, after))
    share = user / (user + system) if user + system else 0
    return result, total * share, total * (1 - share)


def rates(user, system, count, seconds):
    return {"cpu_us": (user + system) / count * 1e6, "user_us": user / count * 1e6,
            "system_us": system / count * 1e6, "per_second": count / seconds}


def requests(subject, path, connections, seconds, script=None, headers=()):
    """wrk: the same request over and over on so many connections."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for header in headers or [f"Cookie: {subject.cookie}"]:
        command += ["-H", header]
    if script:
        command += ["-s", script]
    text, user, system = used(subject, lambda: run([*command, f"http://127.0.0.1:{subject.port}{path}"], seconds))
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    wrong = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", text)
    if wrong or count == "0":
        raise Failed(f"{subject.name}: wrong answers while measuring {path}:\n{text}")
    latency = {part: float(value) * MILLISECONDS[unit]
               for part, value, unit in re.findall(r"(\d\d)%\s+([\d.]+)(us|ms|s|m)\b", text)}
    return {**rates(user, system, int(count), float(took)), "p50_ms": latency["50"], "p99_ms": latency["99"]}


def echoes(subject, client, connections, seconds, size):
    """A message over each WebSocket, back, and the next; CPU is that of a message and its echo."""
    command = [client, subject.port, connections, seconds, size, subject.cookie]
    text, user, system = used(subject, lambda: run(command, seconds))
    told = json.loads(text)
    return {**rates(user, system, told["count"], told["seconds"]), "p50_ms": told["p50_ms"], "p99_ms": told["p99_ms"]}


def transfer(subject, client, direction, size):
    """One body of `size` bytes, and the most memory the subject held meanwhile."""
    run([client, subject.port, direction, 1000, subject.cookie], 1)
    with MemoryWatch(subject.pid) as memory:
        text, user, system = used(subject, lambda: run([client, subject.port, direction, size, subject.cookie], 60))
    return {"cpu_ms_per_gib": (user + system) * 1e3 * GIB / size, "gib_per_second": size / float(text) / GIB,
            "growth_mib": memory.growth / 2**20}


def hold(subject, client, kind, count):
    """Bytes of RSS for each of `count` connections that were used once and are idle."""
    count = min(count, subject.most_tunnels if kind == "websocket" else subject.most_connections)
    run([client, subject.port, 1, kind, subject.cookie], 1)
    before = resident_bytes(subject.pid)
    command = [str(part) for part in (client, subject.port, count, kind, subject.cookie)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            ready = holder.stdout.readline()
            time.sleep(1)  # what a proxy frees when connections fall idle is free by then
            after = resident_bytes(subject.pid)
            gone = holder.communicate(timeout=30)[0]
        finally:
            holder.kill()
    if ready != "held\n" or gone.strip() != "0":
        raise Failed(f"{subject.name} did not keep {count} connections: {ready}{gone} were closed")
    return {"bytes_each": (after - before) / count, "count": count, "rss_mib": after / 2**20}


def first_answer(subject):
    """How long after its start the subject answered a request, and its size then."""
    connection = HTTPConnection("127.0.0.1", subject.port, timeout=10)
    connection.request("GET", "/small")
    connection.getresponse().read()
    return {"start_ms": (time.monotonic() - subject.began) * 1e3, "rss_mib": resident_bytes(subject.pid) / 2**20}
