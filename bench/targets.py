"""What Cordgate's figures are held against. A row: what, case, how it is computed, limit."""


def against(other, figure):
    """Median of Cordgate's figure over the other's."""
    return lambda case: case["cordgate"][figure]["median"] / case[other][figure]["median"]


def own(figure, which="median", unit=1):
    return lambda case: case["cordgate"][figure][which] / unit


TARGETS = [
    ("CPU of a small GET / nginx", "small", own("/ nginx"), "<=", 0.90),
    ("CPU of a small GET / bare relay", "small", own("/ relay"), "<=", 1.25),
    ("p99 at 256 connections / nginx", "c256", against("nginx", "p99_ms"), "<=", 1.0),
    ("1 GiB download, speed / nginx", "download", against("nginx", "gib_per_second"), ">=", 1.0),
    ("1 GiB upload, speed / nginx", "upload", against("nginx", "gib_per_second"), ">=", 1.0),
    ("1 GiB download, growth of RSS, MiB", "download", own("growth_mib", "max"), "<=", 8),
    ("1 GiB upload, growth of RSS, MiB", "upload", own("growth_mib", "max"), "<=", 8),
    ("idle keep-alive connection, KiB", "idle", own("bytes_each", unit=1024), "<=", 3),
    ("idle WebSocket, KiB", "idle-websockets", own("bytes_each", unit=1024), "<=", 8),
    ("start to first answer, ms", "start", own("start_ms"), "<=", 100),
]


def lines(cases):
    """A heading, then a line for each target whose case was measured."""
    yield ["", "measured", "target", ""]
    for what, case, value, relation, limit in TARGETS:
        try:
            measured = value(cases[case]["figures"])
        except KeyError:
            continue
        met = measured <= limit if relation == "<=" else measured >= limit
        yield [what, f"{measured:.2f}", f"{relation} {limit:g}", "met" if met else "missed"]
