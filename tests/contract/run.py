#!/usr/bin/env python3
"""Holds discord-sim against Discord's OpenAPI document:  run.py DOCUMENT PROGRAM

Calls every route of the simulator's REST API in good and bad forms, and compares each answer
with what the document says about that route and status. Ends with 'N passed, N failed'.
"""

import json
import re
import sys

import corrections
import selftest
import walk
from schema import Document
from simulator import Simulator

passed = failed = 0


def report(name, problems):
    global passed, failed
    passed, failed = passed + (not problems), failed + bool(problems)
    if problems:
        print(f"FAILED {name}")
        for problem in problems[:8]:
            print(f"       {problem}")


class Contract:
    def __init__(self, document):
        self.document = Document(document)
        self.paths = [(path, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)))
                      for path in sorted(document["paths"], key=lambda p: p.count("{"))]
        self.walked = set()

    def operation(self, method, path):
        for template, pattern in self.paths:
            if pattern.fullmatch(path) and method.lower() in self.document.document["paths"][template]:
                self.walked.add(f"{method} {template}")
                return self.document.document["paths"][template][method.lower()]
        return None

    def problems(self, method, path, answer):
        """What is wrong with an answer, by the document."""
        status, headers, text = answer
        operation = self.operation(method, path.split("?")[0])
        if operation is None:
            return [f"the document has no {method} {path}"]
        responses = operation["responses"]
        wanted = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if wanted is None:
            return [f"the document has no {status} here"]
        if "$ref" in wanted:
            wanted = self.document.resolve(wanted["$ref"])
        problems = self.header_problems(wanted.get("headers", {}), headers)
        if "content" not in wanted:
            return problems + (["a body where none belongs"] if text else [])
        if headers.get("content-type", "").split(";")[0] != "application/json":
            return problems + [f"no JSON: {headers.get('content-type')}"]
        errors, unknown = self.document.check(
            json.loads(text), wanted["content"]["application/json"]["schema"])
        problems += errors
        problems += [f"{key}: the document does not know it" for key in unknown
                     if key.rsplit(".", 1)[1] not in walk.UNDOCUMENTED]
        return problems

    def header_problems(self, wanted, headers):
        problems = []
        for name, about in wanted.items():
            if name.lower() not in headers:
                continue
            schema = self.document.resolve(about["$ref"])["schema"] if "$ref" in about else about["schema"]
            value = headers[name.lower()]
            if schema["type"] in ("integer", "number"):
                value = json.loads(value)
            problems += self.document.check(value, schema, name)[0]
        return problems


def ask(sim, row, headers):
    _, method, path, who, _, body = row
    headers = dict(headers[who])
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = body if isinstance(body, str) else json.dumps(body)
    return sim.call(method, "/api/v10" + path, headers, body)


def walk_routes(sim, contract, rows, headers):
    for row in rows:
        name, method, path, _, status, _ = row
        answer = ask(sim, row, headers)
        problems = contract.problems(method, path, answer)
        if answer[0] != status:
            problems.insert(0, f"status {answer[0]} instead of {status}: {answer[2]!r:.200}")
        report(f"{name}: {method} {path}", problems)


def walk_refusals(sim, contract, headers):
    """What is refused before a route is asked."""
    agent = {**headers["fern"], "User-Agent": "Mozilla/5.0"}
    report("a browser's User-Agent",
           contract.problems("GET", "/users/@me", sim.call("GET", "/api/v10/users/@me", agent)))
    report("a version that is gone", contract.problems(
        "GET", "/users/@me", sim.call("GET", "/api/v5/users/@me", headers["fern"])))
    sim.control("settings", {"rate_limits": True})
    for limits, path in (({"route": "/users/@me", "units": 1, "window": 60}, "/users/@me"),
                         ({"route": "*user", "units": 1, "window": 60}, "/users/@me/guilds")):
        sim.control("limits", limits)
        for _ in range(2):
            answer = sim.call("GET", "/api/v10" + path, headers["robin"])
        problems = [] if answer[0] == 429 else [f"status {answer[0]} instead of 429"]
        report(f"too many calls: {limits['route']}", problems + contract.problems("GET", path, answer))
    sim.control("settings", {"rate_limits": False})


def walk_faults(sim, contract, headers):
    """Faults that look like Discord, as far as the document goes."""
    for kind in sim.control("state", method="GET")["fault_kinds"]:
        if kind in walk.BROKEN_ON_PURPOSE:
            continue
        path = walk.ELSEWHERE.get(kind, "/users/@me")
        who = "robin" if kind == "kicked" else "fern"
        asking = headers[who]
        if kind == "deauthorized":
            asking = {"Authorization": "Bearer " + sim.login(walk.OLD, "identify")}
        sim.control("faults", {"route": path, "kind": kind})
        answer = sim.call("GET", "/api/v10" + path, asking)
        report(f"the fault {kind}: {answer[0]}", contract.problems("GET", path, answer))
        sim.control("faults", method="DELETE")


def see_broken_answers(sim, contract, headers):
    """An answer that is broken on purpose has to be found: the whole chain can fail."""
    me, guilds, member = "/users/@me", "/users/@me/guilds", f"/users/@me/guilds/{walk.GARDEN}/member"
    broken = [
        ("a required key is missing", me, {"remove": ["locale"]}),
        ("an id as a number", me, {"merge": {"id": 7}}),
        ("an id that is none", me, {"merge": {"id": "x"}}),
        ("an unknown locale", me, {"merge": {"locale": "tlh"}}),
        ("text instead of a number", me, {"merge": {"public_flags": "0"}}),
        ("null where none belongs", me, {"merge": {"username": None}}),
        ("a key that Discord does not have", me, {"merge": {"invented": 1}}),
        ("permissions as a number", guilds, {"merge": {"permissions": 8}}),
        ("a feature that is a number", guilds, {"merge": {"features": [1]}}),
        ("a time without a zone", member, {"merge": {"joined_at": "2024-03-01T12:00:00"}}),
        ("a role twice", member, {"merge": {"roles": ["1", "1"]}}),
        ("no object", me, {"kind": "empty_list"}),
        ("a page", me, {"kind": "200_page"}),
        ("a status that the document lacks", me, {"kind": "500"}),
        ("a 429 without retry_after", me, {"kind": "429_blocked"}),
        ("a header that is no number", me, {"headers": {"X-RateLimit-Limit": '"many"'}}),
    ]
    for name, path, fault in broken:
        sim.control("faults", {"route": path, **fault})
        answer = sim.call("GET", "/api/v10" + path, headers["fern"])
        found = contract.problems("GET", path, answer)
        report(f"a broken answer is found: {name}", [] if found else ["nothing was found"])
        sim.control("faults", method="DELETE")


def see_all_routes(sim, contract):
    """No route of the simulator is left out, and those that cannot be compared are named."""
    def shape(route):
        return re.sub(r"\{[^}]+\}", "{}", route)
    walked = {shape(route) for route in contract.walked}
    named = {shape(route) for route in walk.NOT_IN_DOCUMENT}
    for route in sim.control("state", method="GET")["api_routes"]:
        report(f"compared: {route}", [] if shape(route) in walked | named else ["no call of it"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    report("the corrections fit the document", corrections.apply(document))
    contract = Contract(document)
    selftest.run(report)
    sim = Simulator(sys.argv[2])
    try:
        walk.prepare(sim)
        tokens, headers = walk.people(sim)
        walk_routes(sim, contract, walk.steps(tokens), headers)
        walk_refusals(sim, contract, headers)
        see_broken_answers(sim, contract, headers)
        see_all_routes(sim, contract)
        walk_faults(sim, contract, headers)
    finally:
        sim.stop()
    for route, why in walk.NOT_IN_DOCUMENT.items():
        print(f"not in the document: {route} ({why})")
    print("not in the document: the CDN, the consent page, discovery, webhook events, every 5xx")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
