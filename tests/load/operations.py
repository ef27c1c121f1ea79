"""What the clients do under load: each function once through, raising Wrong for a wrong answer.

Closed means that the connection ended; who called decides whether it may have (an outage).
"""
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import time

from app import BLOB, Closed, Reader, accept_key, frame, in_chunks, read_frame
from client import Request, Wrong, log_in, log_out, read_answer, reset

SIZES = (0, 1, 100, 5000, 17000, 66000, 300000, 1000000)


@contextlib.contextmanager
def connected(gate, **more):
    connection = gate.connect(**more)
    try:
        yield connection, Reader(connection)
    finally:
        connection.close()


def any_request(rng, gate, sizes=SIZES, kinds=("bytes", "bytes", "bytes", "chunks", "slow")):
    method = "HEAD" if rng.random() < 0.1 else "GET"
    return Request(rng, rng.choice(gate.sessions), rng.choice(kinds), rng.choice(sizes), method)


def keep_alive(rng, gate):
    """Visitors, and some without a session, one after another on one connection."""
    with connected(gate) as (connection, reader):
        for _ in range(rng.randrange(1, 25)):
            if rng.random() < 0.1:
                connection.sendall(Request(rng, None).bytes + b"\r\n")
                if (status := read_answer(reader).status) != 401:
                    raise Wrong(f"{status} without a session")
                continue
            request = any_request(rng, gate)
            connection.sendall(request.bytes + b"\r\n")
            request.check(read_answer(reader, request.method))


def pipelined(rng, gate):
    with connected(gate) as (connection, reader):
        requests = [any_request(rng, gate, SIZES[:5]) for _ in range(rng.randrange(2, 17))]
        connection.sendall(b"".join(request.bytes + b"\r\n" for request in requests))
        for request in requests:
            request.check(read_answer(reader, request.method))


def upload(rng, gate):
    with connected(gate) as (connection, reader):
        for _ in range(rng.randrange(1, 4)):
            request = Request(rng, rng.choice(gate.sessions), "sink", method="POST")
            body = BLOB[:rng.choice((*SIZES, 2500000))]
            chunked, expects = rng.random() < 0.5, rng.random() < 0.2
            how = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
            head = request.bytes + how + (b"Expect: 100-continue\r\n" if expects and body else b"") + b"\r\n"
            sent = in_chunks(body, rng) if chunked else body
            if rng.random() < 0.5:
                connection.sendall(head + sent)
            else:
                connection.sendall(head)
                time.sleep(rng.random() * 0.05)
                connection.sendall(sent)
            answer = read_answer(reader)
            request.check_who(answer)
            if answer.body.decode() != f"{len(body)} {hashlib.sha256(body).hexdigest()}":
                raise Wrong(f"another body arrived: {answer.body}, sent {len(body)} chunked={chunked}")


def abort_download(rng, gate):
    """Goes away in the middle, in one way or the other."""
    with connected(gate) as (connection, _):
        connection.sendall(Request(rng, rng.choice(gate.sessions), rng.choice(("bytes", "chunks", "slow")), 3000000).bytes + b"\r\n")
        left = rng.choice((0, 1, 500, 70000, 1000000))
        while left > 0 and (piece := connection.recv(min(left, 65536))):
            left -= len(piece)
        if rng.random() < 0.5:
            reset(connection)


def abort_request(rng, gate):
    """A reset, or an end, in the middle of a head or body."""
    with connected(gate) as (connection, _):
        request = Request(rng, rng.choice(gate.sessions), "sink", method="POST")
        whole = request.bytes + b"Content-Length: 100000\r\n\r\n" + BLOB[:100000]
        connection.sendall(whole[:rng.choice((1, 10, len(request.bytes), len(request.bytes) + 2000, 90000))])
        if rng.random() < 0.7:
            reset(connection)


def broken_answer(rng, gate):
    """An answer that the application breaks off must not look whole."""
    with connected(gate) as (connection, reader):
        after = rng.choice((-1, 0, 1, 5000, 200000))
        request = Request(rng, rng.choice(gate.sessions), "break", 300000, more=f"&after={after}")
        connection.sendall(request.bytes + b"\r\n")
        try:
            answer = read_answer(reader)
        except Closed:
            return
        if answer.status != 502 or after > 0:
            raise Wrong(f"broken off after {after}, looks whole: {answer.status}, {len(answer.body)} bytes")


def half_close(rng, gate):
    """A client that sends its end and waits gets a quick answer, and for a slow one at least an end."""
    if gate.context:
        return
    with connected(gate) as (connection, reader):
        request = Request(rng, rng.choice(gate.sessions), rng.choice(("bytes", "slow")), 5000)
        connection.sendall(request.bytes + b"\r\n")
        begin = time.monotonic()
        connection.shutdown(socket.SHUT_WR)
        try:
            request.check(read_answer(reader))
        except Closed:
            if time.monotonic() - begin < 0.9:
                raise


def slow_reader(rng, gate):
    with connected(gate, receive_buffer=8192) as (connection, reader):
        request = Request(rng, rng.choice(gate.sessions), rng.choice(("bytes", "chunks")), 1500000)
        connection.sendall(request.bytes + b"\r\n")
        for _ in range(8):
            time.sleep(rng.random() * 0.2)
            reader.more()
        request.check(read_answer(reader))


MALFORMED = (
    (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400), (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400), (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello", 400), (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 40000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414), (b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400),
)


def malformed(rng, gate):
    """Refused, and nothing behind it is answered; a broken chunk ends an upload."""
    with connected(gate) as (connection, reader):
        if rng.random() < 0.2:
            request = Request(rng, rng.choice(gate.sessions), "sink", method="POST")
            sent, status = request.bytes + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 400
        else:
            sent, status = rng.choice(MALFORMED)
            sent += Request(rng, rng.choice(gate.sessions)).bytes + b"\r\n"
        connection.sendall(sent)
        try:
            answer = read_answer(reader)
        except Closed as error:
            raise Wrong(f"no answer to {sent[:60]!r}: {error}") from None
        if answer.status != status:
            raise Wrong(f"{answer.status} for {status}: {sent[:60]!r}")
        with contextlib.suppress(Closed):
            reader.more()
            raise Wrong(f"something behind the refusal of {sent[:60]!r}: {reader.buffer[:60]!r}")


def log_in_and_out(rng, gate):
    """A session is its visitor's at once, and nobody's once it has ended."""
    session = log_in(gate, rng.choice(gate.sessions)[0])
    with connected(gate) as (connection, reader):
        for _ in range(rng.randrange(1, 4)):
            request = Request(rng, session, "bytes", 100)
            connection.sendall(request.bytes + b"\r\n")
            request.check(read_answer(reader))
        if rng.random() < 0.9:
            log_out(gate, session)
            connection.sendall(Request(rng, session).bytes + b"\r\n")
            if (status := read_answer(reader).status) != 401:
                raise Wrong(f"{status} after the logout")


def websocket(rng, gate):
    with connected(gate) as (connection, reader):
        open_websocket(rng, gate, connection, reader)
        for _ in range(rng.randrange(0, 12)):
            opcode, payload = rng.choice((1, 2, 9)), BLOB[:rng.choice((0, 1, 125))]
            if opcode != 9:
                payload = BLOB[:rng.choice((0, 1, 125, 126, 65535, 65536, 400000))]
            connection.sendall(frame(opcode, payload, rng.randbytes(4)))
            if read_frame(reader) != (10 if opcode == 9 else opcode, payload):
                raise Wrong("another frame came back")
        if rng.random() < 0.2:
            return reset(connection)
        code = rng.choice((1000, 1001, 1011, 3000, 4999)).to_bytes(2, "big")
        connection.sendall(frame(8, code + b"bye", rng.randbytes(4)))
        if read_frame(reader) != (8, code + b"bye"):
            raise Wrong("another close came back")


def open_websocket(rng, gate, connection, reader):
    key = base64.b64encode(rng.randbytes(16)).decode()
    request = Request(rng, rng.choice(gate.sessions), "socket")
    connection.sendall(request.bytes + f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       f"Sec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = read_answer(reader)
    request.check_who(answer, 101)
    if answer.fields.get("sec-websocket-accept") != accept_key(key):
        raise Wrong("another key was accepted")


def idle(rng, gate):
    """Connections that say nothing, or nothing any more; some wake up."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(gate)) for _ in range(rng.randrange(1, 20))]
        request = any_request(rng, gate)
        held[0][0].sendall(request.bytes + b"\r\n")
        request.check(read_answer(held[0][1], request.method))
        time.sleep(rng.random() * 2)
        for connection, reader in held[:5]:
            request = any_request(rng, gate, SIZES[:4])
            connection.sendall(request.bytes + b"\r\n")
            request.check(read_answer(reader, request.method))


def wrk(rng, gate):
    """Many small requests at once, by a client that is quick."""
    _, cookie = rng.choice(gate.sessions)
    said = subprocess.run(["wrk", "-t1", "-c16", "-d1s", "--timeout", "30s", "-H", f"Cookie: {cookie}",
                           f"{gate.url}/private/bytes?size=300"], capture_output=True, text=True, check=True).stdout
    # Its errors of reading and connecting are those of an outage, too.
    if re.search("Non-2xx|Socket errors", said) or not re.search("[1-9][0-9]* requests in", said):
        raise Closed(said)


# How often each comes.
ALL = {keep_alive: 12, pipelined: 6, upload: 8, abort_download: 5, abort_request: 5, broken_answer: 4, half_close: 3,
       slow_reader: 2, malformed: 5, log_in_and_out: 4, websocket: 6, idle: 2, wrk: 1}

# What a reset, or the end of a TLS connection in the middle, looks like to a client.
ENDED = (Closed, ConnectionError, ssl.SSLError)
