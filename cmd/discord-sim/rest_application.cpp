#include <algorithm>

#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/url.hpp"

// The application as its own bot sees and edits it.

namespace cordgate::sim {

using nlohmann::json;

Account Service::owner() const {
    const auto chosen = world_.user(application.owner);
    if (chosen) return *chosen;
    const auto everybody = world_.users();
    return everybody.empty() ? bot_account(application) : everybody.front();
}

Reply Service::own_application(const Call&, const Parameters&, const Caller&) {
    auto body = application_object(application);
    const auto guilds = world_.guilds();
    const auto with_bot = std::count_if(guilds.begin(), guilds.end(),
                                        [](const Guild& guild) { return guild.has_bot; });
    body.update({
        {"redirect_uris",                        application.redirect_uris                     },
        {"interactions_endpoint_url",            nullptr                                       },
        {"role_connections_verification_url",    nullptr                                       },
        {"owner",                                public_user(owner())                          },
        {"team",                                 nullptr                                       },
        {"bot",                                  public_user(bot_account(application))         },
        {"approximate_guild_count",              with_bot                                      },
        {"approximate_user_install_count",       0                                             },
        {"approximate_user_authorization_count", grants.all().size()                           },
        {"explicit_content_filter",              0                                             },
        {"eligible_oauth2_scopes",               open_scopes()                                 },
        {"event_webhooks_url",                   events.url.empty() ? json() : json(events.url)},
        {"event_webhooks_status",                static_cast<int>(events.status)               },
        {"event_webhooks_types",                 events.types                                  },
    });
    return json_reply(body);
}

// Of all that could be edited, where events go.
Reply Service::edit_application(const Call& call, const Parameters& parameters,
                                const Caller& caller) {
    const auto body = json::parse(call.body, nullptr, false);
    if (!body.is_object()) return api_error(400, 50109, "The request body contains invalid JSON.");
    if (body.contains("event_webhooks_url")) {
        const auto& url = body["event_webhooks_url"];
        const bool good =
            url.is_null() || (url.is_string() && HttpUrl::parse(url.get<std::string>()));
        if (!good) {
            return invalid_form("event_webhooks_url", "URL_TYPE_INVALID_URL",
                                "Not a well formed URL.");
        }
        events.subscribe(url.is_null() ? "" : url.get<std::string>());
    }
    if (body.contains("event_webhooks_types")) {
        body["event_webhooks_types"].get_to(events.types);
    }
    if (body.contains("event_webhooks_status")) {
        const bool on = body["event_webhooks_status"] == 2 && !events.url.empty();
        events.status = on ? WebhookEvents::Status::enabled : WebhookEvents::Status::disabled;
    }
    return own_application(call, parameters, caller);
}

}  // namespace cordgate::sim
