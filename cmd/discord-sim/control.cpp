#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cmd/discord-sim/service.hpp"
#include "cmd/discord-sim/world_json.hpp"

// The control API, for tests in any language and for people with curl:
// docs/simulator.md describes it.

namespace cordgate::sim {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

Reply answer(const json& body, int status = 200) {
    return {status,
            "application/json",
            body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
            {}};
}

Reply done() {
    return answer({
        {"ok", true}
    });
}

Reply refused(int status, std::string_view why) {
    return answer(
        {
            {"error", why}
    },
        status);
}

milliseconds read_milliseconds(const json& object, const char* key) {
    return milliseconds(object.value(key, 0));
}

void read_seconds(const json& object, const char* key, seconds& value) {
    if (object.contains(key)) value = seconds(object[key].get<long>());
}

template <class T>
void read(const json& object, const char* key, T& value) {
    if (object.contains(key)) object[key].get_to(value);
}

Fault read_fault(const json& object) {
    Fault fault;
    if (object.contains("kind")) {
        const auto named = fault_by_name(object["kind"].get<std::string>());
        if (!named) throw std::invalid_argument("unknown \"kind\"");
        fault = *named;
    }
    fault.route = object.value("route", "*");
    read(object, "times", fault.times);
    read(object, "after", fault.after);
    read(object, "takes_effect", fault.takes_effect);
    read(object, "content_type", fault.content_type);
    read(object, "remove", fault.remove);
    read(object, "gzip", fault.gzip);
    if (object.contains("status")) fault.status = object["status"].get<int>();
    if (object.contains("body")) {
        fault.body =
            object["body"].is_string() ? object["body"].get<std::string>() : object["body"].dump();
        if (!fault.status) fault.status = 200;
    }
    if (object.contains("merge")) fault.merge = object["merge"].dump();
    const auto headers = object.value("headers", json::object());
    for (const auto& [name, value] : headers.items()) {
        fault.headers.emplace_back(name, value.get<std::string>());
    }
    auto& delivery = fault.delivery;
    if (object.contains("delay_ms")) delivery.delay = read_milliseconds(object, "delay_ms");
    if (object.contains("drip_ms")) delivery.drip = read_milliseconds(object, "drip_ms");
    if (object.contains("drip_head_ms")) {
        delivery.drip_head = read_milliseconds(object, "drip_head_ms");
    }
    if (object.contains("cut_after")) delivery.cut_after = object["cut_after"].get<std::size_t>();
    if (object.contains("content_length")) {
        delivery.content_length = object["content_length"].get<std::size_t>();
    }
    if (object.contains("raw")) delivery.raw = object["raw"].get<std::string>();
    read(object, "chunked", delivery.chunked);
    return fault;
}

void read_settings(const json& object, Settings& settings) {
    auto& tokens = settings.tokens;
    read(object, "rate_limits", settings.rate_limits);
    read(object, "check_user_agent", settings.check_user_agent);
    read(object, "require_version", settings.require_version);
    read_seconds(object, "code_lifetime", tokens.code_lifetime);
    read_seconds(object, "access_token_lifetime", tokens.access_token_lifetime);
    read(object, "same_token_on_login", tokens.same_token_on_login);
    read(object, "dead_token_after_refresh", tokens.dead_token_after_refresh);
    read(object, "keep_token_on_refresh", tokens.keep_token_on_refresh);
    read(object, "scope_growth", tokens.scope_growth);
    read(object, "add_scopes", tokens.add_scopes);
    read(object, "drop_scopes", tokens.drop_scopes);
}

Limit read_limit(const json& object) {
    Limit limit;
    limit.units = object.at("units").get<int>();
    limit.window = seconds(object.at("window").get<long>());
    limit.leaky = object.value("leaky", true);
    if (limit.units < 1 || limit.window < seconds(1)) {
        throw std::invalid_argument("\"units\" and \"window\" must be at least 1");
    }
    return limit;
}

json describe_grants(const Grants& grants, TimePoint now) {
    auto list = json::array();
    for (const auto& [token, grant] : grants.all()) {
        const auto left = std::chrono::duration_cast<seconds>(grant.access_expires - now);
        list.push_back({
            {"user",          grant.user.to_string()},
            {"scopes",        grant.scopes          },
            {"access_token",  token                 },
            {"refresh_token", grant.refresh_token   },
            {"expires_in",    left.count()          },
            {"dead",          grant.dead            }
        });
    }
    return list;
}

const char* name_of(AutoConsent::Mode mode) {
    switch (mode) {
        case AutoConsent::Mode::approve: return "approve";
        case AutoConsent::Mode::deny: return "deny";
        case AutoConsent::Mode::page: break;
    }
    return "page";
}

AutoConsent read_consent(const json& object) {
    const auto mode = object.value("mode", object.contains("user") ? "approve" : "page");
    if (mode == "approve") return {AutoConsent::Mode::approve, read_id(object, "user")};
    if (mode == "deny") return {AutoConsent::Mode::deny, {}};
    if (mode == "page") return {};
    throw std::invalid_argument("\"mode\" must be approve, deny or page");
}

json state_of(const Service& service, const World& world) {
    auto state = describe_world(world);
    state["client_id"] = service.application.client_id;
    state["redirect_uris"] = service.application.redirect_uris;
    state["auto"] = {
        {"mode", name_of(service.consent.mode)   },
        {"user", service.consent.user.to_string()}
    };
    state["clock"] = {
        {"ahead_ms", service.skew.count()}
    };
    state["grants"] = describe_grants(service.grants, service.now());
    state["faults_waiting"] = service.faults.waiting().size();
    state["fault_kinds"] = fault_names();
    state["counters"] = service.counters;
    return state;
}

/// One thing to do, as the last segment of the path names it.
struct Command {
    const char* method;
    const char* name;
    Reply (*run)(Service&, World&, const json&);
};

// clang-format 14 crashes on this table.
// clang-format off
constexpr Command commands[] = {
    {"GET", "state",
     [](Service& service, World& world, const json&) { return answer(state_of(service, world)); }},
    {"GET", "counters",
     [](Service& service, World&, const json&) { return answer(json(service.counters)); }},
    {"POST", "world",
     [](Service&, World& world, const json& body) {
         read_world(body, world);
         return done();
     }},
    {"POST", "users",
     [](Service&, World& world, const json& body) {
         const auto known = world.user(read_id(body, "id"));
         world.add_user(read_account(body, known.value_or(Account{})));
         return done();
     }},
    {"DELETE", "users",
     [](Service&, World& world, const json& body) {
         world.remove_user(read_id(body, "id"));
         return done();
     }},
    {"POST", "guilds",
     [](Service&, World& world, const json& body) {
         const auto known = world.guild(read_id(body, "id"));
         world.add_guild(read_guild(body, known.value_or(Guild{})));
         return done();
     }},
    {"DELETE", "guilds",
     [](Service&, World& world, const json& body) {
         world.remove_guild(read_id(body, "id"));
         return done();
     }},
    {"POST", "members",
     [](Service&, World& world, const json& body) {
         const auto user = read_id(body, "user");
         const auto guild = read_id(body, "guild");
         const auto known = world.member(user, guild);
         world.join(user, guild, read_membership(body, known.value_or(Membership{})));
         return done();
     }},
    {"DELETE", "members",
     [](Service&, World& world, const json& body) {
         const auto user = read_id(body, "user");
         const auto guild = read_id(body, "guild");
         if (body.value("ban", false)) {
             world.ban(user, guild);
         } else {
             world.kick(user, guild);
         }
         return done();
     }},
    {"POST", "clock",
     [](Service& service, World&, const json& body) {
         const auto by = body.at("advance").get<double>() * 1000;
         service.skew += milliseconds(static_cast<long>(by));
         return answer({{"ahead_ms", service.skew.count()}});
     }},
    {"POST", "auto",
     [](Service& service, World&, const json& body) {
         service.consent = read_consent(body);
         return done();
     }},
    {"POST", "faults",
     [](Service& service, World&, const json& body) {
         service.faults.add(read_fault(body));
         return done();
     }},
    {"DELETE", "faults",
     [](Service& service, World&, const json&) {
         service.faults.clear();
         return done();
     }},
    {"POST", "settings",
     [](Service& service, World&, const json& body) {
         read_settings(body, service.settings);
         return done();
     }},
    {"POST", "limits",
     [](Service& service, World&, const json& body) {
         if (body.contains("invalid_requests")) {
             service.invalid.limit = body["invalid_requests"].get<int>();
             return done();
         }
         service.settings.limits[body.at("route").get<std::string>()] = read_limit(body);
         service.buckets.clear();
         return done();
     }},
    {"POST", "redirect_uris",
     [](Service& service, World&, const json& body) {
         service.application.redirect_uris = body.at("redirect_uris").get<Scopes>();
         return done();
     }},
    {"POST", "deauthorize",
     [](Service& service, World&, const json& body) {
         service.grants.deauthorize(read_id(body, "user"));
         return done();
     }},
    {"POST", "expire",
     [](Service& service, World&, const json& body) {
         service.grants.expire(read_id(body, "user"), service.now());
         return done();
     }},
    {"POST", "reset",
     [](Service& service, World&, const json&) {
         service.reset();
         return done();
     }},
};
// clang-format on

}  // namespace

// The content type keeps pages of other origins out: a browser asks first
// before it sends JSON elsewhere, and nobody answers.
Reply Service::control(const Call& call) {
    const auto name = call.path.substr(call.path.rfind('/') + 1);
    for (const auto& command : commands) {
        if (name != command.name || call.method != command.method) continue;
        if (call.method != "GET" && !call.content_type.starts_with("application/json")) {
            return refused(415, "send Content-Type: application/json");
        }
        const auto body =
            call.body.empty() ? json::object() : json::parse(call.body, nullptr, false);
        if (!body.is_object()) return refused(400, "the body must be a JSON object");
        try {
            return command.run(*this, world_, body);
        } catch (const std::exception& error) {
            return refused(400, error.what());
        }
    }
    return refused(404, "no such command, or another method");
}

}  // namespace cordgate::sim
