"""Python's http.client and sockets through the gate: clients.py PORT COOKIE"""
import hashlib
import http.client
import socket
import sys
import traceback

PORT, COOKIE = int(sys.argv[1]), sys.argv[2]
USER = {"Cookie": COOKIE}


def check(name):
    def run(test):
        try:
            test()
            print(f"ok: {name}", flush=True)
        except Exception:
            print(f"FAILED: {name}: {traceback.format_exc()}", flush=True)
    return run


def connect():
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)


@check("http.client: one connection for many requests")
def _():
    c = connect()
    for i in range(200):
        c.request("GET", f"/private/?{i}", headers=USER)
        answer = c.getresponse()
        assert answer.status == 200 and answer.headers["X-Seen-Url"] == f"/private/?{i}", answer.status
        answer.read()


@check("http.client: every method, with and without a body")
def _():
    c = connect()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        for body in (None, b"", bytes(range(256)) * 100):
            c.request(method, "/public/echo", body=body)
            answer = c.getresponse()
            assert answer.status == 200 and answer.headers["X-Seen-Method"] == method
            assert answer.read() == (body or b"")
    c.request("HEAD", "/public/bytes/1000")
    answer = c.getresponse()
    assert answer.headers["Content-Length"] == "1000" and answer.read() == b""


@check("http.client: an upload in chunks")
def _():
    c = connect()
    pieces = [bytes([i]) * 10000 for i in range(100)]
    c.request("POST", "/private/echo", body=iter(pieces), headers=USER, encode_chunked=True)
    answer = c.getresponse()
    assert answer.headers["X-Seen-Framing"] == "chunked"
    assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(b"".join(pieces)).digest()


@check("http.client: events come one by one")
def _():
    c = connect()
    c.request("GET", "/public/events", headers={"Accept": "text/event-stream"})
    answer = c.getresponse()
    assert answer.headers["Content-Length"] is None
    assert [answer.readline() for _ in range(6)][::2] == [b"data: 1\n", b"data: 2\n", b"data: 3\n"]


@check("socket: a request in single bytes")
def _():
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /public/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
            s.send(bytes([byte]))
        answer = http.client.HTTPResponse(s)
        answer.begin()
        # Each byte of the body may have come back as a chunk of its own.
        assert (answer.status, answer.read()) == (200, b"hello")


@check("socket: a thousand requests in one segment")
def _():
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as s:
        s.sendall(b"GET /public/ HTTP/1.1\r\nHost: a\r\n\r\n" * 999 + b"GET /public/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 1000 and answer.count(b"hello\n") == 1000
