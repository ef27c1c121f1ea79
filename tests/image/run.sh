#!/usr/bin/env bash
# run.sh ENGINE IMAGE: the image runs read-only, without capabilities, as user 65532,
# becomes healthy, stops with 0, and holds no shell.
set -uo pipefail
engine=$1 image=$2
here=$(cd "$(dirname "$0")" && pwd -P)
passed=0 failed=0
check() { # SENTENCE COMMAND...
    local sentence=$1; shift
    if "$@" > /dev/null 2>&1; then echo "ok: $sentence"; passed=$((passed + 1))
    else echo "FAILED: $sentence"; failed=$((failed + 1)); fi
}
config=$(mktemp -d)
install -m 0644 "$here/cordgate.yaml" "$config/"
chmod 0755 "$config"
container=$("$engine" run -d --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
    -v "$config:/etc/cordgate:ro" "$image") || { echo '0 passed, 1 failed'; exit 1; }
trap '"$engine" rm -f "$container" > /dev/null 2>&1; rm -rf "$config"' EXIT

healthy() {
    local end=$((SECONDS + 60))
    while [ $SECONDS -lt $end ]; do
        if "$engine" exec "$container" /usr/bin/cordgate healthcheck; then return 0; fi
        sleep 0.3
    done
    return 1
}
user_is() { [ "$("$engine" image inspect --format '{{.Config.User}}' "$image")" = "$1" ]; }
has_no() { ! "$engine" exec "$container" "$1" -c true; }
stops() { "$engine" stop -t 20 "$container" && [ "$("$engine" inspect --format '{{.State.ExitCode}}' "$container")" = 0 ]; }

check "runs as user 65532" user_is 65532:65532
check "becomes healthy with a read-only root and no capability" healthy
check "holds no shell" has_no /bin/sh
check "stops with 0 when asked" stops
[ "$failed" -eq 0 ] || "$engine" logs "$container"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
