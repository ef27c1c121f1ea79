#!/usr/bin/env bash
# run.sh FOLDER-OF-PROGRAMS: the clients that people use, through a real gate to an
# application in Node: curl, Python's http.client, npm's ws and undici, wrk. Public
# routes, and one that needs a login. Every port is one that the kernel chose.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
programs=$(cd "$1" && pwd -P)
work=$(mktemp -d)
running=()
fern=301000000000000001

stop_all() {
    local pid
    for pid in ${running[@]+"${running[@]}"}; do kill "$pid" 2> /dev/null; done
    for pid in ${running[@]+"${running[@]}"}; do wait "$pid" 2> /dev/null; done
}
trap 'stop_all; rm -rf "$work"' EXIT

# start NAME URL COMMAND...: runs it until URL answers.
start() {
    local name=$1 url=$2 i; shift 2
    "$@" > "$work/$name.log" 2>&1 < /dev/null &
    running+=($!)
    for ((i = 0; i < 100; i++)); do
        if curl -s -o /dev/null --max-time 2 "$url"; then return 0; fi
        kill -0 "${running[-1]}" 2> /dev/null || break
        sleep 0.1
    done
    echo "FAILED: $name did not start: $(cat "$work/$name.log")"
    return 1
}

read -r app_port sim_port gate_port <<< "$(python3 -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in taken))')"
gate=http://127.0.0.1:$gate_port

cat > "$work/cordgate.yaml" << END
server: {listen: ['127.0.0.1:$gate_port'], public_url: '$gate', workers: 2}
discord: {client_id: '1100000000000000001', client_secret: 'demo-secret-of-the-simulator',
          api_url: 'http://127.0.0.1:$sim_port/api/v10', authorize_url: 'http://127.0.0.1:$sim_port/oauth2/authorize',
          cdn_url: 'http://127.0.0.1:$sim_port'}
upstreams: [{url: 'http://127.0.0.1:$app_port'}]
rules: [{path: '/public/**', access: public}, {path: '/**', access: login}]
session: {store: 'memory:'}
internal: {listen: '127.0.0.1:0'}
END
chmod 600 "$work/cordgate.yaml"

# expect NAME PATTERN COMMAND...: what the command says holds the pattern.
expect() {
    local name=$1 pattern=$2 said; shift 2
    said=$("$@" 2>&1 < /dev/null)
    if grep -qaE -- "$pattern" <<< "$said"; then echo "ok: $name"; else echo "FAILED: $name: ${said:0:600}"; fi
}

curl_checks() {
    local c=(curl -sS --max-time 30) size='%{http_code} %{size_download}'
    expect "curl: a page" '^hello$' "${c[@]}" "$gate/public/"
    expect "curl: --http1.0" '^200 6$' "${c[@]}" --http1.0 -o "$work/out" -w "$size" "$gate/public/"
    expect "curl: --http1.0, chunks" 'data: 3' "${c[@]}" --http1.0 "$gate/public/events"
    expect "curl: --http2 asks in vain" '^1.1 200$' "${c[@]}" --http2 -o "$work/out" -w '%{http_version} %{http_code}' "$gate/public/"
    expect "curl: HEAD" 'Content-Length: 1000' "${c[@]}" -I "$gate/public/bytes/1000"
    expect "curl: 100 MB down" '^200 100000000$' "${c[@]}" -o "$work/large" -w "$size" "$gate/public/bytes/100000000"
    expect "curl: 100 MB up and back (-T)" '^200 100000000$' "${c[@]}" -T "$work/large" -o "$work/back" -w "$size" "$gate/public/echo"
    expect "curl: and it is the same" '^same$' bash -c 'cmp "$1" "$2" && echo same' - "$work/large" "$work/back"
    expect "curl: -T from a pipe" '^200 100000000$' bash -c 'out=$1; shift; exec "$@" -T - < "$out"' - "$work/large" "${c[@]}" -o "$work/back" -w "$size" "$gate/public/echo"
    expect "curl: Expect: 100-continue" 'HTTP/1.1 100 Continue' "${c[@]}" -v -H 'Expect: 100-continue' -d hello -o "$work/out" "$gate/public/echo"
    expect "curl: Expect, refused before the body" '^401$' "${c[@]}" -H 'Expect: 100-continue' -T "$work/large" -o "$work/out" -w '%{http_code}' "$gate/private/echo"
    expect "curl: a range" '^206 10$' "${c[@]}" -r 5-14 -o "$work/out" -w "$size" "$gate/public/bytes/1000"
    expect "curl: resuming (-C)" '^206 900$' bash -c 'head -c 100 /dev/zero > "$1/part"; shift; exec "$@"' - "$work" "${c[@]}" -C 100 -o "$work/rest" -w "$size" "$gate/public/bytes/1000"
    expect "curl: an early 413" '^413$' "${c[@]}" -T "$work/large" -o "$work/out" -w '%{http_code}' "$gate/public/early"
    expect "curl: a form" 'name="a"' "${c[@]}" -F a=b -F "file=@$0" "$gate/public/echo"
    expect "curl: --compressed, unchanged" '^hello$' "${c[@]}" --compressed "$gate/public/"
    expect "curl: --path-as-is with dots is refused" '^400$' "${c[@]}" --path-as-is -o "$work/out" -w '%{http_code}' "$gate/public/../private"
    expect "curl: through the gate as a proxy" '^hello$' "${c[@]}" -x "$gate" http://app.example/public/
    expect "curl: no tunnel through it" '405' "${c[@]}" -p -x "$gate" http://app.example/
    expect "curl: nobody is signed in" '^401$' "${c[@]}" -o "$work/out" -w '%{http_code}' "$gate/private/"
    expect "curl: and now somebody" "^X-Seen-User: $fern" "${c[@]}" -i -H "Cookie: $cookie" "$gate/private/"
    expect "curl: whoever else they say they are" "^X-Seen-User: $fern" "${c[@]}" -i -H "Cookie: $cookie" -H 'X-Discord-User-Id: 1' "$gate/private/"
}

wrk_checks() {
    local said
    said=$(wrk -t1 -c8 -d2s -s "$here/pipeline.lua" -H "Cookie: $cookie" "$gate" 2>&1)
    if grep -qE '^ +[0-9]{3,} requests in' <<< "$said" && ! grep -qE 'Non-2xx|Socket errors' <<< "$said"; then
        echo "ok: wrk: sixteen requests in one segment"
    else
        echo "FAILED: wrk: $said"
    fi
}

all() {
    start app "http://127.0.0.1:$app_port/" node "$here/app.mjs" "$app_port" &&
        start discord-sim "http://127.0.0.1:$sim_port/sim/control/state" "$programs/discord-sim" --listen "127.0.0.1:$sim_port" \
            --auto-approve "$fern" --redirect-uri "$gate/callback" &&
        start cordgate "$gate/_cordgate/ping" "$programs/cordgate" serve --config "$work/cordgate.yaml" || return
    curl -sS -L --max-time 20 -c "$work/jar" -b "$work/jar" -o /dev/null "$gate/login"
    cookie=cordgate=$(awk '$6 == "cordgate" { print $7 }' "$work/jar")
    curl_checks
    python3 "$here/clients.py" "$gate_port" "$cookie"
    (cd "$here" && node clients.mjs "$gate_port" "$cookie")
    wrk_checks
    if kill -0 "${running[2]}"; then echo "ok: the gate is still there"; else echo "FAILED: the gate is gone"; fi
}

all > "$work/results" 2>&1
cat "$work/results"
passed=$(grep -c '^ok: ' "$work/results")
failed=$(grep -c '^FAILED: ' "$work/results")
# Each client says at least so much; less means that one broke off.
if [ "$passed" -lt 40 ] && [ "$failed" = 0 ]; then failed=1; echo "FAILED: a client said too little"; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
