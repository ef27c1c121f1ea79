"""What is measured: the matrix of cases, each about one kind of work."""
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field

import load
from subjects import Subject

HERE = pathlib.Path(__file__).parent
RATES = ["cpu_us", "user_us", "system_us", "per_second", "p50_ms", "p99_ms"]
EVERYONE = ["bare relay", "nginx", "nginx auth_request", "haproxy", "caddy", "cordgate"]
PROXIES = ["nginx", "haproxy", "caddy", "cordgate"]

# Elsewhere nginx has its defaults. For bodies these buffers were the best of nine sets tried:
# with its defaults it needs about twice the CPU, and uploads go to the disk first.
LARGE_BUFFERS = {"buffers": "proxy_buffers 4 256k; proxy_busy_buffers_size 512k; proxy_max_temp_file_size 0;"
                            "proxy_request_buffering off; client_body_buffer_size 512k;"}
BULK = {"nginx": LARGE_BUFFERS, "nginx auth_request": LARGE_BUFFERS}
BULK_NOTE = "nginx: buffers of 256 KiB in memory, uploads streamed; its defaults cost it about twice as much."


@dataclass
class Case:
    name: str
    title: str
    columns: list[str]                  # figures of the table; ratios are made of the first
    measure: Callable[[Subject], dict]  # the figures of one round
    subjects: list[str]
    note: str = ""
    workers: int = 1
    fresh: bool = False                 # a new process for each round: its memory has no history
    rounds: int = 100                   # at most
    settings: dict = field(default_factory=dict)  # subject -> how it is started otherwise


def matrix(options):
    """The cases, in the order they run."""
    seconds, programs = options.seconds, options.programs
    idle, sockets, size = (1000, 500, 1 << 27) if options.quick else (10000, 5000, 1 << 30)

    def get(path, connections, **more):
        return lambda subject: load.requests(subject, path, connections, seconds, **more)

    def body(direction):
        return lambda subject: load.transfer(subject, programs / "transfer", direction, size)

    def held(kind, count):
        return lambda subject: load.hold(subject, programs / "hold", kind, count)

    transfers = ["cpu_ms_per_gib", "gib_per_second", "growth_mib"]
    return [
        Case("small", "Small authenticated GET, 64 connections", RATES, get("/small", 64), EVERYONE),
        Case("c256", "Small authenticated GET, 256 connections", RATES, get("/small", 256), EVERYONE),
        Case("c1000", "Small authenticated GET, 1,000 connections", RATES, get("/small", 1000),
             ["bare relay", *PROXIES]),
        Case("workers2", "Small authenticated GET, 64 connections, 2 workers", RATES, get("/small", 64), PROXIES,
             workers=2),
        Case("64k", "64 KiB response, 64 connections", RATES, get("/bytes/65536", 64), EVERYONE,
             note=BULK_NOTE, settings=BULK),
        Case("post", "1 MiB POST, 64 connections", RATES, get("/sink", 64, script=str(HERE / "post.lua")),
             EVERYONE, note=BULK_NOTE, settings=BULK),
        Case("redirect", "Anonymous visitor: 302 to the login, 64 connections", RATES,
             get("/redirect", 64, headers=["Accept: text/html"]), ["nginx", "haproxy", "cordgate"],
             note="nginx: `return 302`, HAProxy: `http-request redirect`; neither asks who the visitor is.",
             settings={"nginx": {"location": "location = /redirect { return 302 /login; }"}}),
        Case("websocket", "WebSocket, a message of 128 bytes and its echo, 64 connections", RATES,
             lambda subject: load.echoes(subject, programs / "websockets", 64, seconds, 128),
             ["bare relay", *PROXIES]),
        Case("download", "1 GiB download, one connection", transfers, body("download"), ["bare relay", *PROXIES],
             note="Growth is the most RSS during the transfer, less that before it. " + BULK_NOTE,
             fresh=True, settings=BULK),
        Case("upload", "1 GiB upload, one connection", transfers, body("upload"), ["bare relay", *PROXIES],
             note=BULK_NOTE, fresh=True, settings=BULK),
        Case("idle", f"{idle:,} idle keep-alive connections, each after one request",
             ["bytes_each", "count", "rss_mib"], held("http", idle), PROXIES,
             note="Fewer where the limit of descriptors is low; HAProxy reserves two for each.",
             fresh=True, rounds=3),
        Case("idle-websockets", f"{sockets:,} idle WebSockets, each after one echo",
             ["bytes_each", "count", "rss_mib"], held("websocket", sockets), ["bare relay", *PROXIES],
             fresh=True, rounds=3),
        Case("start", "From start to first answer", ["start_ms", "rss_mib"], load.first_answer, PROXIES,
             note="Cordgate with an empty SQLite store.", fresh=True,
             settings={"cordgate": {"logged_in": False, "store": "sqlite:start.db"}}),
    ]
