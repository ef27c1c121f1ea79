#include <stdexcept>

#include "cmd/discord-sim/control_json.hpp"
#include "cmd/discord-sim/world_json.hpp"
#include "core/hex.hpp"

// The control API, for tests in any language and for people with curl:
// docs/simulator.md describes it.

namespace cordgate::sim {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

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

json state_of(const Service& service, const World& world) {
    auto state = describe_world(world);
    state["client_id"] = service.application.client_id;
    state["redirect_uris"] = service.application.redirect_uris;
    state["verify_key"] = hex_encode(service.application.event_key.public_key);
    state["auto"] = {
        {"mode", name_of(service.consent.mode)   },
        {"user", service.consent.user.to_string()}
    };
    state["clock"] = {
        {"ahead_ms", service.skew.count()}
    };
    state["grants"] = describe_grants(service.grants, service.now());
    state["faults_waiting"] = service.faults.waiting().size();
    state["api_routes"] = Service::api_routes();
    state["fault_kinds"] = fault_names();
    state["counters"] = service.counters;
    return state;
}

std::string unknown_route(const std::string& route) {
    std::string why = "no route is \"" + route + "\"; there are *";
    for (const auto& name : Service::route_names()) why += ", " + name;
    return why;
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
     [](Service& service, World& world, const json& body) {
         service.deauthorize(read_id(body, "id"));
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
    {"DELETE", "bans",
     [](Service&, World& world, const json& body) {
         world.unban(read_id(body, "user"), read_id(body, "guild"));
         return done();
     }},
    {"POST", "clock",
     [](Service& service, World&, const json& body) {
         if (body.contains("set")) {
             const std::chrono::duration<double> at(body["set"].get<double>());
             service.skew += std::chrono::duration_cast<milliseconds>(
                 at - service.now().time_since_epoch());
             return answer({{"ahead_ms", service.skew.count()}});
         }
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
         auto fault = read_fault(body);
         if (!Service::has_route(fault.route)) return refused(400, unknown_route(fault.route));
         service.faults.add(std::move(fault));
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
         body.at("redirect_uris").get_to(service.application.redirect_uris);
         return done();
     }},
    {"POST", "deauthorize",
     [](Service& service, World&, const json& body) {
         service.deauthorize(read_id(body, "user"));
         return done();
     }},
    {"POST", "application",
     [](Service& service, World&, const json& body) {
         read_application(body, service.application);
         return done();
     }},
    {"POST", "keys",
     [](Service& service, World&, const json& body) {
         service.rotate_keys(body.value("forget", false));
         return done();
     }},
    {"POST", "webhook",
     [](Service& service, World&, const json& body) {
         auto& events = service.events;
         if (body.contains("types")) body["types"].get_to(events.types);
         if (body.contains("first_pause_ms")) {
             events.first_pause = milliseconds(body["first_pause_ms"].get<long>());
         }
         if (body.contains("url")) {
             events.subscribe(body["url"].is_null() ? "" : body["url"].get<std::string>());
         }
         if (body.value("probe", false)) {
             events.probe(service.application.client_id, service.application.event_key,
                          service.now());
         }
         return done();
     }},
    {"GET", "events",
     [](Service& service, World&, const json&) { return answer(describe_events(service.events)); }},
    {"POST", "events",
     [](Service& service, World&, const json& body) {
         const auto type = body.at("type").get<std::string>();
         auto data = body.contains("user") ? service.event_data(read_id(body, "user")) : json::object();
         data.update(body.value("data", json::object()));
         const auto text = body.contains("body") ? body["body"].get<std::string>()
                                                 : service.event_body(type, data);
         const auto at = service.now() - std::chrono::seconds(body.value("age", 0L));
         for (int time = body.value("times", 1); time > 0; --time) {
             service.events.add(type, text, read_signing(body), service.application.event_key, at);
         }
         return done();
     }},
    {"DELETE", "events",
     [](Service& service, World&, const json&) {
         service.events.drop();
         return done();
     }},
    {"POST", "hold",
     [](Service& service, World&, const json&) {
         service.events.held = true;
         return done();
     }},
    {"POST", "release",
     [](Service& service, World&, const json& body) {
         service.events.release(body.value("reversed", false));
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
// before it sends JSON elsewhere, and nobody answers. Without a body there need not
// be one; a browser that posts for a page names its origin.
Reply Service::control(const Call& call) {
    const auto name = call.path.substr(call.path.rfind('/') + 1);
    for (const auto& command : commands) {
        if (name != command.name || call.method != command.method) continue;
        const bool is_ours = call.content_type.starts_with("application/json") ||
                             (call.body.empty() && call.origin.empty());
        if (call.method != "GET" && !is_ours) {
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
