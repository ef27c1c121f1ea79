"""Clients of the gates under load: connections, what an answer must be, and logins."""
import dataclasses
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from http.client import HTTPConnection

from app import BLOB, Closed, Reader

PATIENCE = 60  # nothing may take so long, even under a sanitizer on a busy machine
FIELD = re.compile(r"[a-z0-9-]+")


class Wrong(Exception):
    """An answer that must not be."""


class Outages:
    """When the application was away: requests of that time may fail with 502 or be cut."""

    def __init__(self):
        self.count, self.away, self.lock = 0, False, threading.Lock()

    def begin(self):
        with self.lock:
            self.count, self.away = self.count + 1, True

    def end(self):
        with self.lock:
            self.away = False

    def mark(self):
        with self.lock:
            return -1 if self.away else self.count

    def touched(self, mark):
        """Whether the application was away at any time since `mark`."""
        with self.lock:
            return self.away or mark != self.count


class Gate:
    """One daemon under load: where it listens, and who is logged in there."""

    def __init__(self, name, port, tls):
        self.name, self.port, self.sessions = name, port, []
        self.scheme = "https" if tls else "http"
        self.cookie_name = "__Host-cordgate" if tls else "cordgate"
        self.url = f"{self.scheme}://127.0.0.1:{port}"
        self.context = None
        if tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def connect(self, receive_buffer=0):
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", self.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, suppress_ragged_eofs=True) if self.context else plain


def reset(connection):
    """Closes with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@dataclasses.dataclass
class Answer:
    status: int
    fields: dict
    body: bytes = b""
    trailers: dict = dataclasses.field(default_factory=dict)


def read_answer(reader, method="GET"):
    start, fields = reader.head()
    while start.split(" ")[1] == "100":
        start, fields = reader.head()
    if not start.startswith("HTTP/1.1 "):
        raise Wrong(f"no HTTP/1.1: {start!r}")
    answer = Answer(int(start.split(" ")[1]), fields)
    if method == "HEAD" or answer.status in (101, 204, 304):
        return answer
    if fields.get("transfer-encoding") == "chunked":
        answer.body, answer.trailers = reader.chunks()
    else:
        answer.body = reader.exactly(int(fields["content-length"]))
    return answer


class Request:
    """A GET (or HEAD) of a body, and what its answer has to be."""

    def __init__(self, rng, session, kind="bytes", size=0, method="GET", more=""):
        self.user, cookie = session or ("-", None)
        self.method, self.nonce = method, f"{rng.getrandbits(64):x}"
        at = rng.randrange(1000)
        self.expected, self.trailers = BLOB[at:at + size], kind == "chunks" and rng.random() < 0.5
        self.kind = kind
        self.bytes = (f"{method} /private/{kind}?n={self.nonce}&at={at}&size={size}{more} HTTP/1.1\r\nHost: load.example\r\n"
                      + (f"Cookie: other=1; {cookie}\r\n" if cookie else "")
                      + ("TE: trailers\r\nConnection: TE\r\n" if self.trailers else "")
                      # Whoever they say they are, they are not.
                      + (f"X-Discord-User-Id: {rng.randrange(1000)}\r\n" if rng.random() < 0.2 else "")).encode()

    def check(self, answer):
        self.check_who(answer)
        if self.method == "GET" and answer.body != self.expected:
            raise Wrong(f"another body: {len(answer.body)} bytes for {len(self.expected)}")
        if self.kind == "chunks" and self.method == "GET" and ("x-digest" in answer.trailers) != self.trailers:
            raise Wrong(f"trailers {answer.trailers}, asked for: {self.trailers}")

    def check_who(self, answer, status=200):
        if answer.status != status:
            raise Wrong(f"{self.method} {self.kind}: status {answer.status} for {status}")
        if answer.fields.get("x-seen-nonce") != self.nonce:
            raise Wrong(f"the answer to another request: {answer.fields}")
        if answer.fields.get("x-seen-user") != self.user:
            raise Wrong(f"seen as {answer.fields.get('x-seen-user')}, is {self.user}")


def ask(gate, path, cookies, method="GET", fields=None):
    """One request on a connection of its own; takes over cookies that are set."""
    connection = gate.connect()
    try:
        head = {"Host": f"127.0.0.1:{gate.port}", "Connection": "close", "Content-Length": "0", **(fields or {})}
        if cookies:
            head["Cookie"] = "; ".join(f"{k}={v}" for k, v in cookies.items())
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        reader = Reader(connection)
        raw = reader.until(b"\r\n\r\n").decode("latin-1")
    finally:
        connection.close()
    for value in re.findall(r"(?im)^set-cookie: ([^;\r]*)", raw):
        name, content = value.split("=", 1)
        cookies[name] = content
    location = re.search(r"(?im)^location: ([^\r]*)", raw)
    return int(raw.split(" ")[1]), location[1] if location else ""


def log_in(gate, user):
    """A new session of `user`: the cookie that says so."""
    cookies = {}
    status, location = ask(gate, "/login?rd=/private/bytes", cookies)
    if status != 302:
        raise Wrong(f"/login: {status}")
    consent = urllib.parse.urlsplit(location)
    discord = HTTPConnection(consent.hostname, consent.port, timeout=PATIENCE)
    discord.request("POST", f"{consent.path}?{consent.query}", f"decision=authorize&user={user}",
                    {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"})
    approved = discord.getresponse()
    approved.read()
    discord.close()
    callback = urllib.parse.urlsplit(approved.headers["Location"] or "")
    if callback.port != gate.port:
        raise Wrong(f"the simulator answered {approved.status}, to {callback.geturl()}")
    status, location = ask(gate, f"{callback.path}?{callback.query}", cookies)
    if status != 302 or location != "/private/bytes" or not cookies.get(gate.cookie_name):
        raise Wrong(f"/callback: {status} to {location}")
    return user, f"{gate.cookie_name}={cookies[gate.cookie_name]}"


def log_out(gate, session):
    status, _ = ask(gate, "/logout", dict([session[1].split("=", 1)]), "POST", {"Origin": gate.url})
    if status != 303:
        raise Wrong(f"/logout: {status}")
