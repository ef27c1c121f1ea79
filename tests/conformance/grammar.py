"""The cases of this project: small grammars, multiplied out.

Each case is (name, bytes, method): a client's bytes with None, an upstream's with the method
that they answer. Nothing here says what is right; http1.py and judge.py do.
"""
import itertools

HOST = b"Host: app.example\r\n"
BODY = b"Content-Length: 5\r\n\r\nhello"


def request(target=b"/x", fields=b"", method=b"GET", version=b"HTTP/1.1", host=HOST):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def line_ends():
    ends = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "crcrlf": b"\r\r\n", "lfcr": b"\n\r", "nul": b"\0\r\n",
            "vt": b"\x0b\r\n", "space": b" \r\n", "tab": b"\t\r\n", "nel": b"\x85\r\n"}
    for (a, first), (b, second), (c, last) in itertools.product(ends.items(), repeat=3):
        # One odd end at a time, or the same everywhere.
        if [a, b, c].count("crlf") >= 2 or a == b == c:
            yield f"ends {a} {b} {c}", b"GET /x HTTP/1.1" + first + b"Host: app.example" + b"\r\nX-A: 1" + second + last
    for n in range(4):
        yield f"{n} empty lines in front", b"\r\n" * n + request()
        yield f"{n} empty lines between", request(b"/1") + b"\r\n" * n + request(b"/2")
        yield f"{n} empty lines behind a body", request(b"/1", BODY[:-7], b"POST") + b"hello" + b"\r\n" * n + request(b"/2")


def start_lines():
    versions = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.10",
                b"HTTP/01.1", b"HTTP/1.1.1", b"http/1.1", b"HTTP/-1.1", b"HTTP /1.1", b"HTTPS/1.1", b"HTTP/1,1", b"HTTP/1.1 x", b"", b"1.1"]
    for version in versions:
        yield f"version {version!r}", request(version=version)
    methods = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"QUERY", b"PROPFIND", b"M-SEARCH", b"A!#$%&'*+-.^_`|~9",
               b"get", b"Get", b"CONNECT", b"TRACE", b"PRI", b"G@T", b"G\0T", b"G\x80T", b"\"GET\"", b"GET,", b"", b"X" * 32, b"X" * 4000]
    for method in methods:
        yield f"method {method[:20]!r}", request(method=method)
        yield f"method {method[:20]!r} with a body", request(method=method, fields=BODY[:-7]) + b"hello"
    for gap in (b"  ", b"\t", b"\x0b", b"\x0c", b" \t", b"\r", b"\0", b"\xa0", b""):
        yield f"gap {gap!r} before the target", b"GET" + gap + b"/x HTTP/1.1\r\n" + HOST + b"\r\n"
        yield f"gap {gap!r} behind the target", b"GET /x" + gap + b"HTTP/1.1\r\n" + HOST + b"\r\n"
        yield f"gap {gap!r} in front", gap + b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"
        yield f"gap {gap!r} at the end", b"GET /x HTTP/1.1" + gap + b"\r\n" + HOST + b"\r\n"
    targets = [b"/", b"/a/b", b"/a?b=c&d", b"/?", b"/a%20b", b"/%e2%9c%93", b"/a;b=c", b"/@:!$&'()*+,;=~", b"/a?/../b", b"/a?b#c", b"/#", b"*",
               b"a", b"//", b"//evil/x", b"/a//b", b"/a/../b", b"/a/./b", b"/%2e%2e/b", b"/a%2fb", b"/a\\b", b"/a%5cb", b"/%00", b"/%0d%0a",
               b"/%", b"/%zz", b"/a\x00b", b"/a\x7fb", b"/\xc3\xa9", b"/\"<>^`{|}", b"/[x]", b"?a", b"@evil/", b":80/x", b"evil:80",
               b"http://app.example/x", b"http://app.example", b"http://app.example?x", b"HTTP://app.example/x", b"https://app.example/x",
               b"http://other.example/x", b"http://u:p@app.example/", b"http://@app.example/", b"http:///x", b"http:/x", b"http:x", b"ftp://app.example/",
               b"http://app.example:99999/", b"http://app.example\\@evil/", b"http://[::1]/", b"http://[::1/", b"ws://app.example/", b"/" + b"a" * 3000]
    for target, method in itertools.product(targets, (b"GET", b"OPTIONS")):
        yield f"{method.decode()} target {target[:40]!r}", request(target, method=method)


def field_lines():
    names = (b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"X-Discord-User-Id", b"X-A")
    values = {b"Content-Length": b"5", b"Transfer-Encoding": b"chunked", b"Host": b"app.example", b"Connection": b"close"}
    forms = {
        "plain": b"%n: %v", "no blank": b"%n:%v", "tab": b"%n:\t%v", "blanks behind": b"%n: %v \t ", "space before the colon": b"%n : %v",
        "tab before the colon": b"%n\t: %v", "no colon": b"%n %v", "no value": b"%n:", "only the name": b"%n", "empty name": b": %v",
        "space in front": b" %n: %v", "folded": b"%n:\r\n %v", "folded behind": b"%n: %v\r\n ", "folded with lf": b"%n:\n %v", "cr in the value": b"%n: \r%v",
        "lf in the value": b"%n: x\n%v", "nul in the value": b"%n: \0%v", "nul behind": b"%n: %v\0", "vt in front": b"%n:\x0b%v", "del": b"%n: %v\x7f",
        "8-bit blank": b"%n: \xa0%v", "8-bit in the name": b"%n\x85: %v", "nul in the name": b"\0%n: %v", "cr in the name": b"\r%n: %v", "quoted name": b"\"%n\": %v",
        "underscores": b"%u: %v", "dots": b"%d: %v", "http_": b"HTTP_%u: %v", "capitals": b"%N: %v", "small": b"%l: %v", "twice": b"%n: %v\r\n%n: %v",
        "twice in small letters": b"%n: %v\r\n%l: %v", "nominated": b"Connection: %n\r\n%n: %v", "behind an odd line": b"X-B: 1\r%n: %v", "behind lf": b"X-B: 1\n%n: %v",
        "colon twice": b"%n:: %v", "comma": b"%n: %v,", "semicolon": b"%n: %v;", "quoted value": b"%n: \"%v\"",
    }
    for name, (form, pattern) in itertools.product(names, forms.items()):
        value = values.get(name, b"1")
        line = pattern
        for key, text in ((b"%n", name), (b"%v", value), (b"%u", name.replace(b"-", b"_")), (b"%d", name.replace(b"-", b".")),
                          (b"%N", name.upper()), (b"%l", name.lower())):
            line = line.replace(key, text)
        body = {b"Content-Length": b"hello", b"Transfer-Encoding": b"5\r\nhello\r\n0\r\n\r\n"}.get(name, b"")
        host = b"" if name == b"Host" else HOST
        yield f"{name.decode()} {form}", request(fields=line + b"\r\n", method=b"POST", host=host) + body + request(b"/next")


def hosts():
    for value in (b"a", b"a:80", b"a.", b"a..b", b".a", b".", b"", b" ", b"a b", b"a,b", b"a/b", b"a?b", b"a#b", b"u@a", b"a:", b"a:b", b"a:0", b"a:65536", b"a:1:2",
                  b":80", b"[::1]", b"[::1]:80", b"[::1", b"[::1]x", b"a\\b", b"a%62", b"\xc3\xa9", b"a=1", b"a_b", b"a\0", b"*", b"127.0.0.1", b"a" * 300):
        for version in (b"HTTP/1.1", b"HTTP/1.0"):
            yield f"Host {value[:20]!r} {version.decode()}", request(host=b"Host: " + value + b"\r\n", version=version)
    yield "no Host", request(host=b"")
    yield "no Host in HTTP/1.0", request(host=b"", version=b"HTTP/1.0")
    yield "two Hosts", request(host=HOST + b"Host: b\r\n")
    yield "two Hosts alike", request(host=HOST * 2)


def framing():
    lengths = [None, b"0", b"5", b"05", b"+5", b"-5", b"-0", b"5 5", b"5,5", b"5, 6", b"5;", b"0x5", b"5.0", b"5e0", b"1_0", b"\"5\"", b"", b" ", b"five", b"\xd9\xa5",
               b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"9" * 40, b"5\x0b", b"5\0"]
    codings = [None, b"chunked", b"Chunked", b"CHUNKED", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked, identity",
               b"identity, chunked", b",chunked", b"chunked,", b", chunked", b"xchunked", b"chunkedx", b"chunk", b"chunked;q=1", b"\"chunked\"", b"'chunked'", b"",
               b"chunked\x0b", b"\x0bchunked", b"\x0cchunked", b"chunked\0", b"chu nked", b"\xa0chunked", b"chunked\x85"]
    for length, coding in itertools.product(lengths, codings):
        if length not in (None, b"5") and coding not in (None, b"chunked"):
            continue
        for version in (b"HTTP/1.1", b"HTTP/1.0") if length in (None, b"5") else (b"HTTP/1.1",):
            fields = b"" if length is None else b"Content-Length: " + length + b"\r\n"
            fields += b"" if coding is None else b"Transfer-Encoding: " + coding + b"\r\n"
            body = b"5\r\nhello\r\n0\r\n\r\n" if coding is not None else b"hello" if length else b""
            yield (f"length {length!r} coding {coding!r} {version.decode()}",
                   request(b"/1", fields, b"POST", version) + body + request(b"/2"))
    for first, second in itertools.product((b"Content-Length: 5", b"Content-Length: 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), repeat=2):
        yield f"{first.decode()} and {second.decode()}", request(b"/1", first + b"\r\n" + second + b"\r\n", b"POST") + b"0\r\n\r\n" + request(b"/2")


def chunks():
    head = request(b"/1", b"Transfer-Encoding: chunked\r\n", b"POST")
    sizes = [b"5", b"05", b"0005", b"00000000000000005", b"a", b"A", b"0x5", b"5h", b"+5", b"-5", b" 5", b"5 ", b"\t5", b"5\t", b"5_0", b"", b"g", b"5.", b"5,", b"\x005", b"5\0",
             b"fffffffffffffff", b"ffffffffffffffff", b"10000000000000000", b"100000000000000005", b"5\r", b"5\x0b", b"5\x85", b"\"5\"", b"4", b"6"]
    extensions = [b"", b";", b";a", b";a=b", b";a=\"b\"", b"; a=b", b" ;a=b", b";a=\"b", b";a=\"\r\n\"", b";a=\"\\\"\"", b";a\0", b";\x0b", b";a=b;c=d", b";;", b";=", b";a=",
                  b";\xff", b";a=b\n", b";a=b\rc", b";" + b"a" * 20000]
    ends = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"", b"x\r\n", b"\r\n\r\n"]
    last = b"0\r\n\r\n"
    data = b"helloworld"
    for size in sizes:
        yield f"chunk size {size!r}", head + size + b"\r\n" + (data if size.lower() == b"a" else b"hello") + b"\r\n" + last + request(b"/2")
    for extension in extensions:
        yield f"chunk extension {extension[:20]!r}", head + b"5" + extension + b"\r\nhello\r\n" + last + request(b"/2")
        yield f"last chunk's extension {extension[:20]!r}", head + b"5\r\nhello\r\n0" + extension + b"\r\n\r\n" + request(b"/2")
    for end in ends:
        yield f"chunk line ends with {end!r}", head + b"5" + end + b"hello\r\n" + last + request(b"/2")
        yield f"chunk data ends with {end!r}", head + b"5\r\nhello" + end + last + request(b"/2")
        yield f"last chunk ends with {end!r}", head + b"5\r\nhello\r\n0" + end + b"\r\n" + request(b"/2")
        yield f"trailers end with {end!r}", head + b"5\r\nhello\r\n0\r\nX-T: 1" + end + b"\r\n" + request(b"/2")
        yield f"body ends with {end!r}", head + b"5\r\nhello\r\n0\r\n" + end + request(b"/2")
    for trailer in (b"X-T: 1", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: evil", b"X-Discord-User-Id: 1", b"Cookie: a=1", b"X T: 1", b" X: 1", b"X-T", b": 1",
                    b"X: a\0b", b"X: a\rb", b"GET /x HTTP/1.1", b"X-T: 1\r\nX-T: 2", b"X: " + b"a" * 20000):
        yield f"trailer {trailer[:30]!r}", head + b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n" + request(b"/2")
    for cut in range(0, 22, 3):
        whole = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
        yield f"chunks cut behind {cut} bytes", head + whole[:cut]


def behaviour():
    yield "three in one segment", request(b"/1") + request(b"/2") + request(b"/3")
    yield "body then request", request(b"/1", BODY[:-7], b"POST") + b"hello" + request(b"/2")
    yield "GET with a body", request(b"/1", BODY[:-7]) + b"hello" + request(b"/2")
    yield "HEAD between", request(b"/1") + request(b"/2", method=b"HEAD") + request(b"/3")
    yield "chunks then request", request(b"/1", b"Transfer-Encoding: chunked\r\n", b"PUT") + b"5\r\nhello\r\n0\r\n\r\n" + request(b"/2")
    yield "close, and another", request(b"/1", b"Connection: close\r\n") + request(b"/2")
    yield "HTTP/1.0, and another", request(b"/1", version=b"HTTP/1.0") + request(b"/2")
    yield "HTTP/1.0 kept alive", request(b"/1", b"Connection: keep-alive\r\n", version=b"HTTP/1.0") + request(b"/2")
    yield "nonsense behind", request(b"/1") + b"nonsense\r\n\r\n" + request(b"/2")
    yield "nonsense behind a body", request(b"/1", BODY[:-7], b"POST") + b"helloX" + request(b"/2")
    yield "every byte", request(b"/1", b"Content-Length: 256\r\n\r\n"[:-2], b"POST") + bytes(range(256))
    for value in (b"100-continue", b"100-Continue", b"x", b"y 100-continue", b"100-continue, x", b""):
        yield f"Expect {value!r}", request(b"/1", b"Expect: " + value + b"\r\n" + BODY[:-7], b"POST") + b"hello" + request(b"/2")
    for option in (b"Host", b"Content-Length", b"Cookie", b"Transfer-Encoding", b"X-Forwarded-For", b"X-A", b"\"X-A\"", b"close, X-A", b",,", b"a b", b"\x80"):
        yield f"Connection {option!r}", request(b"/1", b"Connection: " + option + b"\r\nX-A: 1\r\nCookie: a=1\r\n" + BODY[:-7], b"POST") + b"hello"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    for protocol in (b"websocket", b"WebSocket", b"h2c", b"H2C", b"websocket, h2c", b"foo", b"", b"websocket\r\nUpgrade: h2c"):
        upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
        yield f"Upgrade {protocol!r}", request(b"/1", upgrade + key) + request(b"/2")
        yield f"Upgrade {protocol!r} without a key", request(b"/1", upgrade) + request(b"/2")
        yield f"Upgrade {protocol!r} with a body", request(b"/1", upgrade + key + BODY[:-7], b"POST") + b"hello"
    for name in (b"Authorization", b"Content-Type", b"If-Modified-Since", b"Range", b"If-None-Match", b"Accept", b"Cookie", b"X-A", b"Referer"):
        yield f"{name.decode()} twice", request(b"/1", name + b": a\r\n" + name + b": b\r\n")
    for name in (b"X_Real_IP", b"X.Forwarded.For", b"X_Discord_User", b"Content.Length", b"X_A", b"X!A", b"Proxy", b"Keep-Alive", b"TE", b"Trailer", b"Via", b"Max-Forwards"):
        yield f"field {name.decode()}", request(b"/1", name + b": 1\r\n")
    for start in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + request(), b"GET /\r\n\r\n", b"GET /\r\n"):
        yield f"another protocol {start[:12]!r}", start
    for size in (100, 200, 20000):
        yield f"{size} fields", request(b"/1", b"".join(b"X-%d: 1\r\n" % i for i in range(size)))
    for size in (4000, 40000):
        yield f"a field of {size}", request(b"/1", b"X-A: " + b"a" * size + b"\r\n")


def responses():
    ok = b"HTTP/1.1 200 OK\r\n"
    whole = ok + b"Content-Length: 5\r\n\r\nhello"
    starts = [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 600 OK",
              b"HTTP/1.1 999 OK", b"HTTP/1.1 abc OK", b"HTTP/1.1 +20 OK", b"HTTP/2.0 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b"ICY 200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b" HTTP/1.1 200 OK",
              b"HTTP/1.1 200 O\0K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 \xc3\xa9", b"HTTP/1.1200 OK", b"", b"\r\nHTTP/1.1 200 OK", b"hello"]
    for start in starts:
        yield f"answer {start!r}", start + b"\r\nContent-Length: 5\r\n\r\nhello", b"GET"
    for line in (b"X: a\rb", b"X: a\nb: c", b"X: a\0b", b"X: a\r\n b", b"X : a", b"X\t: a", b" X: a", b"X", b": a", b"X Y: a", b"X\x80: a", b"X: \x80", b"X: a\x7fb", b"X:", b"X_A: 1", b"X-Discord-User-Id: 1",
                 b"Content_Length: 9", b"Connection: X-A\r\nX-A: 1", b"Keep-Alive: timeout=5", b"Upgrade: h2c", b"Set-Cookie: a=1\r\nSet-Cookie: b=2", b"Trailer: X-T", b"X: " + b"a" * 60000):
        yield f"answer with {line[:30]!r}", ok + line + b"\r\nContent-Length: 5\r\n\r\nhello", b"GET"
    for value in (b"5", b"05", b"+5", b"-5", b"5, 5", b"5, 6", b"5\r\nContent-Length: 5", b"5\r\nContent-Length: 6", b"", b"0x5", b"5.0", b"18446744073709551621", b"9", b"4", b"0"):
        for method in (b"GET", b"HEAD"):
            yield f"answer to {method.decode()}, length {value!r}", ok + b"Content-Length: " + value + b"\r\n\r\n" + (b"hello" if method == b"GET" else b""), method
    for coding in (b"chunked", b"Chunked", b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b",chunked", b"xchunked", b"", b"chunked\x0b", b"chunked\r\nTransfer-Encoding: chunked"):
        for extra in (b"", b"Content-Length: 5\r\n"):
            for version in (b"HTTP/1.1", b"HTTP/1.0"):
                yield (f"answer coding {coding!r} {extra[:6]!r} {version.decode()}",
                       version + b" 200 OK\r\n" + extra + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"GET")
    for body in (b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", b"5\nhello\n0\n\n", b"5\r\nhello!\r\n0\r\n\r\n", b"g\r\n", b"-5\r\nhello\r\n", b"5\r\nhell", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\n\r",
                 b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"", b"ffffffffffffffff\r\nhello", b"5;a=\"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"):
        yield f"answer of chunks {body[:24]!r}", ok + b"Transfer-Encoding: chunked\r\n\r\n" + body, b"GET"
    for status, fields, body in itertools.product((b"204 No Content", b"205 Reset Content", b"304 Not Modified", b"206 Partial Content", b"100 Continue", b"102 Processing", b"103 Early Hints", b"101 Switching Protocols"),
                                                  (b"", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"), (b"", b"hello", b"0\r\n\r\n", whole)):
        for method in (b"GET", b"HEAD"):
            yield f"{status.decode()} {fields[:16]!r} {body[:8]!r} to {method.decode()}", b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n" + body, method
    for cut in range(0, len(whole), 4):
        yield f"answer cut behind {cut} bytes", whole[:cut], b"GET"
    yield "two answers", whole + whole, b"GET"
    yield "until the end", ok + b"\r\nhello", b"GET"
    yield "until the end, HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", b"GET"
    yield "a body to HEAD", whole, b"HEAD"
    yield "many interim answers", b"HTTP/1.1 102 Processing\r\n\r\n" * 200 + whole, b"GET"
    for end in (b"\n", b"\r", b"\r\r\n"):
        yield f"answer's lines end with {end!r}", whole.replace(b"\r\n", end), b"GET"


def cases():
    for group in (line_ends, start_lines, field_lines, hosts, framing, chunks, behaviour):
        for name, data in group():
            yield f"{group.__name__}: {name}", data, None
    for name, data, method in responses():
        yield f"responses: {name}", data, method
