#include "config/table.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate::config {
namespace {

constexpr std::uint64_t second = 1'000;
constexpr std::uint64_t day = 86'400 * second;
constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t unlimited = INT64_MAX;

Setting text(std::string_view key, std::string_view fallback, std::string_view help,
             std::string_view example = {}) {
    return {.key = key, .type = Type::text, .fallback = fallback, .help = help, .example = example};
}

Setting required(Setting row) {
    row.required = true;
    return row;
}

Setting shown_as(std::string_view example, Setting row) {
    row.example = example;
    return row;
}

// A setting that later versions will follow; `instead` says what holds today.
Setting boolean(std::string_view key, std::string_view fallback, std::string_view help) {
    return {.key = key, .type = Type::boolean, .fallback = fallback, .help = help};
}

Setting count(std::string_view key, std::string_view fallback, std::string_view help,
              std::uint64_t min, std::uint64_t max) {
    return {.key = key,
            .type = Type::count,
            .fallback = fallback,
            .help = help,
            .min = min,
            .max = max};
}

Setting size(std::string_view key, std::string_view fallback, std::string_view help,
             std::uint64_t min, std::uint64_t max) {
    return {
        .key = key, .type = Type::size, .fallback = fallback, .help = help, .min = min, .max = max};
}

Setting timeout(std::string_view key, std::string_view fallback, std::string_view help,
                std::uint64_t min = 1) {
    return {.key = key,
            .type = Type::duration,
            .fallback = fallback,
            .help = help,
            .min = min,
            .max = day};
}

Setting seconds(std::string_view key, std::string_view fallback, std::string_view help,
                std::uint64_t min, std::uint64_t max) {
    return {.key = key,
            .type = Type::duration,
            .fallback = fallback,
            .help = help,
            .min = min,
            .max = max,
            .whole_seconds = true};
}

Setting choice(std::string_view key, std::string_view fallback, std::string_view help,
               std::vector<std::string_view> choices) {
    return {.key = key,
            .type = Type::choice,
            .fallback = fallback,
            .help = help,
            .choices = std::move(choices)};
}

Setting list(std::string_view key, std::string_view fallback, std::string_view help,
             std::string_view example = {}) {
    return {.key = key, .type = Type::list, .fallback = fallback, .help = help, .example = example};
}

Setting secret(std::string_view key, std::string_view help) {
    return {.key = key, .type = Type::secret, .help = help};
}

Setting structured(std::string_view key, Type type, std::string_view help,
                   std::vector<Setting> fields = {}) {
    return {.key = key, .type = type, .help = help, .fields = std::move(fields)};
}

std::vector<Setting> profile_fields() {
    return {
        list("scopes", "", "What to ask Discord for. Absent: login.scopes.", "identify, guilds"),
        shown_as("consent",
                 choice("prompt", "", "Absent: login.prompt.", {"auto", "consent", "none"})),
        text("permissions", "",
             "With the scope bot: what the bot may do, as a number or a list of names.",
             "[MANAGE_GUILD, SEND_MESSAGES]"),
        text("guild_id", "", "With the scope bot: the guild that is chosen already.",
             "\"197038439483310086\""),
        shown_as("true", boolean("disable_guild_select", "",
                                 "With guild_id: the visitor cannot choose another.")),
        shown_as("0", count("integration_type", "", "0: install to a guild; 1: install to a user.",
                            0, 1)),
        shown_as("{channel_id: \"155101607195836416\"}",
                 structured("extra_params", Type::texts,
                            "Further parameters of Discord's authorize page: guild_id, "
                            "disable_guild_select, integration_type, channel_id, nonce.")),
    };
}

std::vector<Setting> upstream_fields() {
    return {
        required(text("url", "", "Where the application listens: http://, https:// or unix:/path.",
                      "http://127.0.0.1:3000")),
        text("host", "", "Only requests for this Host come here; empty: every host.",
             "wiki.example.com"),
        text("path", "/", "Only paths under this prefix; the longest wins, on segment borders."),
        boolean("strip_prefix", "false", "Removes `path` before forwarding."),
        boolean("preserve_host", "true", "Forwards the browser's Host instead of the upstream's."),
        text("tls.ca_file", "", "PEM file of CAs that may vouch for an https upstream.",
             "/etc/cordgate/upstream-ca.pem"),
        text("tls.server_name", "", "The name that its certificate must carry; empty: of the url.",
             "app.internal"),
        boolean("tls.insecure_skip_verify", "false", "Believes any certificate. Never in earnest."),
    };
}

std::vector<Setting> rule_fields() {
    return {
        required(
            text("path", "", "Pattern: * within a segment, ** across segments.", "\"/staff/**\"")),
        list("methods", "", "Only these methods; GET covers HEAD. Absent: all.", "GET, HEAD"),
        choice("access", "login",
               "public: anybody, without a name; optional: anybody, known visitors are named; "
               "login: signed-in visitors.",
               {"public", "optional", "login"}),
        structured("require", Type::requirement,
                   "What the visitor must be. All keys of one mapping must hold. user: ids; guild: "
                   "id or any of ids; role: any of ids, with guild; owner: guild; permission: "
                   "{guild, all: [NAMES]}; any: [...]; all: [...]; not: {...}."),
    };
}

// It would align the cells of unrelated lists with each other.
// clang-format off
std::vector<Setting> make_table() {
    return {
        list("server.listen", "0.0.0.0:4180",
             "Where browsers connect: host:port, [v6]:port or "
             "unix:/path."),
        required(text("server.public_url", "",
                      "The origin that the browser uses. The redirect URI to register at Discord "
                      "is this and paths.callback. http only for loopback hosts, unless "
                      "server.allow_insecure is true.",
                      "https://app.example.com")),
        boolean("server.allow_insecure", "false",
                "Allows http where visitors' sessions could be overheard."),
        list("server.trusted_proxies", "",
             "Address ranges whose X-Forwarded-* fields are believed; unix: whoever connects to a "
             "unix socket that listen names. Empty: nobody's.",
             "\"10.0.0.0/8\", \"fd00::/8\""),
        count("server.workers", "0", "Event-loop threads; 0: one per core.", 0, 1024),
        text("server.tls.cert_file", "", "PEM chain; with key_file, listen speaks TLS 1.2+.",
             "/etc/cordgate/tls.crt"),
        text("server.tls.key_file", "", "PEM key of cert_file, not encrypted.",
             "/etc/cordgate/tls.key"),
        size("server.limits.header_bytes", "32KiB", "Largest request head.", kib, 16 * mib),
        count("server.limits.headers", "128", "Most header fields of a request.", 8, 100'000),
        size("server.limits.target_bytes", "16KiB", "Longest path with query.", 128, 16 * mib),
        size("server.limits.body_bytes", "0", "Largest request body; 0: no limit.", 0, unlimited),
        count("server.limits.connections", "0", "Most connections at once; 0: no limit.", 0,
              10'000'000),
        count("server.limits.connections_per_client", "0",
              "Most connections of one client address; 0: no limit.", 0, 10'000'000),
        count("server.limits.logins_per_minute", "30",
              "Most /login and /callback requests of one client address (IPv6: of one /64), then "
              "429; 0: no limit.",
              0, 1'000'000),
        timeout("server.timeouts.header", "10s", "How long a request head may take."),
        timeout("server.timeouts.idle", "75s", "How long a connection may wait for a request."),
        timeout("server.timeouts.body", "60s", "How long a body may stand still."),
        timeout("server.timeouts.connect", "5s", "How long connecting to an upstream may take."),
        timeout("server.timeouts.upstream", "60s", "How long an upstream may stand still."),
        timeout("server.timeouts.drain", "30s",
                "How long requests in flight may go on after SIGTERM.", 0),
        text("paths.login", "/login", "Begins a login."),
        text("paths.callback", "/callback", "Where Discord sends the browser back."),
        text("paths.logout", "/logout", "Ends the session."),
        text("paths.prefix", "/_cordgate", "Everything else that Cordgate answers itself."),
        required(text("discord.client_id", "", "Of the application in Discord's developer portal.",
                      "\"1234\"")),
        required(secret("discord.client_secret", "Of the same application.")),
        secret("discord.bot_token",
               "Of the application's bot: looks members up after the login instead of asking as the visitor, which "
               "Discord allows more often. Only for guilds that the bot is in."),
        text("discord.public_key", "",
             "Of the same application, in hex; turns on the webhook endpoint, "
             "paths.prefix/discord-events."),
        text("discord.api_url", "https://discord.com/api/v10", "Where Discord's API is."),
        text("discord.authorize_url", "https://discord.com/oauth2/authorize",
             "Where browsers go to sign in."),
        text("discord.cdn_url", "https://cdn.discordapp.com", "Where avatars are."),
        text("discord.ca_file", "",
             "PEM file of extra CAs, e.g. of a corporate proxy or the simulator.",
             "/etc/cordgate/extra-ca.pem"),
        list("login.scopes", "identify,guilds",
             "What to ask Discord for. What rules need is added by itself."),
        choice("login.prompt", "auto",
               "auto: Discord asks only when something new is wanted; consent: always; none: never "
               "where possible.",
               {"auto", "consent", "none"}
               ),
        structured("login.profiles", Type::named,
                   "Other kinds of login, for /login?profile=NAME: name -> settings.",
                   profile_fields()),
        structured("login.auto_join", Type::entries,
                   "Guilds that visitors join at login; needs the scope guilds.join and a bot "
                   "token. A guild that cannot be joined is logged, and ends no login.",
                   {required(text("guild", "", "The guild's id.",
                                    "\"197038439483310086\"")),
                 list("roles", "", "Role ids given to a new member.", "\"41771983423143936\""),
                 text("nick", "", "Nickname given to a new member.", "Visitor")}
               ),
        list("login.allowed_redirect_hosts", "",
             "Hosts besides our own origin that `rd` may lead to: host, host:port or .domain, "
             "which is every host below it and not the domain itself.",
             "wiki.example.com"),
        choice("logout.revoke", "never",
               "Whether logging out also revokes the grant at Discord, which there ends every "
               "session of this user with this application: always, or when it was their last.",
               {"never", "last_session","always"}
               ),
        required(structured("upstreams", Type::entries,
                            "The applications behind the gate. As a flag or variable: a comma list "
                            "of URLs.",
                            upstream_fields())),
        structured("rules", Type::entries,
                   "Who may see what. The first match wins; after the last: login required.",
                   rule_fields()),
        text("session.store", "sqlite:cordgate.db",
             "memory: (gone after a restart), sqlite:PATH, redis://[user:password@]host[:port][/db], "
             "the same with rediss:// (TLS, ?ca_file=PATH), or redis+unix:PATH. Replicas share a "
             "Redis."),
        {.key = "session.keys",
                 .type = Type::secret_list,
         .help = "Base64 of 32 bytes each; the first seals, all open. Empty: made once and "
                 "kept beside the database; Redis needs one."},
        seconds("session.lifetime", "7d", "How long a login lasts.", second, 400 * day),
        seconds("session.idle_timeout", "24h",
                "How long a login lasts without being used; 0: as long as session.lifetime.", 0,
                400 * day),
        count("session.max_per_user", "0",
              "Most sessions of one user at once; a further login ends the oldest. 0: no limit.", 0,
              1'000),
        text("session.cookie.name", "",
             "Empty: __Host-cordgate on https without a domain, else cordgate."),
        text("session.cookie.domain", "",
             "Shares the cookie with every host under this domain. Empty: this host only."),
        choice("session.cookie.same_site", "lax", "When browsers send the cookie across sites.",
               {"lax", "strict", "none"}
               ),
        seconds("identity.user_max_age", "1h", "How old the profile may be.", 0, 30 * day),
        seconds("identity.guilds_max_age", "5m",
                "How old guild and role knowledge may be; a kicked member is out by then.", 0,
                30 * day),
        seconds("identity.max_stale", "1h",
                "How old it may get while Discord cannot be asked; from then on 503. A profile may "
                "be that much older than user_max_age.",
                0, 30 * day),
        list("identity.member_guilds", "",
             "Guilds whose member object (roles, nick) is loaded, besides those that rules name.",
             "\"197038439483310086\""),
        count("cache.users", "10000",
              "Answers of Discord's about users (profile, guilds, connections, members) kept in "
              "memory.",
              1, 100'000'000),
        count("cache.sessions", "100000", "Sessions kept in memory.", 1, 100'000'000),
        boolean("headers.user_json", "true", "Sends X-Discord-User, the profile as JSON."),
        size("headers.user_json_bytes", "6KiB", "Largest X-Discord-User.", 256, mib),
        boolean("headers.email", "false",
                "Sends X-Discord-User-Email, verified addresses only; needs the scope email."),
        boolean("headers.access_token", "false", "Sends X-Discord-Access-Token."),
        boolean("headers.remote_user", "false", "Also sends Remote-User, -Name and -Groups."),
        boolean("headers.x_forwarded_user", "false",
                "Also sends X-Forwarded-User, -Preferred-Username and -Groups."),
        boolean("headers.x_auth_request", "false",
                "Also sends X-Auth-Request-User, -Preferred-Username and -Groups."),
        structured("headers.inject", Type::texts,
                   "Headers of your own: name -> template, e.g. \"X-Team\": \"{user.id}\"."),
        text("internal.listen", "127.0.0.1:4181",
             "Where the internal API listens: host:port, [v6]:port or unix:/path."),
        secret("internal.token",
               "Bearer token of the internal API; required unless it listens on loopback or a "
               "unix socket."),
        boolean("internal.expose_tokens", "false",
                "Lets the internal API hand out access tokens, and those of webhooks."),
        choice("log.level", "info", "What is logged.", {"debug", "info", "warn", "error"}
               ),
        choice("log.format", "text", "How it is logged.", {"text", "json"}
               ),
        boolean("log.access", "true",
                "One line for each request. Without it, only for those that fail with 500 or "
                "above; while the session store fails, one a minute for all."),
    };
}
// clang-format on

std::string metavar(const Setting& row) {
    switch (row.type) {
        case Type::boolean: return "true|false";
        case Type::count: return "NUMBER";
        case Type::size: return "SIZE";
        case Type::duration: return "DURATION";
        case Type::list: return "A,B";
        case Type::secret: return "SECRET";
        case Type::secret_list: return "KEY,KEY";
        case Type::entries: return "URL,URL";
        case Type::choice: {
            std::string out;
            for (const auto& c : row.choices) out += (out.empty() ? "" : "|") + std::string(c);
            return out;
        }
        default: return "TEXT";
    }
}

std::vector<OuterName> make_outer_names() {
    std::vector<OuterName> out;
    const auto add = [&out](const std::string& key, std::string help, std::string meta) {
        out.push_back(
            {key, flag_name(key), environment_name(key), std::move(help), std::move(meta)});
    };
    for (const auto& row : settings_table()) {
        if (row.is_structured() && row.key != "upstreams") continue;
        const std::string key(row.key);
        add(key, row.described(), metavar(row));
        if (row.is_secret()) add(key + "_file", "Reads " + key + " from this file.", "FILE");
    }
    return out;
}

std::vector<std::string> make_file_only_flags() {
    std::vector<std::string> out;
    for (const auto& row : settings_table()) {
        if (row.is_structured() && row.key != "upstreams")
            out.push_back(flag_name(std::string(row.key)));
    }
    return out;
}

// Damerau-Levenshtein (optimal string alignment): swapped letters count once.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t same = to_lower(a[i - 1]) == to_lower(b[j - 1]) ? 0 : 1;
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

std::string upper_name(std::string_view key) {
    std::string out(key);
    for (auto& c : out) {
        if (c == '.' || c == '-') c = '_';
        if (is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
    }
    return out;
}

}  // namespace

std::string Setting::described() const {
    if (not_yet.empty()) return std::string(help);
    return std::string(help) + " No effect in this version: " + std::string(not_yet) + ".";
}

const std::vector<Setting>& settings_table() {
    static const std::vector<Setting> table = make_table();
    return table;
}

const Setting* find_setting(const std::vector<Setting>& rows, std::string_view key) {
    const auto at = std::find_if(rows.begin(), rows.end(),
                                 [key](const Setting& row) { return row.key == key; });
    return at == rows.end() ? nullptr : &*at;
}

std::string flag_name(std::string_view key) {
    std::string out(key);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c == '.' || c == '_'; }, '-');
    return out;
}

std::string environment_name(std::string_view key) {
    return "CORDGATE_" + upper_name(key);
}

const std::vector<OuterName>& outer_names() {
    static const std::vector<OuterName> names = make_outer_names();
    return names;
}

const std::vector<std::string>& file_only_flags() {
    static const std::vector<std::string> flags = make_file_only_flags();
    return flags;
}

bool is_foreign_variable(std::string_view name) {
    if (name == "CORDGATE_CONFIG") return true;
    // Kubernetes: CORDGATE_[X_]SERVICE_HOST, CORDGATE_[X_]SERVICE_PORT[_NAME],
    // CORDGATE_[X_]PORT[_4180_TCP[_ADDR]] for each service in the namespace.
    return name == "CORDGATE_PORT" || name.find("_SERVICE_HOST") != name.npos ||
           name.find("_SERVICE_PORT") != name.npos ||
           (name.find("_PORT_") != name.npos &&
            (name.find("_TCP") != name.npos || name.find("_UDP") != name.npos)) ||
           name.ends_with("_PORT");
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    if (word.size() > 100) return std::nullopt;
    std::optional<std::string> best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        const auto d = distance(word, candidate);
        if (d >= best_distance) continue;
        best_distance = d;
        best = candidate;
    }
    if (best || word.size() < 2) return best;
    for (const auto& candidate : candidates)  // "ca" for "ca_file"
        if (candidate.starts_with(word)) return candidate;
    return std::nullopt;
}

}  // namespace cordgate::config
