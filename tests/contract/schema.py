"""Checks a JSON value against a schema of an OpenAPI 3.1 document (JSON Schema 2020-12).

Only what such documents use is known; any other keyword is an error, so that a newer
document cannot pass by not being understood.
"""

import re

TYPES = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
}

DATE_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
                       r"T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-][01]\d:[0-5]\d)")
FORMATS = {
    "date-time": lambda v: bool(DATE_TIME.fullmatch(v)),
    "uri": lambda v: bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+", v)),
    "snowflake": lambda v: bool(re.fullmatch(r"0|[1-9][0-9]*", v)) and int(v) < 2**64,
    "int32": lambda v: -2**31 <= v < 2**31,
    "int64": lambda v: -2**63 <= v < 2**63,
    "double": lambda v: True,
    "nonce": lambda v: True,
}
# They say nothing about the value.
SILENT = {"title", "description", "deprecated", "default", "example", "examples",
          "contentEncoding", "contentMediaType", "readOnly", "writeOnly", "additionalProperties",
          "x-discord-union"}


def same(a, b):
    """Equality of JSON: true is not 1."""
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b or \
        (TYPES["number"](a) and TYPES["number"](b) and a == b)


class Found:
    """What is wrong, which keys no schema knows, and which keys of this very object are known."""

    def __init__(self):
        self.errors, self.unknown, self.known = [], [], set()

    def add(self, other):
        self.errors += other.errors
        self.unknown += other.unknown

    def add_same_object(self, other):
        self.add(other)
        self.known |= other.known


class Document:
    def __init__(self, document):
        self.document = document

    def resolve(self, reference):
        node = self.document
        if not reference.startswith("#/"):
            raise ValueError(f"a reference to another document: {reference}")
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def check(self, value, schema, where="$"):
        """Returns (errors, keys that no schema knows)."""
        found = self._value(value, schema, where)
        return found.errors, found.unknown

    # A value by all that is said about it: only here it is known which keys nobody knew.
    def _value(self, value, schema, where):
        found = self._apply(value, schema, where)
        if isinstance(value, dict) and not found.errors:
            found.unknown += [f"{where}.{key}" for key in value if key not in found.known]
        return found

    def _apply(self, value, schema, where):
        found = Found()
        if schema is True or schema == {}:
            if isinstance(value, dict):
                found.known |= set(value)
            return found
        if schema is False:
            found.errors.append(f"{where}: nothing may be here")
            return found
        for keyword, rule in schema.items():
            if keyword in SILENT:
                continue
            method = getattr(self, "_" + keyword.lstrip("$"), None)
            if method is None:
                raise ValueError(f"a keyword that is not understood: {keyword}")
            method(found, value, rule, where, schema)
        if isinstance(value, dict) and "additionalProperties" in schema:
            self._additional(found, value, schema, where)
        return found

    def _ref(self, found, value, rule, where, schema):
        found.add_same_object(self._apply(value, self.resolve(rule), where))

    def _type(self, found, value, rule, where, schema):
        names = [rule] if isinstance(rule, str) else rule
        if not any(TYPES[name](value) for name in names):
            found.errors.append(f"{where}: {value!r:.60} is no {' or '.join(names)}")

    def _enum(self, found, value, rule, where, schema):
        if not any(same(value, each) for each in rule):
            found.errors.append(f"{where}: {value!r:.60} is none of {rule!r:.80}")

    def _const(self, found, value, rule, where, schema):
        if not same(value, rule):
            found.errors.append(f"{where}: {value!r:.60} is not {rule!r}")

    def _allOf(self, found, value, rule, where, schema):
        for each in rule:
            found.add_same_object(self._apply(value, each, where))

    def _branches(self, value, rule, where):
        return [f for f in (self._apply(value, each, where) for each in rule) if not f.errors]

    def _anyOf(self, found, value, rule, where, schema):
        good = self._branches(value, rule, where)
        for each in good:
            found.add_same_object(each)
        if not good:
            found.errors.append(f"{where}: {value!r:.60} fits none of {len(rule)} schemas")

    def _oneOf(self, found, value, rule, where, schema):
        good = self._branches(value, rule, where)
        if len(good) == 1:
            found.add_same_object(good[0])
        else:
            found.errors.append(f"{where}: {value!r:.60} fits {len(good)} of {len(rule)} schemas")

    def _properties(self, found, value, rule, where, schema):
        if not isinstance(value, dict):
            return
        for key in value.keys() & rule.keys():
            found.add(self._value(value[key], rule[key], f"{where}.{key}"))
        found.known |= rule.keys()

    def _additional(self, found, value, schema, where):
        rest = value.keys() - schema.get("properties", {}).keys()
        for key in rest:
            found.add(self._value(value[key], schema["additionalProperties"], f"{where}.{key}"))
        found.known |= rest

    def _required(self, found, value, rule, where, schema):
        if isinstance(value, dict):
            found.errors += [f"{where}: lacks {key!r}" for key in rule if key not in value]

    def _items(self, found, value, rule, where, schema):
        for index, item in enumerate(value if isinstance(value, list) else []):
            found.add(self._value(item, rule, f"{where}[{index}]"))

    def _uniqueItems(self, found, value, rule, where, schema):
        if rule and isinstance(value, list):
            if any(same(a, b) for i, a in enumerate(value) for b in value[:i]):
                found.errors.append(f"{where}: an item is there twice")

    def _size(self, found, value, kind, least, most, where):
        if isinstance(value, kind) and not least <= len(value) <= most:
            found.errors.append(f"{where}: has {len(value)}, not {least} to {most}")

    def _minItems(self, found, value, rule, where, schema):
        self._size(found, value, list, rule, float("inf"), where)

    def _maxItems(self, found, value, rule, where, schema):
        self._size(found, value, list, 0, rule, where)

    def _minLength(self, found, value, rule, where, schema):
        self._size(found, value, str, rule, float("inf"), where)

    def _maxLength(self, found, value, rule, where, schema):
        self._size(found, value, str, 0, rule, where)

    def _minProperties(self, found, value, rule, where, schema):
        self._size(found, value, dict, rule, float("inf"), where)

    def _maxProperties(self, found, value, rule, where, schema):
        self._size(found, value, dict, 0, rule, where)

    def _minimum(self, found, value, rule, where, schema):
        if TYPES["number"](value) and value < rule:
            found.errors.append(f"{where}: {value} is less than {rule}")

    def _maximum(self, found, value, rule, where, schema):
        if TYPES["number"](value) and value > rule:
            found.errors.append(f"{where}: {value} is more than {rule}")

    def _pattern(self, found, value, rule, where, schema):
        if isinstance(value, str) and not re.search(rule, value):
            found.errors.append(f"{where}: {value!r:.60} does not match {rule}")

    def _format(self, found, value, rule, where, schema):
        if rule not in FORMATS:
            raise ValueError(f"a format that is not understood: {rule}")
        text = rule in ("date-time", "uri", "snowflake", "nonce")
        if isinstance(value, str) == text and (text or TYPES["number"](value)):
            if not FORMATS[rule](value):
                found.errors.append(f"{where}: {value!r:.60} is no {rule}")
