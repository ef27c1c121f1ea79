#include "cmd/discord-sim/faults.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/discord-sim/guild_features.hpp"
#include "cmd/discord-sim/image.hpp"

namespace cordgate::sim {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* as_json = "application/json";
constexpr const char* text = "text/plain; charset=UTF-8";
constexpr const char* html = "text/html; charset=UTF-8";
constexpr const char* limited =
    R"({"message":"You are being rate limited.","retry_after":1.5,"global":false})";
constexpr const char* limited_globally =
    R"({"message":"You are being rate limited.","retry_after":1.5,"global":true})";
constexpr const char* limited_shared =
    R"({"message":"The resource is being rate limited.","retry_after":1.5,"global":false})";
constexpr const char* blocked =
    R"({"code":0,"message":"You are being blocked from accessing our API temporarily due to )"
    R"(exceeding our rate limits frequently. Please read our docs to prevent this."})";
constexpr const char* access_denied =
    "<!DOCTYPE html><title>Access denied | discord.com used Cloudflare to restrict access</title>";
constexpr const char* refused_agent = R"({"message":"internal network error","code":40333})";
constexpr const char* unauthorized = R"({"message":"401: Unauthorized","code":0})";
constexpr const char* server_error = R"({"message":"500: Internal Server Error","code":0})";
constexpr const char* page = "<!DOCTYPE html><title>A page where JSON was expected</title>";

struct Kind {
    const char* name;
    int status;
    const char* content_type;
    const char* body;
    const char* retry_after;
    const char* scope;
};

// Every form that people reported, and that a client has to understand.
constexpr Kind kinds[] = {
    {"429_user",             429, as_json, limited,                  "2",     "user"  },
    {"429_global",           429, as_json, limited_globally,         "2",     "global"},
    {"429_shared",           429, as_json, limited_shared,           "2",     "shared"},
    {"429_without_headers",  429, as_json, limited,                  nullptr, nullptr },
    {"429_blocked",          429, as_json, blocked,                  nullptr, nullptr },
    {"cloudflare_1015",      429, text,    "error code: 1015",       nullptr, nullptr },
    {"cloudflare_1015_hour", 429, text,    "error code: 1015",       "3600",  nullptr },
    {"cloudflare_429_page",  429, html,    access_denied,            nullptr, nullptr },
    {"cloudflare_403_page",  403, html,    access_denied,            nullptr, nullptr },
    {"40333",                403, as_json, refused_agent,            nullptr, nullptr },
    {"401",                  401, as_json, unauthorized,             nullptr, nullptr },
    {"500",                  500, as_json, server_error,             nullptr, nullptr },
    {"502_page",             502, html,    page,                     nullptr, nullptr },
    {"503_text",             503, text,    "upstream connect error", nullptr, nullptr },
    {"507_page",             507, html,    page,                     nullptr, nullptr },
    {"523_page",             523, html,    page,                     nullptr, nullptr },
    {"524_page",             524, html,    page,                     nullptr, nullptr },
    {"504_page",             504, html,    page,                     nullptr, nullptr },
    {"522_page",             522, html,    page,                     nullptr, nullptr },
    {"404_page",             404, html,    page,                     nullptr, nullptr },
    {"200_page",             200, html,    page,                     nullptr, nullptr },
    {"200_empty",            200, as_json, "",                       nullptr, nullptr },
    {"null",                 200, as_json, "null",                   nullptr, nullptr },
    {"empty_list",           200, as_json, "[]",                     nullptr, nullptr },
};

/// A true answer, with something else in it.
struct Change {
    const char* name;
    const char* merge;
};

// What people may be called, and what Discord may add one day.
constexpr Change changes[] = {
    {"legacy_discriminator", R"({"discriminator":"1337"})"                                        },
    {"global_name_null",     R"({"global_name":null})"                                            },
    {"global_name_rtl",      R"({"global_name":"\u202egniK \u0645\u0644\u0643"})"                 },
    {"global_name_crlf",     R"({"global_name":"x\r\nX-Discord-User-Id: 1\r\n\r\n"})"             },
    {"email_null",           R"({"email":null,"verified":false})"                                 },
    {"unknown_keys",         R"({"new_object":{"deep":[1,null,"x"]},"new_number":1.5,"new":null})"},
};

// Those that the documentation calls optional.
const std::vector<std::string> optional_keys = {"avatar_decoration_data",
                                                "banner_color",
                                                "accent_color",
                                                "collectibles",
                                                "clan",
                                                "primary_guild",
                                                "premium_type",
                                                "banner",
                                                "bot",
                                                "system",
                                                "email",
                                                "verified",
                                                "approximate_member_count",
                                                "approximate_presence_count",
                                                "integrations",
                                                "revoked"};

std::string emoji_name() {
    std::string name;
    for (int i = 0; i < 32; ++i) name += "\xF0\x9F\x8E\xB2";
    return json({
                    {"global_name", name}
    })
        .dump();
}

// As many as one can be in, with names as long as they may be.
std::string huge_guild_list() {
    auto list = json::array();
    for (int i = 0; i < 200; ++i) {
        list.push_back({
            {"id",            std::to_string(700000000000000000 + i)},
            {"name",          std::string(100,                        'W')},
            {"icon",               "a_" + std::string(32,                                                'f')},
            {"banner",           std::string(32,  'f')},
            {"owner",false                       },
            {"permissions",         "9007199254740991"                                                   },
            {"features",   guild_features()              }
        });
    }
    return list.dump();
}

void change(json& object, const json& merge, const std::vector<std::string>& remove) {
    if (!object.is_object()) return;
    for (const auto& [key, value] : merge.items()) object[key] = value;
    for (const auto& key : remove) object.erase(key);
}

void leave_out(json& list, const std::vector<std::string>& ids) {
    auto kept = json::array();
    for (auto& item : list) {
        const auto id = item.is_object() ? item.value("id", json()) : json();
        const bool out =
            std::any_of(ids.begin(), ids.end(), [&](const auto& i) { return id == i; });
        if (!out) kept.push_back(std::move(item));
    }
    list = std::move(kept);
}

}  // namespace

std::optional<Fault> fault_by_name(std::string_view name) {
    Fault fault;
    if (name == "reset") {
        fault.delivery.cut_after = 0;
        fault.status = 200;
        return fault;
    }
    if (name == "lost_answer") {
        fault.takes_effect = true;
        fault.delivery.cut_after = 0;
        return fault;
    }
    if (name == "slow_head") {
        fault.delivery.drip_head = 50ms;
        return fault;
    }
    if (name == "slow_body") {
        fault.delivery.drip = 50ms;
        return fault;
    }
    if (name == "chunked") {
        fault.delivery.chunked = true;
        return fault;
    }
    if (name == "gzip") {
        fault.gzip = true;
        return fault;
    }
    if (name == "cut_head") {
        fault.delivery.cut_after = 20;
        return fault;
    }
    if (name == "cut_body") {
        fault.delivery.cut_body_after = 5;
        return fault;
    }
    if (name == "wrong_length") {
        fault.delivery.content_length = 1000000;
        return fault;
    }
    if (name == "no_optional_keys") {
        fault.remove = optional_keys;
        return fault;
    }
    if (name == "global_name_emoji") {
        fault.merge = emoji_name();
        return fault;
    }
    if (name == "huge_guilds") {
        fault.status = 200;
        fault.body = huge_guild_list();
        return fault;
    }
    if (name == "deauthorized") {
        fault.event = Fault::Event::deauthorize;
        return fault;
    }
    if (name == "kicked") {
        fault.event = Fault::Event::kick_user;
        return fault;
    }
    if (name == "bot_kicked") {
        fault.event = Fault::Event::kick_bot;
        return fault;
    }
    for (const auto& row : changes) {
        if (name != row.name) continue;
        fault.merge = row.merge;
        return fault;
    }
    for (const auto& kind : kinds) {
        if (name != kind.name) continue;
        fault.status = kind.status;
        fault.content_type = kind.content_type;
        fault.body = kind.body;
        if (kind.retry_after) fault.headers.emplace_back("Retry-After", kind.retry_after);
        if (kind.scope) {
            fault.headers.emplace_back("X-RateLimit-Scope", kind.scope);
            const bool global = kind.scope == std::string_view("global");
            if (global) fault.headers.emplace_back("X-RateLimit-Global", "true");
            fault.limit_headers = !global;
        }
        return fault;
    }
    return std::nullopt;
}

std::vector<std::string_view> fault_names() {
    std::vector<std::string_view> names = {
        "reset",  "lost_answer", "slow_head",    "slow_body",         "chunked",
        "gzip",   "cut_head",    "cut_body",     "wrong_length",      "no_optional_keys",
        "kicked", "bot_kicked",  "deauthorized", "global_name_emoji", "huge_guilds"};
    for (const auto& kind : kinds) names.emplace_back(kind.name);
    for (const auto& row : changes) names.emplace_back(row.name);
    return names;
}

std::optional<Fault> Faults::take(std::string_view method, std::string_view route,
                                  std::string_view path) {
    const auto named = std::string(method) + " " + std::string(route);
    const auto called = std::string(method) + " " + std::string(path);
    for (auto fault = waiting_.begin(); fault != waiting_.end(); ++fault) {
        const auto& wanted = fault->route;
        const bool matches = wanted == "*" || wanted == route || wanted == named ||
                             wanted == path || wanted == called;
        if (!matches) continue;
        if (fault->after > 0) {
            --fault->after;
            continue;
        }
        const auto taken = *fault;
        if (fault->times > 0 && --fault->times == 0) waiting_.erase(fault);
        return taken;
    }
    return std::nullopt;
}

void apply(const Fault& fault, Reply& reply) {
    if (fault.status) {
        reply = {*fault.status, fault.content_type, fault.body, {}};
    } else if (!fault.merge.empty() || !fault.remove.empty() || !fault.without.empty()) {
        auto body = json::parse(reply.body, nullptr, false);
        auto merge = json::parse(fault.merge, nullptr, false);
        if (!merge.is_object()) merge = json::object();
        if (body.is_array()) {
            leave_out(body, fault.without);
            for (auto& item : body) change(item, merge, fault.remove);
        } else {
            change(body, merge, fault.remove);
        }
        if (!body.is_discarded()) reply.body = body.dump();
    }
    for (const auto& header : fault.headers) reply.headers.push_back(header);
    if (fault.gzip) {
        reply.body = gzip_stored(reply.body);
        reply.headers.emplace_back("Content-Encoding", "gzip");
    }
}

}  // namespace cordgate::sim
