"""What Cordgate did with a case, beside what nginx and HAProxy did, and whether that is right.

A finding is one of
  ambiguous   what reached the upstream can be read in two ways
  extra       the upstream got another request than the client sent
  laxer       a request that is none went on, and the others refused it (or nobody did: lax)
  changed     a valid request was refused or came out different
  silent      no answer and no end, although nothing more can come
  unframed    what the client got is no sequence of HTTP/1.1 responses
"""
import dataclasses
import re

import http1

HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
       b"content-length", b"proxy-authorization", b"proxy-authenticate", b"http2-settings"}
# What the gate writes itself or keeps to itself (docs/headers.md), folded.
OWN = re.compile(rb"(http-)?(x-discord-.*|x-forwarded.*|x-auth-request-.*|(x-)?remote-.*|host|cookie|expect|proxy|forwarded"
                 rb"|x-real-ip|x-request-id|x-(original|rewrite|http-method|method|proxyuser|azure|envoy|client|cluster)-?.*"
                 rb"|x-host|x-url-scheme|front-end-https|(true-|fastly-)?client-ip|cf-connecting-.*|x-webauth-user|x-http-method)")


def folded(name):
    return re.sub(rb"[^a-z0-9]", b"-", name.lower())


@dataclasses.dataclass
class Outcome:
    """What one proxy did."""
    answers: list      # statuses of the responses that the client got
    closed: bool       # the connection was ended
    received: bytes    # what the client got
    upstream: list     # the bytes of each upstream connection
    seen: list         # requests that arrived whole, in the order of their ends
    problems: list = dataclasses.field(default_factory=list)  # why what arrived is not clean

    def read(self):
        for data in self.upstream:
            _, end = http1.requests(data)
            if end not in ("end", "incomplete", "closed"):
                self.problems.append(f"{end}: {data[:200]!r}")
        for request in self.seen:
            self.problems += unclean(request)
        return self

    def short(self):
        got = ",".join(str(a) for a in self.answers) or "no answer"
        return f"{got}{' closed' if self.closed else ''}; forwarded {len(self.seen)}"


def unclean(request):
    """Why an upstream could read a forwarded request differently, however valid it is."""
    out = [o for o in request.odd if o.startswith(("the same length", "a length with", "a transfer coding", "white space in a chunk",
                                                   "a higher minor", "an empty line", "absolute form"))]
    names = [n for n, _ in request.fields]
    for name in names:
        plain = folded(name)
        if plain.removeprefix(b"http-") != name.lower() and plain.removeprefix(b"http-") in HOP | {b"host"}:
            out.append(f"looks like a field of the framing: {name!r}")
        if b"x-discord-" in plain:
            out.append(f"says who the visitor is: {name!r}")
    lower = [n.lower() for n in names]
    for name in (b"host", b"content-length", b"transfer-encoding"):
        if lower.count(name) > 1:
            out.append(f"two {name.decode()}")
    if lower.count(b"host") != 1 and request.start[2] == b"HTTP/1.1":
        out.append("no Host")
    return out


def same(sent, arrived):
    """Why `arrived` is not `sent`; empty when it is."""
    out = []
    method, target, _ = sent.start
    absolute = re.fullmatch(rb"(?i)https?://[^/?]*(.*)", target)
    if arrived.start[0] != method:
        out.append(f"method {arrived.start[0]!r}")
    if arrived.start[1] != target and not (absolute and arrived.start[1] in (absolute[1] or b"/", b"/" + absolute[1])):
        out.append(f"target {arrived.start[1][:80]!r} for {target[:80]!r}")
    if arrived.body != sent.body:
        out.append(f"body of {len(arrived.body)} bytes for {len(sent.body)}")
    nominated = {o.lower() for o in http1.items(sent.all(b"connection"))}
    kept = [(n.lower(), v) for n, v in sent.fields if n.lower() not in HOP | nominated and not OWN.fullmatch(folded(n))
            and folded(n).removeprefix(b"http-") not in HOP]
    there = [(n.lower(), v) for n, v in arrived.fields]
    at = 0
    for field in kept:
        try:
            at = there.index(field, at) + 1
        except ValueError:
            out.append(f"lost or moved {field[0][:60]!r}")
    return out


def judge_request(data, outcomes):
    """Findings about Cordgate, and a word on what the case is."""
    sent, end = http1.requests(data)
    gate = outcomes["cordgate"]
    findings = [("ambiguous", p) for p in gate.problems]
    for i, arrived in enumerate(gate.seen):
        if i >= len(sent):
            others = [n for n, o in outcomes.items() if n != "cordgate" and len(o.seen) <= i]
            kind = "laxer" if others else "lax"
            findings.append((kind, f"request {i + 1} ({end}) went on as {arrived.start}; refused by {', '.join(others) or 'nobody'}"))
            continue
        # A body that is not whole yet: nothing to compare with.
        for difference in same(sent[i], arrived):
            findings.append(("changed" if not sent[i].odd else "extra", f"request {i + 1}: {difference}"))
    for i, request in enumerate(sent):
        if request.odd:
            break  # it may be refused, and then nothing behind it is answered
        if i >= len(gate.seen):
            findings.append(("changed", f"request {i + 1} is valid and was answered with {gate.answers[i:i + 1] or 'nothing'}"))
            break
    whole = sum(r.size for r in sent)
    if end not in ("end", "incomplete", "closed") and not gate.closed and len(gate.answers) <= len(sent) and (
            b"\r\n\r\n" in data[whole:] or end == "a bare LF"):
        findings.append(("silent", f"{end}, but the connection stays open: {gate.short()}"))
    findings += framing_of_answers(gate.received, [r.start[0] for r in sent] + [b"GET"] * 50)
    words = [o for r in sent for o in r.odd] + ([] if end in ("end", "closed") else [end])
    return findings, "; ".join(words) or "valid"


def framing_of_answers(received, methods):
    at, i = received, 0
    while at:
        interim, final, end = http1.response(at, methods[min(i, len(methods) - 1)], closed=True)
        if final is None and interim and end == "incomplete":
            return []  # 100 Continue, and no body came
        if final is None:
            return [("unframed", f"answer {i + 1}: {end}: {at[:120]!r}")]
        if end == "end":
            return []
        at, i = rest_behind(at, methods[min(i, len(methods) - 1)]), i + 1
    return []


def rest_behind(data, method):
    at = 0
    while True:
        message, at = http1.take_response(data, at, method, True)
        if message.start[1] >= 200 or message.start[1] == 101:
            return data[at:]


def judge_response(data, method, outcomes):
    interim, sent, end = http1.response(data, method)
    gate = outcomes["cordgate"]
    findings = []
    _, got, got_end = http1.response(gate.received, method, closed=gate.closed)
    what = end if end not in ("end", "more") else "; ".join(sent.odd + [o for m in interim for o in m.odd]) or "valid"
    if got is None and got_end not in ("incomplete",):
        findings.append(("ambiguous", f"the client got {got_end}: {gate.received[:200]!r}"))
    if got is not None and got_end == "more":
        findings.append(("extra", f"the client got more than one answer: {gate.received[-200:]!r}"))
    for message in [got] if got else []:
        for name in (b"content-length", b"transfer-encoding"):
            if len(message.all(name)) > 1:
                findings.append(("ambiguous", f"two {name.decode()}"))
        findings += [("ambiguous", o) for o in message.odd if o.startswith(("the same", "a length", "a transfer coding", "white space"))]
    if sent is None:
        # Refused (502), cut so that one can see it, or nothing at all.
        if got is not None and got.start[1] < 500 and not (got.framing == "close"):
            others = [n for n, o in outcomes.items() if n != "cordgate" and (not o.answers or o.answers[-1] >= 500)]
            findings.append(("laxer" if others else "lax", f"{end}: came out whole as {got.start[1]}; refused by {', '.join(others) or 'nobody'}"))
        if got is not None and got.start[1] < 500 and got.framing == "close" and end == "incomplete":
            findings.append(("ambiguous", "cut, but the client cannot see it"))
        return findings, what
    if sent.start[1] == 101 or sent.odd or len(interim) > 8 or any(m.odd or m.start[1] == 101 for m in interim):
        return findings, what if what != "valid" else "101"
    if got is None:
        findings.append(("changed", f"valid, but the client got {gate.short()} {gate.received[:80]!r}"))
        return findings, what
    if got.start[1] != sent.start[1]:
        findings.append(("changed", f"status {got.start[1]} for {sent.start[1]}"))
    elif got.body != sent.body:
        findings.append(("changed", f"body of {len(got.body)} bytes for {len(sent.body)}"))
    else:
        nominated = {o.lower() for o in http1.items(sent.all(b"connection"))}
        there = [(n.lower(), v) for n, v in got.fields]
        for name, value in sent.fields:
            name = name.lower()
            if name in HOP | nominated or folded(name).startswith(b"x-discord-") or folded(name) in HOP:
                continue
            if (name, value) not in there:
                findings.append(("changed", f"lost {name!r}"))
    return findings, what
