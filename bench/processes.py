"""Processes of a benchmark: started, watched through /proc and ended by their ids."""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
LIBC = ctypes.CDLL(None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=15):
    """Returns once something listens on the port; raises when the process ends before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.001)
    raise RuntimeError(f"{process.args[0]} does not listen on port {port}")


def family(pid):
    """The process and its children: nginx works in children."""
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        pids += [int(child) for child in task.read_text().split()]
    return pids


def cpu_seconds(pid):
    """What the family used since it began: (total, user ticks, system ticks).

    The total counts nanoseconds, but not whose; the ticks say whose, roughly.
    """
    user = system = total = 0
    for each in family(pid):
        for task in pathlib.Path(f"/proc/{each}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has just ended
                fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                total += int((task / "schedstat").read_text().split()[0])
                user += int(fields[11])
                system += int(fields[12])
    return total / 1e9, user, system


def resident_bytes(pid):
    """RSS of the family; memory that its members share counts once for each."""
    return sum(int(pathlib.Path(f"/proc/{each}/statm").read_text().split()[1]) * PAGE for each in family(pid))


class MemoryWatch:
    """The largest RSS of a family while the `with` block runs."""

    def __init__(self, pid):
        self.pid, self.ended = pid, threading.Event()
        self.before = self.peak = resident_bytes(pid)
        self.thread = threading.Thread(target=self._sample)

    def _sample(self):
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, resident_bytes(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.peak = max(self.peak, resident_bytes(self.pid))

    @property
    def growth(self):
        return self.peak - self.before


def _end_with_parent():
    """Runs in a child: SIGTERM when the benchmark goes away, whatever ended it."""
    LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Processes:
    """Everything that was started, and a folder for its files; both are gone after `with`."""

    def __init__(self):
        self.running = []
        self._folder = tempfile.TemporaryDirectory(prefix="cordgate-bench-", ignore_cleanup_errors=True)
        self.folder = pathlib.Path(self._folder.name)
        self._names = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(self.running)
        self._folder.cleanup()

    def name(self, stem):
        """A file name that nobody else has."""
        self._names += 1
        return self.folder / f"{self._names}-{stem}"

    def write(self, stem, text):
        path = self.name(stem)
        path.write_text(text)
        return str(path)

    def spawn(self, command, **more):
        """Starts a program; what it says goes to a file, shown if it fails to start."""
        began = time.monotonic()
        with open(self.name(pathlib.Path(command[0]).name + ".log"), "w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder,
                                       preexec_fn=_end_with_parent, **more)
        process.log, process.began = log.name, began
        self.running.append(process)
        return process

    def start(self, command, port, patience=15, **more):
        """Starts a server and returns it once it listens."""
        process = self.spawn(command, **more)
        try:
            wait_for(port, process, patience)
        except RuntimeError as error:
            raise SystemExit(f"{error}:\n{pathlib.Path(process.log).read_text()}") from None
        return process

    def stop(self, processes):
        """Ends them and waits for that; SIGKILL after five seconds."""
        processes = list(processes)
        for process in reversed(processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process in self.running:
                self.running.remove(process)
