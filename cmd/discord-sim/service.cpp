#include "cmd/discord-sim/service.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cmd/discord-sim/page.hpp"
#include "core/crypto.hpp"

namespace cordgate::sim {

using nlohmann::json;

/// One row of the table below.
struct Route {
    /// Which rules hold before the handler is asked.
    enum class Kind {
        page,    ///< for browsers: no API version, no User-Agent rule, no limit
        token,   ///< authenticated by the client's secret; the version may be left out
        bearer,  ///< needs a living token of a user with `scope`
        bot,     ///< needs the application's bot token
        either,  ///< a bearer with `scope`, or the bot
    };
    using Handler = Reply (Service::*)(const Call&, const Service::Parameters&,
                                       const Service::Caller&);

    const char* method;
    const char* path;
    Kind kind;
    const char* scope;
    Handler handler;

    static std::vector<Route> table();
};

std::vector<Route> Route::table() {
    using enum Kind;
    using S = Service;
    // Aligned, the rows would be too long.
    // clang-format off
    return {
        {"GET", "/", page, "", &S::front_page},
        {"GET", "/oauth2/authorize", page, "", &S::show_consent},
        {"POST", "/oauth2/authorize", page, "", &S::take_consent},
        {"GET", "/api/oauth2/authorize", page, "", &S::to_authorize_page},
        {"POST", "/api/oauth2/token", token, "", &S::token},
        {"POST", "/api/oauth2/token/revoke", token, "", &S::revoke},
        {"GET", "/api/oauth2/@me", bearer, "", &S::authorization},
        {"GET", "/api/oauth2/applications/@me", bot, "", &S::own_application},
        {"GET", "/api/applications/@me", bot, "", &S::own_application},
        {"GET", "/api/users/@me", either, "identify", &S::current_user},
        {"GET", "/api/users/@me/guilds", bearer, "guilds", &S::current_guilds},
        {"GET", "/api/users/@me/guilds/{guild}/member", bearer, "guilds.members.read",
         &S::current_member},
        {"GET", "/api/users/@me/connections", bearer, "connections", &S::connections},
        {"GET", "/api/users/{user}", bot, "", &S::any_user},
        {"GET", "/api/guilds/{guild}", bot, "", &S::guild},
        {"GET", "/api/guilds/{guild}/roles", bot, "", &S::guild_roles},
        {"GET", "/api/guilds/{guild}/members/{user}", bot, "", &S::guild_member},
        {"PUT", "/api/guilds/{guild}/members/{user}", bot, "", &S::add_member},
        {"PUT", "/api/guilds/{guild}/members/{user}/roles/{role}", bot, "", &S::member_role},
        {"DELETE", "/api/guilds/{guild}/members/{user}/roles/{role}", bot, "", &S::member_role},
        {"GET", "/embed/avatars/{index}", page, "", &S::default_avatar},
        {"GET", "/avatars/{user}/{hash}", page, "", &S::user_avatar},
        {"GET", "/icons/{guild}/{hash}", page, "", &S::guild_icon},
    };
    // clang-format on
}

namespace {

constexpr std::string_view api_prefix = "/api";
constexpr std::string_view control_prefix = "/sim/control/";

std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

// The values of "{...}" in `pattern`, or nullopt when `path` is another route.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
    std::vector<std::string> parameters;
    while (!pattern.empty() && !path.empty()) {
        const auto wanted = take_segment(pattern);
        const auto found = take_segment(path);
        if (wanted.starts_with('{')) {
            if (found.empty() || found.starts_with('@')) return std::nullopt;
            parameters.emplace_back(found);
        } else if (wanted != found) {
            return std::nullopt;
        }
    }
    if (!pattern.empty() || !path.empty()) return std::nullopt;
    return parameters;
}

// Takes "/v10" out of "/api/v10/users/@me"; nullopt when there is none.
std::optional<int> take_version(std::string& path) {
    if (!path.starts_with("/api/v")) return std::nullopt;
    int version = 0;
    const auto* const begin = path.data() + 6;
    const auto [end, error] = std::from_chars(begin, path.data() + path.size(), version);
    if (error != std::errc{} || end == begin || (*end != '/' && *end != '\0')) return std::nullopt;
    path.erase(4, static_cast<std::size_t>(end - begin) + 2);
    return version;
}

// "DiscordBot (<url>, <version>)", with anything behind it.
bool is_library_user_agent(std::string_view agent) {
    constexpr std::string_view start = "DiscordBot (";
    if (!agent.starts_with(start)) return false;
    agent.remove_prefix(start.size());
    const auto comma = agent.find(", ");
    const auto end = agent.find(')');
    return comma != std::string_view::npos && comma > 0 && end != std::string_view::npos &&
           end > comma + 2;
}

// The name without "/api", as people speak of a route.
std::string_view name_of(std::string_view path) {
    return path.starts_with("/api/") ? path.substr(api_prefix.size()) : path;
}

std::string decimal(double seconds) {
    char text[32];
    const auto size = std::snprintf(text, sizeof text, "%.3f", std::max(0.0, seconds));
    return {text, static_cast<std::size_t>(size)};
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

void add_limit_headers(Reply& reply, const Allowance& allowance, std::string_view bucket,
                       TimePoint now) {
    const auto epoch = std::chrono::duration<double>(now.time_since_epoch()).count();
    auto& headers = reply.headers;
    headers.emplace_back("X-RateLimit-Limit", std::to_string(allowance.limit));
    headers.emplace_back("X-RateLimit-Remaining", std::to_string(allowance.remaining));
    headers.emplace_back("X-RateLimit-Reset", decimal(epoch + allowance.reset_after));
    headers.emplace_back("X-RateLimit-Reset-After", decimal(allowance.reset_after));
    headers.emplace_back("X-RateLimit-Bucket", hex(sha256(bucket)).substr(0, 32));
}

Reply too_many(double retry_after, bool global) {
    const auto rounded = std::ceil(retry_after * 1000) / 1000;
    const json body = {
        {"message",     "You are being rate limited."},
        {"retry_after", rounded                      },
        {"global",      global                       }
    };
    Reply reply{429, "application/json", body.dump(), {}};
    const auto whole = static_cast<long>(std::ceil(rounded));
    reply.headers.emplace_back("Retry-After", std::to_string(whole));
    reply.headers.emplace_back("X-RateLimit-Scope", global ? "global" : "user");
    if (global) reply.headers.emplace_back("X-RateLimit-Global", "true");
    return reply;
}

bool counts_as_invalid(const Reply& reply) {
    if (reply.status == 401 || reply.status == 403) return true;
    if (reply.status != 429) return false;
    for (const auto& [name, value] : reply.headers) {
        if (name == "X-RateLimit-Scope" && value == "shared") return false;
    }
    return true;
}

}  // namespace

// "*bot" counts all calls of the bot, and those without a token per address.
std::map<std::string, Limit> default_limits() {
    using namespace std::chrono_literals;
    return {
        {"*bot",                               {50, 1s, true}  },
        {"/oauth2/token",                      {50, 10s, true} },
        {"/oauth2/token/revoke",               {50, 10s, true} },
        {"/oauth2/@me",                        {10, 10s, true} },
        {"/users/@me",                         {10, 10s, true} },
        {"/users/@me/guilds",                  {1, 1s, true}   },
        {"/users/@me/guilds/{guild}/member",   {5, 300s, true} },
        {"/users/@me/connections",             {5, 5s, true}   },
        {"GET /guilds/{guild}/members/{user}", {5, 1s, true}   },
        {"PUT /guilds/{guild}/members/{user}", {10, 10s, false}},
    };
}

Reply api_error(int status, int code, std::string_view message) {
    const json body = {
        {"message", message},
        {"code",    code   }
    };
    return {status, "application/json", body.dump(), {}};
}

Query query_of(const Call& call) {
    return Query::parse(call.query).value_or(Query{});
}

Service::Service(Application app, World& world, Now now)
    : application(std::move(app)), world_(world), now_(std::move(now)) {
    settings.limits = default_limits();
}

const std::vector<Route>& Service::routes() {
    static const auto table = Route::table();
    return table;
}

int Service::count(std::string_view route) const {
    int sum = 0;
    for (const auto& [name, calls] : counters) {
        if (name == route || name.substr(name.find(' ') + 1) == route) sum += calls;
    }
    return sum;
}

void Service::reset() {
    skew = std::chrono::milliseconds(0);
    settings = {};
    settings.limits = default_limits();
    consent = {};
    grants.clear();
    faults.clear();
    buckets.clear();
    invalid.clear();
    invalid.limit = InvalidRequests{}.limit;
    counters.clear();
}

// The life of a call: control, then the route, its faults, its rules, its handler.
Answer Service::handle(const Call& call) {
    const auto guard = lock();
    if (call.path.starts_with(control_prefix)) return {control(call), {}};

    auto path = call.path;
    const auto version = take_version(path);
    const bool is_api = path.starts_with("/api/");
    const auto count_invalid = [&](const Reply& reply) {
        if (is_api && counts_as_invalid(reply)) invalid.count(call.client, now());
    };
    if (is_api && invalid.banned(call.client, now())) {
        Reply banned{429, "text/plain; charset=UTF-8", "error code: 1015", {}};
        return {std::move(banned), {}};
    }

    const Route* route = nullptr;
    Parameters parameters;
    bool other_method = false;
    for (const auto& row : routes()) {
        auto values = match(row.path, path);
        if (!values) continue;
        if (call.method != row.method) {
            other_method = true;
            continue;
        }
        route = &row;
        parameters = std::move(*values);
        break;
    }
    if (!route) {
        auto reply = other_method ? api_error(405, 0, "405: Method Not Allowed")
                                  : api_error(404, 0, "404: Not Found");
        return {std::move(reply), {}};
    }

    const auto name = name_of(route->path);
    ++counters[call.method + " " + std::string(name)];
    const auto fault = faults.take(call.method, name, name_of(path));
    Answer answer;
    if (fault) answer.delivery = fault->delivery;

    const bool skipped = fault && (fault->status || fault->delivery.raw) && !fault->takes_effect;
    const bool may_omit_version = route->kind == Route::Kind::token ||
                                  route->kind == Route::Kind::page || !settings.require_version;
    const bool good_version = version ? *version >= 6 && *version <= 10 : may_omit_version;
    if (!skipped) {
        answer.reply = is_api && !good_version
                           ? api_error(400, 50041, "Invalid API version specified")
                           : dispatch(call, *route, parameters);
    }
    if (fault) apply(*fault, answer.reply);
    count_invalid(answer.reply);
    return answer;
}

Reply Service::dispatch(const Call& call, const Route& route, const Parameters& parameters) {
    if (route.kind == Route::Kind::page) return (this->*route.handler)(call, parameters, {});
    if (settings.check_user_agent && !is_library_user_agent(call.user_agent)) {
        return api_error(403, 40333, "internal network error");
    }
    const auto caller = identify(call);
    Reply headers;
    auto refused = refuse(call, route, caller, parameters, headers);
    auto reply = refused ? std::move(*refused) : (this->*route.handler)(call, parameters, caller);
    for (auto& header : headers.headers) reply.headers.push_back(std::move(header));
    return reply;
}

Service::Caller Service::identify(const Call& call) const {
    const std::string_view authorization = call.authorization;
    Caller caller;
    if (authorization.starts_with("Bearer ")) {
        caller.grant = grants.find(authorization.substr(7), now());
    } else if (authorization.starts_with("Bot ")) {
        const auto token = authorization.substr(4);
        caller.bot = !application.bot_token.empty() && token == application.bot_token;
    }
    return caller;
}

// Limits come first: a dead token has to wait like a living one.
std::optional<Reply> Service::refuse(const Call& call, const Route& route, const Caller& caller,
                                     const Parameters& parameters, Reply& headers) {
    const auto name = name_of(route.path);
    const auto named = std::string(route.method) + " " + std::string(name);
    const bool is_token = route.kind == Route::Kind::token;
    const auto identity = caller.grant ? "user " + caller.grant->user.to_string()
                          : caller.bot ? std::string("bot")
                                       : "address " + call.client;
    if (settings.rate_limits) {
        const auto global = settings.limits.find("*bot");
        if (!caller.grant && !is_token && global != settings.limits.end()) {
            const auto taken = buckets.take("global " + identity, global->second, now());
            if (!taken.allowed) return too_many(taken.retry_after, true);
        }
        auto limit = settings.limits.find(named);
        if (limit == settings.limits.end()) limit = settings.limits.find(std::string(name));
        if (limit != settings.limits.end()) {
            const bool by_guild = name.starts_with("/guilds/");
            const auto top = by_guild ? " " + parameters.front() : std::string();
            const auto taken = buckets.take(identity + " " + named + top, limit->second, now());
            add_limit_headers(headers, taken, named, now());
            if (!taken.allowed) return too_many(taken.retry_after, false);
        }
    }
    if (is_token) return std::nullopt;

    const bool may_be_bot = route.kind == Route::Kind::bot || route.kind == Route::Kind::either;
    const bool may_be_user = route.kind != Route::Kind::bot;
    const std::string_view scope = route.scope;
    const bool good_user =
        caller.grant && may_be_user && (scope.empty() || has_scope(caller.grant->scopes, scope));
    if (good_user || (caller.bot && may_be_bot)) return std::nullopt;
    return api_error(401, 0, "401: Unauthorized");
}

Reply Service::front_page(const Call&, const Parameters&, const Caller&) {
    return html_page(200, "Discord simulator", front_page_body(application, world_.users()));
}

}  // namespace cordgate::sim
