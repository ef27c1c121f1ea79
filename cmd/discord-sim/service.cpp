#include "cmd/discord-sim/service.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/page.hpp"
#include "core/crypto.hpp"
#include "core/hex.hpp"

namespace cordgate::sim {

using nlohmann::json;

/// One row of the table below.
struct Route {
    /// Which rules hold before the handler is asked.
    enum class Kind {
        page,    ///< for browsers: no API version, no User-Agent rule, no limit
        token,   ///< authenticated by the client's secret; the version may be left out
        open,    ///< anybody's; the rules of the API otherwise
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
        {"GET", "/activate", page, "", &S::show_activation},
        {"POST", "/activate", page, "", &S::take_activation},
        {"GET", "/.well-known/openid-configuration", page, "", &S::discovery},
        {"POST", "/api/oauth2/device/authorize", token, "", &S::begin_device},
        {"POST", "/api/oauth2/token", token, "", &S::token},
        {"POST", "/api/oauth2/token/revoke", token, "", &S::revoke},
        {"GET", "/api/oauth2/@me", bearer, "", &S::authorization},
        {"GET", "/api/oauth2/applications/@me", bot, "", &S::own_application},
        {"GET", "/api/oauth2/keys", open, "", &S::keys},
        {"GET", "/api/oauth2/userinfo", bearer, "openid", &S::userinfo},
        {"GET", "/api/applications/@me", bot, "", &S::own_application},
        {"PATCH", "/api/applications/@me", bot, "", &S::edit_application},
        {"GET", "/api/applications/{application}/role-connections/metadata", bot, "",
         &S::role_metadata},
        {"PUT", "/api/applications/{application}/role-connections/metadata", bot, "",
         &S::role_metadata},
        {"GET", "/api/users/@me", either, "identify", &S::current_user},
        {"GET", "/api/users/@me/guilds", bearer, "guilds", &S::current_guilds},
        {"GET", "/api/users/@me/guilds/{guild}/member", bearer, "guilds.members.read",
         &S::current_member},
        {"GET", "/api/users/@me/connections", bearer, "connections", &S::connections},
        {"GET", "/api/users/@me/applications/{application}/role-connection", bearer,
         "role_connections.write", &S::role_connection},
        {"PUT", "/api/users/@me/applications/{application}/role-connection", bearer,
         "role_connections.write", &S::role_connection},
        {"DELETE", "/api/users/@me/applications/{application}/role-connection", bearer,
         "role_connections.write", &S::role_connection},
        {"GET", "/api/users/{user}", bot, "", &S::any_user},
        {"GET", "/api/guilds/{guild}", bot, "", &S::guild},
        {"GET", "/api/guilds/{guild}/roles", bot, "", &S::guild_roles},
        {"GET", "/api/guilds/{guild}/members", bot, "", &S::guild_members},
        {"GET", "/api/guilds/{guild}/members/search", bot, "", &S::search_members},
        {"GET", "/api/guilds/{guild}/members/{user}", bot, "", &S::guild_member},
        {"PUT", "/api/guilds/{guild}/members/{user}", bot, "", &S::add_member},
        {"PUT", "/api/guilds/{guild}/members/{user}/roles/{role}", bot, "", &S::member_role},
        {"DELETE", "/api/guilds/{guild}/members/{user}/roles/{role}", bot, "", &S::member_role},
        {"GET", "/embed/avatars/{index}", page, "", &S::default_avatar},
        {"GET", "/avatars/{user}/{hash}", page, "", &S::user_avatar},
        {"GET", "/icons/{guild}/{hash}", page, "", &S::guild_icon},
        {"GET", "/guilds/{guild}/users/{user}/avatars/{hash}", page, "", &S::member_avatar},
        {"GET", "/guilds/{guild}/users/{user}/banners/{hash}", page, "", &S::any_picture},
        {"GET", "/banners/{id}/{hash}", page, "", &S::any_picture},
        {"GET", "/splashes/{guild}/{hash}", page, "", &S::any_picture},
        {"GET", "/discovery-splashes/{guild}/{hash}", page, "", &S::any_picture},
        {"GET", "/guild-tag-badges/{guild}/{hash}", page, "", &S::any_picture},
        {"GET", "/clan-badges/{guild}/{hash}", page, "", &S::any_picture},
        {"GET", "/role-icons/{role}/{hash}", page, "", &S::any_picture},
        {"GET", "/app-icons/{application}/{hash}", page, "", &S::any_picture},
        {"GET", "/avatar-decoration-presets/{hash}", page, "", &S::any_picture},
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

void add_limit_headers(Reply& reply, const Allowance& allowance, std::string_view bucket,
                       TimePoint now) {
    const auto epoch = std::chrono::duration<double>(now.time_since_epoch()).count();
    auto& headers = reply.headers;
    headers.emplace_back("X-RateLimit-Limit", std::to_string(allowance.limit));
    headers.emplace_back("X-RateLimit-Remaining", std::to_string(allowance.remaining));
    headers.emplace_back("X-RateLimit-Reset", decimal(epoch + allowance.reset_after));
    headers.emplace_back("X-RateLimit-Reset-After", decimal(allowance.reset_after));
    headers.emplace_back("X-RateLimit-Bucket", hex_encode(sha256(bucket)).substr(0, 32));
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

// Before v8 the time to wait was a whole number of milliseconds.
void speak_old_version(Reply& reply) {
    if (reply.status != 429) return;
    auto body = json::parse(reply.body, nullptr, false);
    if (!body.is_object() || !body.contains("retry_after")) return;
    body["retry_after"] = static_cast<long>(std::ceil(body["retry_after"].get<double>() * 1000));
    reply.body = body.dump();
}

// The values of "{guild}" and its like have to be ids.
std::optional<Reply> refuse_ids(std::string_view pattern,
                                const std::vector<std::string>& parameters) {
    auto value = parameters.begin();
    while (!pattern.empty()) {
        const auto segment = take_segment(pattern);
        if (!segment.starts_with('{')) continue;
        if (!Snowflake::parse(*value)) {
            const auto field = std::string(segment.substr(1, segment.size() - 2)) + "_id";
            return invalid_form(field.c_str(), "NUMBER_TYPE_COERCE",
                                "Value \"" + *value + "\" is not snowflake.");
        }
        ++value;
    }
    return std::nullopt;
}

// The guild that a path names; nullopt when it names none.
std::optional<Snowflake> guild_in(std::string_view pattern,
                                  const std::vector<std::string>& parameters) {
    auto value = parameters.begin();
    while (!pattern.empty()) {
        const auto segment = take_segment(pattern);
        if (segment == "{guild}") return Snowflake::parse(*value);
        if (segment.starts_with('{')) ++value;
    }
    return std::nullopt;
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

// "*bot" counts all calls of the bot, and those without a token per address;
// "*user", which is not there until somebody sets it, all calls of a user.
std::map<std::string, Limit> default_limits() {
    using namespace std::chrono_literals;
    return {
        {"*bot",                                               {50, 1s, true}                     },
        {"/oauth2/token",                                      {50, 10s, true}                    },
        {"/oauth2/token/revoke",                               {50, 10s, true}                    },
        {"/oauth2/@me",                                        {10, 10s, true}                    },
        {"/users/@me",                                         {10, 10s, true}                    },
        {"/users/@me/guilds",                                  {1, 1s, true}                      },
        {"/users/@me/guilds/{guild}/member",                   {5, 300s, true}                    },
        {"/users/@me/connections",                             {5, 5s, true}                      },
        {"GET /guilds/{guild}/members/{user}",                 {5, 1s, true}                      },
        {"PUT /guilds/{guild}/members/{user}",                 {10, 10s, false}                   },
        {"PUT /guilds/{guild}/members/{user}/roles/{role}",    {10, 10s, true, "roles of members"}},
        {"DELETE /guilds/{guild}/members/{user}/roles/{role}", {10, 10s, true, "roles of members"}},
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

std::vector<std::string> Service::api_routes() {
    std::vector<std::string> names;
    for (const auto& route : routes()) {
        const std::string_view path = route.path;
        if (!path.starts_with("/api/")) continue;
        names.push_back(std::string(route.method) + " " + std::string(name_of(path)));
    }
    return names;
}

std::vector<std::string> Service::route_names() {
    std::vector<std::string> names;
    for (const auto& route : routes()) {
        names.push_back(std::string(route.method) + " " + std::string(name_of(route.path)));
    }
    return names;
}

bool Service::has_route(std::string_view wanted) {
    if (wanted == "*") return true;
    const auto blank = wanted.find(' ');
    const auto method = blank == std::string_view::npos ? "" : wanted.substr(0, blank);
    const auto path = blank == std::string_view::npos ? wanted : wanted.substr(blank + 1);
    if (!path.starts_with('/')) return false;
    const auto& all = routes();
    return std::any_of(std::begin(all), std::end(all), [&](const Route& route) {
        const auto name = name_of(route.path);
        return (method.empty() || method == route.method) &&
               (name == path || match(name, path).has_value());
    });
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
    devices.clear();
    events = {};
    role_connections.clear();
    role_records = "[]";
}

// The life of a call: control, then the route, its faults, its rules, its handler.
Answer Service::handle(const Call& call) {
    const auto guard = lock();
    auto answer = call.path.starts_with(control_prefix) ? Answer{control(call), {}} : serve(call);
    if (events.waits()) events_changed.notify_all();
    return answer;
}

Answer Service::serve(const Call& call) {
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
    if (fault) {
        answer.delivery = fault->delivery;
        happen(fault->event, identify(call), guild_in(route->path, parameters));
    }

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
    if (fault && fault->limit_headers) {
        add_limit_headers(answer.reply, {false, 10, 0, 1.5, 1.5}, name, now());
    }
    if (is_api && version.value_or(6) < 8) speak_old_version(answer.reply);
    count_invalid(answer.reply);
    return answer;
}

// What happens in the world just before a call is served.
void Service::happen(Fault::Event event, const Caller& caller, std::optional<Snowflake> guild) {
    const auto user = caller.grant ? caller.grant->user : Snowflake{};
    for (const auto& each : world_.guilds()) {
        if (guild && each.id != *guild) continue;
        if (event == Fault::Event::kick_user) world_.kick(user, each.id);
        if (event == Fault::Event::kick_bot) {
            world_.change_guild(each.id, [](Guild& changed) { changed.has_bot = false; });
        }
    }
    if (event == Fault::Event::deauthorize && caller.grant) deauthorize(user);
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
        if (caller.grant) grants.note_use(caller.grant->access_token);
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
        const auto global = settings.limits.find(caller.grant ? "*user" : "*bot");
        if (!is_token && global != settings.limits.end()) {
            const auto taken = buckets.take("global " + identity, global->second, now());
            if (!taken.allowed) return too_many(taken.retry_after, true);
        }
        auto limit = settings.limits.find(named);
        if (limit == settings.limits.end()) limit = settings.limits.find(std::string(name));
        if (limit != settings.limits.end()) {
            const bool by_guild = name.starts_with("/guilds/");
            const auto top = by_guild ? " " + parameters.front() : std::string();
            const auto& bucket = limit->second.bucket.empty() ? named : limit->second.bucket;
            const auto taken = buckets.take(identity + " " + bucket + top, limit->second, now());
            if (settings.limit_headers) add_limit_headers(headers, taken, bucket, now());
            if (!taken.allowed) return too_many(taken.retry_after, false);
        }
    }
    if (is_token || route.kind == Route::Kind::open) return std::nullopt;

    const bool may_be_bot = route.kind == Route::Kind::bot || route.kind == Route::Kind::either;
    const bool may_be_user = route.kind != Route::Kind::bot;
    const std::string_view scope = route.scope;
    const bool good_user =
        caller.grant && may_be_user && (scope.empty() || has_scope(caller.grant->scopes, scope));
    if (!good_user && !(caller.bot && may_be_bot)) {
        return api_error(401, 0, "401: Unauthorized");
    }
    return refuse_ids(route.path, parameters);
}

Reply Service::front_page(const Call&, const Parameters&, const Caller&) {
    return html_page(200, "Discord simulator", front_page_body(application, world_.users()));
}

}  // namespace cordgate::sim
