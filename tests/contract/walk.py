"""Every call of the simulator's REST API, in good and in bad forms.

Each row: what it is, method, path, who asks, the status that has to come, and a body. The
answer's form is not written here: Discord's document knows it.
"""

from simulator import BOT, CLIENT_ID

FERN, ROBIN, PIP = "301000000000000001", "301000000000000002", "301000000000000003"
OLD = "80351110224678912"
GARDEN, LIGHTHOUSE, WORKSHOP = "401000000000000001", "401000000000000002", "401000000000000003"
STAFF = "501000000000000001"

# Routes that Discord's document does not hold: nothing to compare them with.
NOT_IN_DOCUMENT = {
    "POST /oauth2/token": "the token endpoint: RFC 6749, tests/sim/token_test.cpp",
    "POST /oauth2/token/revoke": "revocation: RFC 7009, tests/sim/token_test.cpp",
    "POST /oauth2/device/authorize": "the device flow: RFC 8628, tests/sim/device_test.cpp",
    "GET /oauth2/authorize": "a redirect for browsers: tests/sim/authorize_test.cpp",
}

# Keys that Discord sends and the document does not know.
UNDOCUMENTED = {"clan", "banner_color"}

# Faults whose answers Discord's API would not give, or gives from elsewhere.
BROKEN_ON_PURPOSE = {
    "429_blocked": "has no retry_after", "cloudflare_1015": "no JSON",
    "cloudflare_1015_hour": "no JSON", "cloudflare_429_page": "no JSON",
    "cloudflare_403_page": "no JSON", "502_page": "no JSON", "503_text": "no JSON",
    "504_page": "no JSON", "507_page": "no JSON", "522_page": "no JSON", "523_page": "no JSON",
    "524_page": "no JSON", "404_page": "no JSON", "200_page": "no JSON", "200_empty": "no JSON",
    "500": "the document describes no 5xx", "reset": "no answer", "lost_answer": "no answer",
    "cut_head": "no answer", "cut_body": "no answer", "wrong_length": "no answer",
    "null": "no object", "empty_list": "no object",
    "gzip": "the same bytes, packed", "unknown_keys": "that is its purpose",
}
ELSEWHERE = {"huge_guilds": "/users/@me/guilds", "empty_list": "/users/@me/guilds",
             "null": "/users/@me/guilds",
             "kicked": f"/users/@me/guilds/{GARDEN}/member"}


def people(sim):
    """Tokens: all that can be asked for, and nearly nothing."""
    everything = ("identify email connections guilds guilds.members.read guilds.join openid "
                  "role_connections.write")
    as_user = {
        "fern": sim.login(FERN, everything),
        "robin": sim.login(ROBIN, everything),
        "pip": sim.login(PIP, everything),
        "old": sim.login(OLD, everything),
        "plain": sim.login(FERN, "identify"),
        "nameless": sim.login(FERN, "guilds"),
    }
    headers = {name: {"Authorization": "Bearer " + token} for name, token in as_user.items()}
    headers |= {"bot": {"Authorization": "Bot " + BOT}, "nobody": {},
                "stranger": {"Authorization": "Bearer dead"}}
    return as_user, headers


def prepare(sim):
    """A world with more in it than the demo's."""
    sim.control("users", {"id": ROBIN, "connections": [
        {"id": "run&hide", "name": "robin", "type": "github", "visibility": 1},
        {"id": "7", "name": "quiet", "type": "steam", "visibility": 0, "revoked": True},
        {"id": "8", "name": None, "type": "twitch", "integrations": [
            {"id": "twitch-partners", "type": "twitch", "account": {"id": "8", "name": "r"},
             "guild": {"id": GARDEN, "name": "The Walled Garden", "icon": None}}]}]})
    sim.control("members", {"user": FERN, "guild": GARDEN, "roles": [STAFF], "nick": "F",
                            "avatar": "0" * 32, "pending": True, "flags": 3,
                            "premium_since": "2024-03-01T12:00:00.000000+00:00",
                            "timed_out_until": "2034-03-01T12:00:00+00:00"})
    sim.control("guilds", {"id": "900", "name": "Full of rules", "owner": ROBIN,
                           "features": ["MEMBER_VERIFICATION_GATE_ENABLED"],
                           "bot_permissions": "0"})
    sim.control("settings", {"rate_limits": False})


def steps(token):
    me, role = "/users/@me", f"/users/@me/applications/{CLIENT_ID}/role-connection"
    garden, records = f"/guilds/{GARDEN}", f"/applications/{CLIENT_ID}/role-connections/metadata"
    join = {"access_token": token["pip"]}
    record = {"type": 1, "key": "level", "name": "Level", "description": "How far"}
    rows = [(f"{who} reads the account", "GET", me, who, 200, None)
            for who in ("fern", "robin", "pip", "old", "plain", "bot")]
    rows += [
        ("without the scope", "GET", me, "nameless", 401, None),
        ("without a token", "GET", me, "nobody", 401, None),
        ("with a dead token", "GET", me, "stranger", 401, None),
        ("guilds", "GET", me + "/guilds", "fern", 200, None),
        ("guilds with counts", "GET", me + "/guilds?with_counts=true", "fern", 200, None),
        ("no guilds", "GET", me + "/guilds", "pip", 200, None),
        ("guilds without the scope", "GET", me + "/guilds", "plain", 401, None),
        ("guilds with a bad limit", "GET", me + "/guilds?limit=0", "fern", 400, None),
        ("guilds with a bad cursor", "GET", me + "/guilds?after=x", "fern", 400, None),
        ("one's membership", "GET", f"{me}/guilds/{GARDEN}/member", "fern", 200, None),
        ("an owner's membership", "GET", f"{me}/guilds/{LIGHTHOUSE}/member", "robin", 200, None),
        ("no membership", "GET", f"{me}/guilds/{GARDEN}/member", "pip", 404, None),
        ("a guild whose id is none", "GET", f"{me}/guilds/x/member", "fern", 400, None),
        ("membership as the bot", "GET", f"{me}/guilds/{GARDEN}/member", "bot", 401, None),
        ("connections", "GET", me + "/connections", "robin", 200, None),
        ("no connections", "GET", me + "/connections", "fern", 200, None),
        ("connections without the scope", "GET", me + "/connections", "plain", 401, None),
        ("no role connection yet", "GET", role, "fern", 200, None),
        ("a role connection is set", "PUT", role, "fern", 200,
         {"platform_name": "Game", "platform_username": "fern", "metadata": {"level": "3"}}),
        ("a role connection", "GET", role, "fern", 200, None),
        ("a role connection that is too long", "PUT", role, "fern", 400,
         {"platform_name": "x" * 51}),
        ("a role connection that is no JSON", "PUT", role, "fern", 400, "{"),
        ("a role connection goes", "DELETE", role, "fern", 204, None),
        ("another application's", "GET", role.replace(CLIENT_ID, "7"), "fern", 404, None),
        ("a role connection without the scope", "GET", role, "plain", 401, None),
        ("the authorization", "GET", "/oauth2/@me", "fern", 200, None),
        ("the authorization without identify", "GET", "/oauth2/@me", "nameless", 200, None),
        ("the authorization of a bot", "GET", "/oauth2/@me", "bot", 401, None),
        ("the application", "GET", "/oauth2/applications/@me", "bot", 200, None),
        ("the application, newer path", "GET", "/applications/@me", "bot", 200, None),
        ("the application as a user", "GET", "/applications/@me", "fern", 401, None),
        ("where events go", "PATCH", "/applications/@me", "bot", 200,
         {"event_webhooks_url": "https://example.com/e", "event_webhooks_status": 2,
          "event_webhooks_types": ["APPLICATION_DEAUTHORIZED"]}),
        ("events to nowhere", "PATCH", "/applications/@me", "bot", 400,
         {"event_webhooks_url": "nowhere"}),
        ("no events", "PATCH", "/applications/@me", "bot", 200, {"event_webhooks_url": None}),
        ("keys", "GET", "/oauth2/keys", "nobody", 200, None),
        ("userinfo", "GET", "/oauth2/userinfo", "fern", 200, None),
        ("userinfo of who has nothing", "GET", "/oauth2/userinfo", "pip", 200, None),
        ("userinfo without openid", "GET", "/oauth2/userinfo", "plain", 401, None),
        ("no records", "GET", records, "bot", 200, None),
        ("records are set", "PUT", records, "bot", 200, [record]),
        ("records", "GET", records, "bot", 200, None),
        ("a bad record", "PUT", records, "bot", 400, [{**record, "key": "No!"}]),
        ("records of another", "GET", records.replace(CLIENT_ID, "7"), "bot", 404, None),
        ("a guild", "GET", garden, "bot", 200, None),
        ("a guild with counts", "GET", garden + "?with_counts=true", "bot", 200, None),
        ("a guild without the bot", "GET", f"/guilds/{WORKSHOP}", "bot", 404, None),
        ("a guild as a user", "GET", garden, "fern", 401, None),
        ("roles", "GET", garden + "/roles", "bot", 200, None),
        ("a member", "GET", f"{garden}/members/{FERN}", "bot", 200, None),
        ("no member", "GET", f"{garden}/members/{PIP}", "bot", 404, None),
        ("nobody", "GET", garden + "/members/7", "bot", 404, None),
        ("a member whose id is none", "GET", garden + "/members/x", "bot", 400, None),
        ("members", "GET", garden + "/members?limit=1000", "bot", 200, None),
        ("one member", "GET", garden + "/members", "bot", 200, None),
        ("too many members", "GET", garden + "/members?limit=1001", "bot", 400, None),
        ("members by name", "GET", garden + "/members/search?query=f&limit=5", "bot", 200, None),
        ("members by no name", "GET", garden + "/members/search", "bot", 400, None),
        ("a role is given", "PUT", f"{garden}/members/{FERN}/roles/{STAFF}", "bot", 204, None),
        ("a role is taken", "DELETE", f"{garden}/members/{FERN}/roles/{STAFF}", "bot", 204, None),
        ("a role that is none", "PUT", f"{garden}/members/{FERN}/roles/7", "bot", 404, None),
        ("a role for no member", "PUT", f"{garden}/members/{PIP}/roles/{STAFF}", "bot", 404, None),
        ("joining without a token", "PUT", f"{garden}/members/{PIP}", "bot", 400, {}),
        ("joining with another's token", "PUT", f"{garden}/members/{PIP}", "bot", 403,
         {"access_token": token["fern"]}),
        ("joining without the scope", "PUT", f"{garden}/members/{FERN}", "bot", 403,
         {"access_token": token["plain"]}),
        ("joining where the bot may not", "PUT", f"/guilds/900/members/{PIP}", "bot", 403, join),
        ("joining", "PUT", f"{garden}/members/{PIP}", "bot", 201,
         {**join, "nick": "Pip", "roles": [STAFF]}),
        ("joining again", "PUT", f"{garden}/members/{PIP}", "bot", 204, join),
        ("another user", "GET", f"/users/{OLD}", "bot", 200, None),
        ("no user", "GET", "/users/7", "bot", 404, None),
    ]
    return rows
