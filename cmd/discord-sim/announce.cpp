#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/service.hpp"

// Webhook events about what users grant and take back.

namespace cordgate::sim {

using nlohmann::json;

// Real payloads leave out what is null; the time has no zone.
std::string Service::event_body(const std::string& type, const json& data) const {
    const json event = {
        {"type",      type          },
        {"timestamp", iso_time(now(), "")},
        {"data",           data                   }
    };
    const json body = {
        {"version",        1                    },
        {"application_id", application.client_id},
        {"type",           1                    },
        {"event",          event                }
    };
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Service::queue_event(const std::string& type, Snowflake user, Signing signing) {
    events.add(type, event_body(type, event_data(user)), signing, application.event_key, now());
}

void Service::announce(const std::string& type, const json& data) {
    if (!events.wants(type)) return;
    events.add(type, event_body(type, data), Signing::good, application.event_key, now());
}

json Service::event_data(Snowflake id) const {
    const auto user = world_.user(id);
    const json nameless = {
        {"id", id.to_string()}
    };
    return {
        {"user", user ? without_nulls(public_user(*user)) : nameless}
    };
}

void Service::announce_authorized(Snowflake user, const Scopes& scopes,
                                  std::optional<Snowflake> guild_id) {
    auto data = event_data(user);
    data["scopes"] = scopes;
    const auto guild = guild_id ? world_.guild(*guild_id) : std::nullopt;
    data["integration_type"] = guild ? 0 : 1;
    if (guild) data["guild"] = without_nulls(guild_object(*guild));
    announce("APPLICATION_AUTHORIZED", data);
}

// Whoever had granted nothing takes nothing back.
void Service::deauthorize(Snowflake user) {
    const bool known = grants.granted(user, {});
    grants.deauthorize(user);
    role_connections.erase(user);
    if (known) announce("APPLICATION_DEAUTHORIZED", event_data(user));
}

}  // namespace cordgate::sim
