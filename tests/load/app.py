"""The application behind the gate under load: app.py PORT SEED. One thread for each connection.

It names in every answer what it saw (the visitor's id and the request's nonce), so that a client can
tell an answer that is somebody else's, closes connections now and then, and is ended by SIGKILL.
"""
import base64
import hashlib
import random
import re
import socket
import sys
import threading
import time
import urllib.parse

BLOB = random.Random(7).randbytes(4 << 20)  # bodies are pieces of this


class Closed(Exception):
    """The other side went away, or we do."""


class Reader:
    """Bytes of a connection, by line and by count."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def more(self):
        try:
            piece = self.connection.recv(65536)
        except TimeoutError:
            raise  # silence is no end
        except OSError as error:
            raise Closed(f"{type(error).__name__}: {error}") from None
        if not piece:
            raise Closed("end")
        self.buffer += piece

    def until(self, mark):
        while (at := self.buffer.find(mark)) < 0:
            self.more()
        out, self.buffer = self.buffer[:at], self.buffer[at + len(mark):]
        return out

    def exactly(self, size):
        pieces, missing = [], size
        while missing:
            if not self.buffer:
                self.more()
            pieces.append(self.buffer[:missing])
            self.buffer = self.buffer[missing:]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def head(self):
        """The start line, and the fields by lower-case name."""
        start, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return start, {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def chunks(self):
        """A chunked body, and the fields behind it."""
        pieces = []
        while size := int(self.until(b"\r\n"), 16):
            pieces.append(self.exactly(size))
            if self.exactly(2) != b"\r\n":
                raise AssertionError("no line end behind a chunk")
        trailers = {}
        while line := self.until(b"\r\n"):
            name, value = line.decode("latin-1").split(":", 1)
            trailers[name.lower()] = value.strip()
        return b"".join(pieces), trailers


def frame(opcode, payload, mask=None):
    """One WebSocket frame (RFC 6455, 5.2)."""
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    return head + (mask + masked(payload, mask) if mask else payload)


def masked(payload, mask):
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def read_frame(reader):
    first, second = reader.exactly(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(reader.exactly(2 if size == 126 else 8), "big")
    mask = reader.exactly(4) if second & 0x80 else None
    payload = reader.exactly(size)
    return first & 0x0F, masked(payload, mask) if mask else payload


def accept_key(key):
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def in_chunks(body, rng, trailers=""):
    out, at = [], 0
    while at < len(body):
        size = rng.choice((1, 100, 4000, 70000))
        piece = body[at:at + size]
        out.append(b"%x\r\n%s\r\n" % (len(piece), piece))
        at += size
    return b"".join(out) + f"0\r\n{trailers}\r\n".encode()


class Connection:
    def __init__(self, socket_, rng):
        self.socket, self.rng = socket_, rng
        socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader, self.closing = Reader(socket_), False

    def run(self):
        try:
            patience = 60  # for the first request: whoever connects is served
            while not self.closing:
                self.socket.settimeout(patience)
                start, fields = self.reader.head()
                self.socket.settimeout(60)
                self.serve(start, fields)
                # Now and then a connection that rests is closed without a word.
                patience = self.rng.choice((0.5, 30, 30, 30))
        except (Closed, OSError):
            pass
        finally:
            self.socket.close()

    def serve(self, start, fields):
        method, target, _ = start.split(" ")
        path, _, query = target.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.method, self.closing = method, self.rng.random() < 0.03
        self.saw = {"X-Seen-User": fields.get("x-discord-user-id", "-"), "X-Seen-Nonce": asked.get("n", "-")}
        at, size = int(asked.get("at", 0)), int(asked.get("size", 0))
        body = BLOB[at:at + size]
        match path.rsplit("/", 1)[1]:
            case "bytes":
                self.answer(body)
            case "chunks":
                self.chunked(body)
            case "slow":
                time.sleep(self.rng.uniform(0.02, 0.3))
                self.answer(body, pause=0.05)
            case "break":
                self.break_off(body, int(asked["after"]))
            case "sink":
                self.sink(fields)
            case "socket":
                self.echo(fields)
            case other:
                raise AssertionError(f"nobody should ask for {other}")

    def head(self, status, fields):
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{k}: {v}" for k, v in {**self.saw, **fields}.items())]
        if self.closing:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def answer(self, body, pause=0.0):
        head = self.head(200, {"Content-Length": len(body)})
        if self.method == "HEAD":
            return self.socket.sendall(head)
        if pause:
            self.socket.sendall(head + body[:len(body) // 2])
            time.sleep(pause)
            return self.socket.sendall(body[len(body) // 2:])
        self.socket.sendall(head + body)

    def chunked(self, body):
        head = self.head(200, {"Transfer-Encoding": "chunked", "Trailer": "X-Digest"})
        digest = hashlib.sha256(body).hexdigest()
        self.socket.sendall(head + (b"" if self.method == "HEAD" else in_chunks(body, self.rng, f"X-Digest: {digest}\r\n")))

    def break_off(self, body, after):
        self.closing = True
        if after >= 0:
            chunked = self.rng.random() < 0.5
            how = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": len(body)}
            sent = in_chunks(body, self.rng)[:-5] if chunked else body  # never the last chunk
            self.socket.sendall(self.head(200, how) + sent[:after])

    def sink(self, fields):
        if fields.get("transfer-encoding") == "chunked":
            body, _ = self.reader.chunks()
        else:
            body = self.reader.exactly(int(fields.get("content-length", 0)))
        self.answer(f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode())

    def echo(self, fields):
        self.closing = True
        self.socket.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"X-Seen-User: {self.saw['X-Seen-User']}\r\nX-Seen-Nonce: {self.saw['X-Seen-Nonce']}\r\n"
            f"Sec-WebSocket-Accept: {accept_key(fields['sec-websocket-key'])}\r\n\r\n".encode())
        while True:
            opcode, payload = read_frame(self.reader)
            self.socket.sendall(frame(0xA if opcode == 9 else opcode, payload))
            if opcode == 8:
                return


def main(port, seed):
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    for number in range(1 << 60):
        connection, _ = listener.accept()
        rng = random.Random(f"{seed} {number}")
        threading.Thread(target=Connection(connection, rng).run, daemon=True).start()


if __name__ == "__main__":
    assert re.fullmatch(r"\d+", sys.argv[1])
    main(int(sys.argv[1]), sys.argv[2])
