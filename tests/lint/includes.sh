#!/usr/bin/env bash
# Includes point downwards only (cmd -> proxy -> {store, config} -> core), and each
# third-party library stays behind its fence. ARCHITECTURE depends on it: whoever
# reads core/ needs to know no library, and a library can be replaced in one place.
#
#   includes.sh [ROOT]    checks ROOT (default: this project), after a self-test
#
# A fence is a row: a regex of what is included, a regex of the files that may, why.
set -euo pipefail
cd "$(dirname "$0")/../.."

folders=$(cat <<'ROWS'
core/            core/
store/           store/|core/
config/          config/|core/
proxy/           proxy/|store/|config/|core/
proxy/io/        proxy/io/|config/|core/
proxy/http/      proxy/http/|core/
cmd/discord-sim/ cmd/discord-sim/|core/
cmd/cordgate/    cmd/|proxy/|store/|config/|core/
ROWS
)

fences=$(cat <<'ROWS'
openssl/            ^core/(crypto|random)\.cpp$|^proxy/(.*/)?tls|^store/redis_tls\.cpp$|^cmd/discord-sim/
nlohmann/           ^(core|store|config|proxy|cmd)/(.*/)?[^/]*(json|codec)[^/]*$|^cmd/discord-sim/
httplib             ^core/discord/http\.cpp$|^cmd/discord-sim/|^cmd/cordgate/internal_client\.cpp$
yaml-cpp/           ^config/[^/]*\.cpp$
sqlite3             ^store/sqlite[^/]*$
hiredis             ^store/redis[^/]*$
boost/(asio|beast)  ^cmd/cordgate/sample_app\.cpp$
prometheus/         ^proxy/metrics\.cpp$
CLI/                ^cmd/
spdlog/             ^proxy/|^cmd/
doctest/            ^$
ROWS
)

# Prints each include of ROOT that breaks a row; fails when there is one.
check() {
    (cd "$1"; find core store config proxy cmd -name '*.[ch]pp' -exec \
        grep -Hn '^[[:space:]]*#[[:space:]]*include' {} + 2>/dev/null || true) |
    awk -v folders="$folders" -v fences="$fences" '
        BEGIN {
            n_folders = split(folders, rows, "\n")
            for (i = 1; i <= n_folders; i++) { split(rows[i], c, " +"); home[i] = c[1]; may[i] = c[2] }
            n_fences = split(fences, rows, "\n")
            for (i = 1; i <= n_fences; i++) { split(rows[i], c, " +"); lib[i] = c[1]; allowed[i] = c[2] }
        }
        function complain(why) { print file ":" line ": #include " quoted ": " why; bad = 1 }
        {
            file = $0; sub(/:.*/, "", file)
            line = $0; sub(/^[^:]*:/, "", line); sub(/:.*/, "", line)
            quoted = $0; sub(/^[^:]*:[^:]*:[ \t]*#[ \t]*include[ \t]*/, "", quoted)
            target = quoted; gsub(/[<>"]/, "", target); sub(/[ \t].*/, "", target)
            if (quoted ~ /^"/) {
                for (i = 1; i <= n_folders; i++)
                    if (index(file, home[i]) == 1 && target !~ "^(" may[i] ")")
                        complain(home[i] " may include only " may[i] ", named from the root")
            }
            for (i = 1; i <= n_fences; i++)
                if (target ~ "^" lib[i] && file !~ allowed[i])
                    complain("behind its fence: " (allowed[i] == "^$" ? "tests only" : allowed[i]))
        }
        END { exit bad }'
}

# The check can fail: each line of this sample is wrong, and each must be found.
self_test() {
    local sample bad good found
    sample=$(mktemp -d)
    # shellcheck disable=SC2064  # the path is known now
    trap "rm -rf '$sample'" RETURN
    bad=0
    plant() { mkdir -p "$sample/$(dirname "$1")"; printf '%s\n' "$2" > "$sample/$1"; }
    while read -r file include; do
        plant "$file" "#include $include"
        bad=$((bad + 1))
    done <<'ROWS'
core/a.cpp "store/sqlite_store.hpp"
core/b.hpp <openssl/evp.h>
core/url.cpp "url.hpp"
store/a.hpp "config/settings.hpp"
store/memory.cpp <sqlite3.h>
config/a.cpp "proxy/server.hpp"
config/units.hpp <yaml-cpp/yaml.h>
proxy/a.cpp "cmd/cordgate/serve.hpp"
proxy/b.cpp <nlohmann/json.hpp>
proxy/c.cpp <httplib.h>
proxy/d.cpp <boost/asio.hpp>
proxy/io/a.cpp "proxy/http/head.hpp"
proxy/http/a.cpp "proxy/io/stream.hpp"
cmd/discord-sim/a.cpp "proxy/server.hpp"
cmd/cordgate/a.cpp <boost/asio.hpp>
store/d.cpp <spdlog/spdlog.h>
core/e.cpp <doctest/doctest.h>
ROWS
    found=$(check "$sample" | wc -l) || true
    [ "$found" -eq "$bad" ] || { echo "self-test: $found of $bad bad includes found"; return 1; }
    good=$(mktemp -d)
    sample_root=$sample sample=$good
    plant core/crypto.cpp '#include <openssl/evp.h>'
    plant proxy/a.cpp '#include "core/url.hpp"'
    plant cmd/cordgate/b.cpp '#include <vector>  // "proxy/x.hpp"'
    sample=$sample_root
    check "$good" > /dev/null || { echo "self-test: a good include was refused"; return 1; }
    rm -rf "$good"
}

self_test
check "${1:-.}"
