#!/usr/bin/env bash
# run.sh FOLDER-OF-PROGRAMS: runs each example behind a real gate, which asks a Discord
# simulator, and visits it as people do. Every port is one that the kernel chose.
#
# What differs from the example's own cordgate.yaml are addresses, ids and the store.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
programs=$(cd "$1" && pwd -P)
work=$(mktemp -d)
passed=0 failed=0 running=()

# People and servers of the simulator's world.
fern=301000000000000001 robin=301000000000000002 pip=301000000000000003
garden=401000000000000001

stop_all() {
    local pid
    for pid in ${running[@]+"${running[@]}"}; do kill "$pid" 2> /dev/null; done
    for pid in ${running[@]+"${running[@]}"}; do wait "$pid" 2> /dev/null; done
    running=()
}
trap 'stop_all; rm -rf "$work"' EXIT

ok() { echo "ok: $1"; passed=$((passed + 1)); }
not_ok() { echo "FAILED: $1"; failed=$((failed + 1)); }
# says SENTENCE REGEX: the last answer holds it.
says() { if grep -qE "$2" "$work/answer"; then ok "$1"; else not_ok "$1"; head -c 1500 "$work/answer"; fi; }
status_is() { if [ "$status" = "$2" ]; then ok "$1"; else not_ok "$1 (status $status)"; head -c 1500 "$work/answer"; fi; }

free_ports() {
    python3 -c '
import socket, sys
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in taken))' "$1"
}

# start NAME URL COMMAND...: runs it until URL answers; its output is in $work/NAME.log
start() {
    local name=$1 url=$2 i; shift 2
    "$@" > "$work/$name.log" 2>&1 < /dev/null &
    running+=($!)
    for ((i = 0; i < 100; i++)); do
        if curl -s -o /dev/null --max-time 2 "$url"; then return 0; fi
        kill -0 "${running[-1]}" 2> /dev/null || break
        sleep 0.1
    done
    echo "$name did not start:"; cat "$work/$name.log"
    return 1
}

# visit JAR PATH [CURL-ARG...]: as a browser that follows redirects and keeps cookies.
visit() {
    local jar=$work/$1.cookies path=$2; shift 2
    status=$(curl -sS -L --max-redirs 10 --max-time 20 -b "$jar" -c "$jar" -o "$work/answer" -w '%{http_code}' \
        -H 'Accept: text/html' "$@" "http://localhost:$gate_port$path")
}
# From now on the simulator signs in this person without a question.
be() {
    curl -sS --max-time 5 -o /dev/null -H 'Content-Type: application/json' \
        -d "{\"mode\":\"approve\",\"user\":\"$1\"}" "http://127.0.0.1:$sim_port/sim/control/auto"
}

# open_example NAME OLD-UPSTREAM-PORT URL-PATH COMMAND...: simulator, application and gate.
open_example() {
    local name=$1 own_port=$2 path=$3; shift 3
    rm -f "$work"/*.cookies
    read -r gate_port sim_port app_port internal_port <<< "$(free_ports 4)"
    local sim=http://127.0.0.1:$sim_port
    sed "s|127.0.0.1:$own_port\$|127.0.0.1:$app_port|; s|197038439483310086|$garden|" \
        "$root/examples/$name/cordgate.yaml" > "$work/cordgate.yaml"
    start "$name-simulator" "$sim/" "$programs/discord-sim" --listen "127.0.0.1:$sim_port" \
        --client-id 1100000000000000001 --client-secret secret-of-the-examples \
        --redirect-uri "http://localhost:$gate_port/callback" --no-rate-limits || return
    PORT=$app_port GUILD=$garden start "$name-application" "http://127.0.0.1:$app_port$path" "$@" || return
    CORDGATE_SERVER_LISTEN=127.0.0.1:$gate_port \
    CORDGATE_SERVER_PUBLIC_URL=http://localhost:$gate_port \
    CORDGATE_DISCORD_CLIENT_ID=1100000000000000001 \
    CORDGATE_DISCORD_CLIENT_SECRET=secret-of-the-examples \
    CORDGATE_DISCORD_API_URL=$sim/api/v10 \
    CORDGATE_DISCORD_AUTHORIZE_URL=$sim/oauth2/authorize \
    CORDGATE_DISCORD_CDN_URL=$sim \
    CORDGATE_SESSION_STORE=memory: \
    CORDGATE_INTERNAL_LISTEN=127.0.0.1:$internal_port \
        start "$name-gate" "http://127.0.0.1:$gate_port/_cordgate/ping" \
        "$programs/cordgate" serve --config "$work/cordgate.yaml"
}

flask() {
    python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q --disable-pip-version-check \
        -r "$root/examples/flask/requirements.txt" || return
    open_example flask 5000 / "$work/venv/bin/python" "$root/examples/flask/app.py" || return
    visit nobody /
    says "flask: a stranger is greeted as such" 'Hello, stranger'
    visit liar / -H 'X-Discord-User: {"display_name":"Boss","guilds":[]}' -H 'X_Discord_User: {"display_name":"Boss"}'
    says "flask: who claims to be somebody stays a stranger" 'Hello, stranger'
    be $fern
    visit fern /me
    says "flask: logging in leads back to the page asked for, with the name" 'Hello, Fern'
    says "flask: the visitor's servers are listed" 'The Walled Garden'
    visit fern /
    says "flask: the front page knows the visitor, too" 'Hello, Fern'
    visit fern /club
    says "flask: the decorator lets a member in" 'Welcome to the club, Fern'
    be $pip
    visit pip /club
    status_is "flask: the decorator keeps others out" 403
    visit pip /me
    says "flask: who has no display name is called by their username" 'Hello, pip'
}

express() {
    open_example express 3000 / node "$root/examples/express/app.js" || return
    visit nobody /
    says "express: a stranger is greeted as such" 'Hello, stranger'
    visit liar / -H 'X-Discord-User: {"display_name":"Boss"}'
    says "express: who claims to be somebody stays a stranger" 'Hello, stranger'
    be $fern
    visit fern /me
    says "express: logging in leads back to the page asked for, with the name" 'Hello, Fern'
    says "express: the visitor's servers are listed" 'The Walled Garden'
    visit fern /admin/
    status_is "express: a plain member is refused by the middleware" 403
    be $robin
    visit robin /admin/
    says "express: a manager of the server is let in" 'Yours to manage, Robin'
    be $pip
    visit pip /admin/
    status_is "express: who is not in the server is refused by the gate" 403
}

static() {
    open_example static 8000 /style.css bash -c \
        'exec python3 -m http.server --bind 127.0.0.1 --directory "$0" "$PORT"' "$root/examples/static/site" || return
    visit nobody /
    says "static: everybody reads the front page" 'Everybody may read this page'
    be $fern
    visit fern /members/
    says "static: a member reads the members' page" 'For members only'
    visit fern /_cordgate/me
    says "static: the page can ask the gate who is looking" '"display_name": ?"Fern"'
    be $pip
    visit pip /members/
    status_is "static: who is not in the server is refused" 403
    if grep -q 'For members only' "$work/answer"; then not_ok "static: nothing of the page is sent with the refusal"
    else ok "static: nothing of the page is sent with the refusal"; fi
}

for example in flask express static; do
    if ! "$example"; then
        not_ok "$example runs behind the gate"
        tail -n 20 "$work/$example"-*.log
    fi
    stop_all
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
