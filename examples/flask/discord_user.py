"""Who is asking, as Cordgate says.

The gate removes every X-Discord-* header that a visitor sends and adds its own, so the
headers are true as long as nobody can reach this application but through the gate:
it listens on 127.0.0.1, and refuses a request that comes from elsewhere.
"""

import functools
import json

from flask import abort, g, request

GATE = {"127.0.0.1", "::1"}


def load_user():
    """Use as `app.before_request(load_user)`: sets `g.user` to a dict, or None."""
    if request.remote_addr not in GATE:
        abort(403, "only the gate may ask")
    header = request.headers.get("X-Discord-User")
    g.user = json.loads(header) if header else None


def member_of(guild_id):
    """Only for members of a guild; the gate's rules can say the same for whole paths."""

    def decorate(view):
        @functools.wraps(view)
        def checked(*args, **kwargs):
            if not g.user or not any(guild["id"] == guild_id for guild in g.user.get("guilds", [])):
                abort(403)
            return view(*args, **kwargs)

        return checked

    return decorate
