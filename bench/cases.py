"""What is measured: the matrix of cases, each about one kind of work."""
import load

EVERYONE = ["bare relay", "nginx", "nginx auth_request", "haproxy", "caddy", "cordgate"]


class Case:
    """`measure(subject)` gives the figures of one round; each subject is started once per case."""

    def __init__(self, name, title, columns, measure, subjects=None, **start):
        self.name, self.title, self.columns = name, title, columns
        self.measure, self.subjects, self.start = measure, subjects or EVERYONE, start


REQUESTS = ["cpu_us", "user_us", "system_us", "per_second", "p50_ms", "p99_ms"]


def matrix(options):
    def small(connections, **start):
        def measure(subject):
            return load.requests(subject, "/small", connections, options.seconds)
        return measure

    return [
        Case("small", "Small authenticated GET, 64 connections", REQUESTS, small(64)),
    ]
