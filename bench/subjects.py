"""The programs that are compared, each set up as its users would for speed.

All forward everything to the same origin on loopback with `workers` event loops (threads or
processes), keep connections to it open, write no access log, and have no limit in their way.
"""
import os
import resource
import urllib.parse
from http.client import HTTPConnection

from processes import free_port

# Descriptors for each program. Some prepare memory for as many as they may have, so not more
# than the largest case needs; where the machine allows fewer, fewer connections are held.
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
FILES = 24000 if HARD_LIMIT == resource.RLIM_INFINITY else min(HARD_LIMIT, 24000)
resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, HARD_LIMIT))


class Subject:
    """One running proxy: where it listens, and the processes it is made of."""

    def __init__(self, name, port, process, helpers=(), cookie="session=none"):
        self.name, self.port, self.pid, self.began = name, port, process.pid, process.began
        self.processes = [*helpers, process]
        self.cookie = cookie
        # HAProxy reserves a second descriptor for each connection it allows.
        self.most_connections = FILES // 2 - 300 if name == "haproxy" else FILES - 300
        self.most_tunnels = FILES // 2 - 300


class Maker:
    """Starts subjects by name; `origin_port` is what they forward to."""

    def __init__(self, processes, programs, origin_port):
        self.processes, self.programs, self.origin = processes, programs, origin_port
        self.makers = {"bare relay": self.bare_relay, "nginx": self.nginx, "nginx auth_request": self.nginx_auth,
                       "haproxy": self.haproxy, "caddy": self.caddy, "cordgate": self.cordgate}

    def make(self, name, workers=1, **more):
        """Starts it and returns it once it listens."""
        name, port, command, more = self.makers[name](workers, **more)
        helpers, cookie = more.pop("helpers", ()), more.pop("cookie", None)
        subject = Subject(name, port, self.processes.start(command, port, **more), helpers)
        if cookie:
            subject.cookie = cookie(port)
        return subject

    # Each returns (name, port, command, what else starting needs).

    def bare_relay(self, _workers):
        port = free_port()
        return "bare relay", port, [str(self.programs / "bare_relay"), str(port), str(self.origin)], {}

    def nginx(self, workers, location="", buffers="proxy_max_temp_file_size 0;", auth=False):
        port, folder = free_port(), self.processes.name("nginx")
        conf = self.processes.write("nginx.conf", f"""
user root; worker_processes {workers}; daemon off; pid {folder}.pid; error_log {folder}.err;
worker_rlimit_nofile {FILES};
events {{ worker_connections {FILES - 200}; }}
http {{
  access_log off; tcp_nopush on; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {folder}-b; proxy_temp_path {folder}-p; fastcgi_temp_path {folder}-f;
  uwsgi_temp_path {folder}-u; scgi_temp_path {folder}-s;
  {buffers}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream app {{ server 127.0.0.1:{self.origin}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}{' reuseport' if workers > 1 else ''} backlog=4096;
    proxy_http_version 1.1; proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    location / {{ {'auth_request /auth;' if auth else ''} proxy_pass http://app; }}
    location = /auth {{ internal; proxy_pass http://app; proxy_pass_request_body off;
                        proxy_set_header Content-Length ""; }}
    {location}
  }}
}}""")
        return "nginx", port, ["nginx", "-c", conf], {}

    def nginx_auth(self, workers, **more):
        """Asks an auth service that costs nothing, the origin, about every request."""
        return "nginx auth_request", *self.nginx(workers, auth=True, **more)[1:]

    def haproxy(self, workers):
        port = free_port()
        conf = self.processes.write("haproxy.cfg", f"""
global
  nbthread {workers}
  maxpipes 16
  maxconn {FILES // 2 - 200}
defaults
  mode http
  timeout client 75s
  timeout server 75s
  timeout connect 5s
  timeout tunnel 1h
  option forwardfor
  option splice-auto
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096
  http-request redirect location /login code 302 if {{ path /redirect }}
  default_backend b
backend b
  server s 127.0.0.1:{self.origin}
""")
        return "haproxy", port, ["haproxy", "-db", "-f", conf], {}

    def caddy(self, workers):
        port = free_port()
        conf = self.processes.write("Caddyfile", f"""
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{self.origin} {{
    transport http {{
      keepalive_idle_conns_per_host 256
    }}
  }}
}}
""")
        home = str(self.processes.folder)
        environment = {**os.environ, "GOMAXPROCS": str(workers), "HOME": home, "XDG_DATA_HOME": home,
                       "XDG_CONFIG_HOME": home}
        return ("caddy", port, ["caddy", "run", "--config", conf, "--adapter", "caddyfile"], {"env": environment})

    def cordgate(self, workers, store="memory:", wrapper=(), logged_in=True):
        """With a visitor who is logged in, so that the subject's cookie is a session."""
        discord, port = free_port(), free_port()
        origin = f"http://127.0.0.1:{discord}"
        client, secret, fern = "1100000000000000001", "demo-secret-of-the-simulator", "301000000000000001"
        conf = self.processes.write("cordgate.yaml", f"""
server: {{listen: ['127.0.0.1:{port}'], public_url: 'http://127.0.0.1:{port}', workers: {workers}}}
discord: {{client_id: '{client}', client_secret: '{secret}', api_url: '{origin}/api/v10',
          authorize_url: '{origin}/oauth2/authorize', cdn_url: '{origin}'}}
upstreams: [{{url: 'http://127.0.0.1:{self.origin}'}}]
session: {{store: '{store}'}}
internal: {{listen: '127.0.0.1:0'}}
log: {{access: false}}
""")
        more = {}
        if logged_in:
            simulator = self.processes.start(
                [str(self.programs / "discord-sim"), "--listen", f"127.0.0.1:{discord}", "--auto-approve", fern,
                 "--redirect-uri", f"http://127.0.0.1:{port}/callback"], discord)
            more = {"helpers": [simulator], "cookie": log_in}
        command = [*wrapper, str(self.programs / "cordgate"), "serve", "--config", conf]
        return "cordgate", port, command, more


def log_in(port):
    """The session cookie of a visitor who let the simulator sign them in."""
    cookies, url = {}, f"http://127.0.0.1:{port}/login"
    for _ in range(5):
        parts = urllib.parse.urlsplit(url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())} if parts.port == port else {}
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            cookies[name] = value
        connection.close()
        if "cordgate" in cookies:
            return f"cordgate={cookies['cordgate']}"
        url = urllib.parse.urljoin(url, answer.headers["Location"])
    raise SystemExit("could not log in through the simulator")
