"""Loads put on a subject; each returns figures of one round."""
import json
import re
import subprocess

from processes import MemoryWatch, cpu_seconds

MILLISECONDS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}


def run(command, seconds):
    """What a client printed; it is given `seconds` and some more."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def used(subject, work):
    """(result of work, user seconds, system seconds the subject used for it)"""
    before = cpu_seconds(subject.pid)
    result = work()
    after = cpu_seconds(subject.pid)
    return result, after[0] - before[0], after[1] - before[1]


def figures(user, system, count, seconds):
    return {"cpu_us": (user + system) / count * 1e6, "user_us": user / count * 1e6,
            "system_us": system / count * 1e6, "per_second": count / seconds}


def requests(subject, path, connections, seconds, script=None, headers=(), threads=1):
    """wrk: the same request over and over on so many connections."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for header in headers or [f"Cookie: {subject.cookie}"]:
        command += ["-H", header]
    if script:
        command += ["-s", script]
    text, user, system = used(subject, lambda: run([*command, f"http://127.0.0.1:{subject.port}{path}"], seconds))
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    wrong = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", text)
    if wrong or count == "0":
        raise SystemExit(f"{subject.name}: wrong answers while measuring {path}:\n{text}")
    latency = {part: float(value) * MILLISECONDS[unit]
               for part, value, unit in re.findall(r"(\d\d)%\s+([\d.]+)(us|ms|s|m)\b", text)}
    return {**figures(user, system, int(count), float(took)), "p50_ms": latency["50"], "p99_ms": latency["99"]}
