"""The validator can fail: each value here is good or broken, and has to be told apart."""

from schema import Document

DOCUMENT = Document({"components": {"schemas": {
    "Id": {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "format": "snowflake"},
    "Kind": {"type": "string", "oneOf": [{"const": "a"}, {"const": "b"}]},
    "Base": {"type": "object", "properties": {"id": {"$ref": "#/components/schemas/Id"}},
             "required": ["id"]},
    "Thing": {"type": "object",
              "allOf": [{"$ref": "#/components/schemas/Base"},
                        {"properties": {"kinds": {"type": "array", "uniqueItems": True,
                                                  "maxItems": 2, "items": {
                                                      "$ref": "#/components/schemas/Kind"}},
                                        "at": {"type": ["string", "null"],
                                               "format": "date-time"},
                                        "owner": {"oneOf": [{"type": "null"},
                                                            {"$ref": "#/components/schemas/Base"}]},
                                        "count": {"type": "integer", "format": "int32",
                                                  "minimum": 0},
                                        "map": {"type": "object", "maxProperties": 1,
                                                "additionalProperties": {"type": "string",
                                                                         "maxLength": 3}}}}]},
}}})
THING = {"$ref": "#/components/schemas/Thing"}

# (name, value, errors, unknown keys)
CASES = [
    ("the least", {"id": "1"}, 0, 0),
    ("everything", {"id": "18446744073709551615", "kinds": ["a", "b"], "owner": {"id": "0"},
                    "at": "2024-03-01T12:00:00.000000+00:00", "count": 5, "map": {"k": "v"}}, 0, 0),
    ("nulls where allowed", {"id": "1", "at": None, "owner": None}, 0, 0),
    ("another type, of both halves", [], 2, 0),
    ("a required key is missing", {}, 1, 0),
    ("an id as a number", {"id": 1}, 1, 0),
    ("an id of more than 64 bits", {"id": "18446744073709551616"}, 1, 0),
    ("an id with a leading zero", {"id": "01"}, 2, 0),
    ("null where not allowed", {"id": "1", "kinds": None}, 1, 0),
    ("an unknown constant", {"id": "1", "kinds": ["c"]}, 1, 0),
    ("an item twice", {"id": "1", "kinds": ["a", "a"]}, 1, 0),
    ("too many items", {"id": "1", "kinds": ["a", "b", "c"]}, 2, 0),
    ("a time without a zone", {"id": "1", "at": "2024-03-01T12:00:00"}, 1, 0),
    ("a time that is none", {"id": "1", "at": "2024-13-01T12:00:00Z"}, 1, 0),
    ("a fraction", {"id": "1", "count": 1.5}, 1, 0),
    ("true is no number", {"id": "1", "count": True}, 1, 0),
    ("more than 32 bits", {"id": "1", "count": 2**31}, 1, 0),
    ("less than nothing", {"id": "1", "count": -1}, 1, 0),
    ("within another object", {"id": "1", "owner": {"id": 7}}, 1, 0),
    ("a value of a map too long", {"id": "1", "map": {"k": "long"}}, 1, 0),
    ("a map too large", {"id": "1", "map": {"k": "v", "l": "v"}}, 1, 0),
    ("a key that nobody knows", {"id": "1", "new": 1}, 0, 1),
    ("one further down", {"id": "1", "owner": {"id": "1", "new": 1}}, 0, 1),
]


def run(report):
    for name, value, errors, unknown in CASES:
        got_errors, got_unknown = DOCUMENT.check(value, THING)
        report(f"the validator sees: {name}",
               [] if (len(got_errors), len(got_unknown)) == (errors, unknown)
               else [f"expected {errors} and {unknown}, found {got_errors} and {got_unknown}"])
    for schema in ({"if": {}}, {"format": "unheard-of"}):
        try:
            DOCUMENT.check("x", schema)
            report(f"the validator refuses to guess: {schema}", ["it guessed"])
        except ValueError:
            report(f"the validator refuses to guess: {schema}", [])
