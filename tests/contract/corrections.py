"""Where Discord's OpenAPI document and Discord's documentation disagree, the documentation is
right, as the document's own introduction says. Each row: what is replaced (with what stands there
now, so that a newer document is noticed), by what, and why.
"""

ERROR = {"$ref": "#/components/schemas/Error"}

ROWS = [
    (["components", "schemas", "InnerErrors", "properties", "_errors", "items"], ERROR,
     {"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
      "required": ["code", "message"]},
     "Reference, Error Messages: the code of a field's error is a word, as BASE_TYPE_REQUIRED"),
    (["components", "schemas", "RatelimitedResponse", "allOf", 0], ERROR,
     {"type": "object", "required": ["message"],
      "properties": {"code": {"type": "integer"}, "message": {"type": "string"}}},
     "Topics, Rate Limits: code is there for some limits only"),
]


def apply(document):
    """Returns the rows that do not fit this document any more."""
    stale = []
    for path, now, instead, _ in ROWS:
        node = document
        for part in path[:-1]:
            node = node[part]
        if node[path[-1]] == now:
            node[path[-1]] = instead
        else:
            stale.append("/".join(map(str, path)))
    return stale
