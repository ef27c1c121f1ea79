"""A strict second reading of HTTP/1.1, written from RFC 9110 and RFC 9112 and from nothing
of Cordgate's, so that the two can be held against each other.

`requests(bytes)` and `response(bytes, method)` say what a stream is: whole messages, and how
it ends. A message that the RFCs allow but let a recipient refuse says why in `odd`.
"""
import dataclasses
import re

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
URI_CHARS = re.compile(rb"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*")
HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,}\]|[A-Za-z0-9\-._]{1,255})(:(?P<port>[0-9]{1,5}))?")
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t !-~\x80-\xff])*"'
EXTENSION = re.compile(rb"(?:[ \t]*;[ \t]*" + TOKEN.pattern + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN.pattern + rb"|" + QUOTED + rb"))?)*")


SINGLETONS = (b"authorization", b"content-type", b"range", b"content-range", b"if-range", b"if-modified-since", b"if-unmodified-since", b"expect")


class Invalid(Exception):
    """The bytes are no HTTP/1.1, or say two things."""


class Incomplete(Exception):
    """More bytes have to come."""


@dataclasses.dataclass
class Message:
    fields: list
    start: tuple = ()          # (method, target, version) or (version, status, reason)
    body: bytes = b""
    framing: str = "none"      # none, length, chunked, close
    trailers: list = dataclasses.field(default_factory=list)
    odd: list = dataclasses.field(default_factory=list)
    head_size: int = 0
    size: int = 0              # of the whole message, in bytes

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name]

    def first(self, name):
        found = self.all(name)
        return found[0] if found else None


def take_line(data, at):
    end = data.find(b"\n", at)
    cr = data.find(b"\r", at)
    if end < 0:
        if 0 <= cr < len(data) - 1:
            raise Invalid("a bare CR")
        raise Incomplete
    if end == at or data[end - 1:end] != b"\r":
        raise Invalid("a bare LF")
    if cr != end - 1:
        raise Invalid("a bare CR")
    return data[at:end - 1], end + 1


def take_fields(data, at):
    fields = []
    while True:
        line, at = take_line(data, at)
        if not line:
            return fields, at
        if line[:1] in b" \t":
            raise Invalid("a folded line")
        name, colon, value = line.partition(b":")
        if not colon:
            raise Invalid("a line without a colon")
        if not TOKEN.fullmatch(name):
            raise Invalid("a field name that is no token")
        value = value.strip(b" \t")
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise Invalid("a control character in a field")
        fields.append((name, value))


def items(values):
    return [i.strip(b" \t") for v in values for i in v.split(b",") if i.strip(b" \t")]


def framing_of(message, version):
    """none, length or chunked, and the length (RFC 9112, 6.3)."""
    lengths, codings = message.all(b"content-length"), message.all(b"transfer-encoding")
    if codings:
        if version == b"HTTP/1.0":
            raise Invalid("Transfer-Encoding in HTTP/1.0")
        if lengths:
            raise Invalid("Content-Length beside Transfer-Encoding")
        names = items(codings)
        for each in names:
            if not re.fullmatch(TOKEN.pattern + rb"([ \t]*;[ \t]*" + TOKEN.pattern + rb"[ \t]*=[ \t]*(" + TOKEN.pattern + rb"|" + QUOTED + rb"))*", each):
                raise Invalid("a transfer coding that is none")
        if [n.lower() for n in names].count(b"chunked") != 1 or names[-1].lower() != b"chunked":
            raise Invalid("chunked is not the last transfer coding")
        if len(names) > 1 or len(codings) > 1 or codings[0].lower() != b"chunked":
            message.odd.append("a transfer coding besides chunked, or an empty list item")
        return "chunked", 0
    if not lengths:
        return "none", 0
    numbers = [i.strip(b" \t") for v in lengths for i in v.split(b",")]
    if any(not re.fullmatch(rb"[0-9]+", n) for n in numbers):
        raise Invalid("a Content-Length that is no number")
    if len(set(numbers)) > 1:
        raise Invalid("two lengths")
    if len(numbers) > 1:
        message.odd.append("the same length twice")
    if len(numbers[0]) > 1 and numbers[0][:1] == b"0":
        message.odd.append("a length with leading zeros")
    if len(numbers[0].lstrip(b"0")) > 18:
        raise Invalid("a length beyond 64 bits")
    return "length", int(numbers[0])


def take_chunked(data, at, message):
    body = []
    while True:
        try:
            line, after = take_line(data, at)
        except Incomplete:
            if not re.fullmatch(rb"[0-9A-Fa-f]{0,16}([ \t;][^\r\n]*)?\r?", data[at:]):
                raise Invalid("a chunk size that is no number") from None
            raise
        found = re.match(rb"[0-9A-Fa-f]+", line)
        if not found or len(found[0].lstrip(b"0")) > 15:
            raise Invalid("a chunk size that is no number")
        if not EXTENSION.fullmatch(line, found.end()):
            raise Invalid("a malformed chunk extension")
        if len(line) > 4000:
            message.odd.append("a large chunk extension")
        if re.search(rb"[ \t]", line):
            message.odd.append("white space in a chunk line")
        if len(found[0]) > 15:
            message.odd.append("a chunk size with many zeros")
        at, size = after, int(found[0], 16)
        if size == 0:
            break
        end = data[at + size:at + size + 2]
        if not b"\r\n".startswith(end):
            raise Invalid("a chunk that is longer than its size")
        if len(end) < 2:
            raise Incomplete
        body.append(data[at:at + size])
        at += size + 2
    begin = at
    message.trailers, at = take_fields(data, at)
    if at - begin > 8000:
        message.odd.append("large trailers")
    message.body = b"".join(body)
    return at


def check_target(message, method, target):
    odd = message.odd
    if re.search(rb"[^!-~]", target):
        raise Invalid("a target with blanks, controls or 8-bit bytes")
    if b"#" in target:
        raise Invalid("a target with a fragment")
    if not URI_CHARS.fullmatch(target):
        odd.append("a target with characters that no URI has")
    if method == b"CONNECT":
        odd.append("CONNECT")
        return
    if target == b"*":
        if method != b"OPTIONS":
            raise Invalid("* is for OPTIONS")
        odd.append("OPTIONS *")
        return
    path = target
    if target[:1] != b"/":
        absolute = re.fullmatch(rb"(?i)(https?)://([^/?]*)(.*)", target)
        if not absolute:
            raise Invalid("a target that is neither a path nor a URL")
        if not HOST.fullmatch(absolute[2]):
            raise Invalid("a target with a bad authority")
        odd.append("absolute form")
        path = absolute[3]
    path = path.split(b"?")[0]
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), path)
    if re.search(rb"%(?![0-9A-Fa-f]{2})", target) or re.search(rb"[\x00-\x1f\x7f\\;]|//", plain) or b"%2f" in path.lower():
        odd.append("a path that servers read differently")
    if any(s.split(b";")[0].strip(b" .") == b"" and s for s in re.split(rb"[/\\]", plain)):
        odd.append("a path with dot segments")
    try:
        plain.decode()
    except UnicodeDecodeError:
        odd.append("a path that is no UTF-8")


def take_request(data, at):
    message = Message([])
    begin = at
    if data[at:at + 2] == b"\r\n":
        message.odd.append("an empty line in front")
        at += 2
    line, at = take_line(data, at)
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[1]:
        raise Invalid("a malformed request line")
    method, target, version = parts
    if not TOKEN.fullmatch(method):
        raise Invalid("a method that is no token")
    if not re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        raise Invalid("no HTTP version")
    if version[5:6] != b"1":
        raise Invalid("another HTTP version")
    if version[7:] > b"1":
        message.odd.append("a higher minor version")
    if method.upper() != method:
        message.odd.append("a method with small letters")
    if method in (b"TRACE", b"PRI") or len(method) > 32:
        message.odd.append("a method that may be refused")
    message.start = (method, target, version)
    check_target(message, method, target)
    message.fields, at = take_fields(data, at)
    message.head_size = at - begin
    if message.head_size > 8000 or len(message.fields) > 90:
        message.odd.append("a large head")

    hosts = message.all(b"host")
    if len(hosts) > 1:
        raise Invalid("two Hosts")
    if not hosts and version != b"HTTP/1.0":
        raise Invalid("no Host")
    if not hosts:
        message.odd.append("HTTP/1.0 without Host")
    elif not HOST.fullmatch(hosts[0]):
        if not re.fullmatch(rb"([A-Za-z0-9\-._~!$&'()*+;=%]*|\[[^\]]*\])(:[0-9]*)?", hosts[0]):
            raise Invalid("a bad Host")
        message.odd.append("a Host that no browser sends")
    elif hosts[0].startswith(b"[") or int(HOST.fullmatch(hosts[0])["port"] or b"1") not in range(1, 65536):
        message.odd.append("a Host that no browser sends")
    for name in SINGLETONS:
        if len(message.all(name)) > 1:
            raise Invalid(f"two {name.decode()}, which is no list")
    if hosts and re.search(rb"^\.|\.\.", hosts[0]):
        message.odd.append("a Host with an empty label")
    if any(v.lower() != b"100-continue" for v in message.all(b"expect")):
        message.odd.append("an unknown expectation")
    if message.all(b"upgrade"):
        message.odd.append("an upgrade")
    if len(message.all(b"upgrade")) > 1:
        message.odd.append("two upgrades")

    message.framing, length = framing_of(message, version)
    if message.framing == "chunked":
        at = take_chunked(data, at, message)
    elif message.framing == "length":
        if len(data) - at < length:
            if length > 1 << 30:
                message.odd.append("a large body")
            raise Incomplete
        message.body = data[at:at + length]
        at += length
    message.size = at - begin
    return message, at


def requests(data):
    """The whole requests at the start of `data`, and how it ends: 'end', 'incomplete',
    'closed' (one of them ends the connection) or why the rest is refused."""
    found, at = [], 0
    while at < len(data):
        try:
            message, at = take_request(data, at)
        except Incomplete:
            return found, "incomplete"
        except Invalid as error:
            return found, str(error)
        found.append(message)
        options = [o.lower() for o in items(message.all(b"connection"))]
        if b"close" in options or (message.start[2] == b"HTTP/1.0" and b"keep-alive" not in options):
            return found, "closed"
    return found, "end"


def take_response(data, at, method, closed):
    message = Message([])
    line, at = take_line(data, at)
    found = re.fullmatch(rb"(HTTP/[0-9]\.[0-9]) ([0-9]{3})( ([\t -~\x80-\xff]*))?", line)
    if not found:
        raise Invalid("a malformed status line")
    if found[1][5:6] != b"1":
        raise Invalid("another HTTP version")
    status = int(found[2])
    if found[1][7:] > b"1":
        message.odd.append("a higher minor version")
    if not 100 <= status < 600:
        message.odd.append("a status that HTTP does not have")
    if found[3] is None:
        message.odd.append("no blank behind the status")
    message.start = (found[1], status, found[4] or b"")
    message.fields, at = take_fields(data, at)
    message.head_size = at
    if at > 8000 or len(message.fields) > 90:
        message.odd.append("a large head")
    if len(message.all(b"upgrade")) > 1:
        message.odd.append("two upgrades")
    message.framing, length = framing_of(message, found[1])
    # What a 205 brings along is no content of its own (RFC 9110, 15.3.6): a proxy may leave it out.
    if method == b"HEAD" or status < 200 or status in (204, 205, 304):
        if message.framing == "chunked" and method != b"HEAD":
            message.odd.append("Transfer-Encoding where no body can be")
        message.framing = "none"
    elif message.framing == "chunked":
        at = take_chunked(data, at, message)
    elif message.framing == "length":
        message.body = data[at:at + length]
        if len(message.body) < length:
            raise Incomplete
        at += length
    else:
        message.framing = "close"
        message.body = data[at:]
        if not closed:
            raise Incomplete
        at = len(data)
    return message, at


def response(data, method=b"GET", closed=True):
    """(interim responses, the final one or None, how it ends): 'end', 'incomplete', 'more'
    when bytes follow, or why it is refused. `closed`: nothing comes behind `data`."""
    interim, at = [], 0
    while True:
        try:
            message, at = take_response(data, at, method, closed)
        except Incomplete:
            return interim, None, "incomplete"
        except Invalid as error:
            return interim, None, str(error)
        if message.start[1] >= 200 or message.start[1] == 101:
            return interim, message, "end" if at == len(data) else "more"
        interim.append(message)
        if at == len(data):
            return interim, None, "incomplete"
