"""Runs discord-sim and speaks to it."""

import http.client
import json
import subprocess
import urllib.parse

CLIENT_ID = "1100000000000000001"
SECRET = "demo-secret-of-the-simulator"
CALLBACK = "http://localhost:4180/callback"
BOT = "bot-token-of-the-simulator"


class Simulator:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--redirect-uri", CALLBACK, "--bot-token", BOT],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if "listening on http://" not in line:
            raise RuntimeError(f"discord-sim did not start: {line!r}")
        self.address = line.strip().rsplit("//", 1)[1]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def call(self, method, path, headers=None, body=None):
        """Returns (status, headers, body)."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        headers = {"User-Agent": "DiscordBot (https://example.com, 1.0)", **(headers or {})}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    def control(self, command, body=None, method="POST"):
        status, _, text = self.call(method, "/sim/control/" + command,
                                    {"Content-Type": "application/json"},
                                    None if method == "GET" else json.dumps(body or {}))
        if status != 200:
            raise RuntimeError(f"control {command}: {text!r}")
        return json.loads(text)

    def form(self, path, **fields):
        fields = {"client_id": CLIENT_ID, "client_secret": SECRET, **fields}
        status, headers, text = self.call(
            "POST", path, {"Content-Type": "application/x-www-form-urlencoded"},
            urllib.parse.urlencode(fields))
        return status, json.loads(text)

    def login(self, user, scopes):
        """An access token."""
        self.control("auto", {"mode": "approve", "user": user})
        query = urllib.parse.urlencode({"client_id": CLIENT_ID, "response_type": "code",
                                        "redirect_uri": CALLBACK, "scope": scopes})
        _, headers, _ = self.call("GET", "/oauth2/authorize?" + query)
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)
        status, answer = self.form("/api/v10/oauth2/token", grant_type="authorization_code",
                                   code=back["code"][0], redirect_uri=CALLBACK)
        if status != 200:
            raise RuntimeError(f"the login failed: {answer}")
        return answer["access_token"]
