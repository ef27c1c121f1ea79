#include "cmd/discord-sim/control_json.hpp"

#include <stdexcept>

#include "cmd/discord-sim/world_json.hpp"

namespace cordgate::sim {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

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

}  // namespace

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
    read(object, "without", fault.without);
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
    if (object.contains("cut_body_after")) {
        delivery.cut_body_after = object["cut_body_after"].get<std::size_t>();
    }
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
    read(object, "limit_headers", settings.limit_headers);
    read(object, "check_user_agent", settings.check_user_agent);
    read(object, "require_version", settings.require_version);
    read(object, "edit_scopes", settings.edit_scopes);
    read(object, "pkce_with_role_connections", settings.pkce_with_role_connections);
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
    limit.bucket = object.value("bucket", "");
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
    AutoConsent consent;
    if (object.contains("guild")) consent.guild = read_id(object, "guild");
    if (object.contains("scopes")) consent.scopes = object["scopes"].get<Scopes>();
    if (mode == "page") return {};
    if (mode == "deny") consent.mode = AutoConsent::Mode::deny;
    if (mode == "approve") {
        consent.mode = AutoConsent::Mode::approve;
        consent.user = read_id(object, "user");
    }
    if (consent.mode != AutoConsent::Mode::page) return consent;
    throw std::invalid_argument("\"mode\" must be approve, deny or page");
}

json describe_events(const WebhookEvents& events) {
    auto list = json::array();
    for (const auto& post : events.posts()) {
        list.push_back({
            {"id",       post.id            },
            {"event",    post.event         },
            {"url",      post.url           },
            {"state",    name_of(post.state)},
            {"expected", post.expected      },
            {"statuses", post.statuses      }
        });
    }
    return {
        {"url",    events.url.empty() ? json() : json(events.url)},
        {"status", static_cast<int>(events.status)               },
        {"types",  events.types                                  },
        {"held",   events.held                                   },
        {"posts",  std::move(list)                               }
    };
}

Signing read_signing(const json& object) {
    const auto signing = signing_by_name(object.value("signature", "good"));
    if (!signing) throw std::invalid_argument("unknown \"signature\"");
    return *signing;
}

void read_application(const json& object, Application& application) {
    read(object, "redirect_uris", application.redirect_uris);
    read(object, "team", application.is_team);
    read(object, "member_intent", application.has_member_intent);
    read(object, "public", application.is_public);
    if (object.contains("owner")) application.owner = read_id(object, "owner");
}

}  // namespace cordgate::sim
