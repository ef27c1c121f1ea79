#include "config/scopes.hpp"

#include <algorithm>

namespace cordgate::config {
namespace {

constexpr std::string_view approval = "Discord grants it to approved applications only";
constexpr std::string_view local = "it works over local RPC only";
constexpr std::string_view social = "it is part of the Social SDK";

const std::vector<Scope> scopes = {
    {"identify",                                 ""                                             },
    {"email",                                    ""                                             },
    {"openid",                                   ""                                             },
    {"connections",                              ""                                             },
    {"guilds",                                   ""                                             },
    {"guilds.members.read",                      ""                                             },
    {"guilds.join",                              ""                                             },
    {"gdm.join",                                 ""                                             },
    {"role_connections.write",                   ""                                             },
    {"bot",                                      ""                                             },
    {"webhook.incoming",                         ""                                             },
    {"applications.commands",                    ""                                             },
    {"applications.commands.update",             "Discord grants it for client credentials only"},
    {"applications.commands.permissions.update", ""                                             },
    {"applications.builds.read",                 ""                                             },
    {"applications.builds.upload",               approval                                       },
    {"applications.entitlements",                ""                                             },
    {"applications.store.update",                ""                                             },
    {"identify.premium",                         approval                                       },
    {"activities.read",                          approval                                       },
    {"activities.write",                         approval                                       },
    {"activities.invites.write",                 approval                                       },
    {"dm_channels.read",                         approval                                       },
    {"dm_channels.messages.read",                approval                                       },
    {"dm_channels.messages.write",               approval                                       },
    {"account.global_name.update",               approval                                       },
    {"application_identities.write",             approval                                       },
    {"gateway.connect",                          approval                                       },
    {"guilds.channels.read",                     approval                                       },
    {"lobbies.write",                            approval                                       },
    {"payment_sources.country_code",             approval                                       },
    {"presences.read",                           approval                                       },
    {"presences.write",                          approval                                       },
    {"relationships.read",                       social                                         },
    {"relationships.write",                      approval                                       },
    {"sdk.social_layer",                         social                                         },
    {"sdk.social_layer_presence",                social                                         },
    {"messages.read",                            local                                          },
    {"rpc",                                      approval                                       },
    {"rpc.activities.write",                     approval                                       },
    {"rpc.notifications.read",                   approval                                       },
    {"rpc.voice.read",                           approval                                       },
    {"rpc.voice.write",                          approval                                       },
    {"rpc.video.read",                           approval                                       },
    {"rpc.video.write",                          approval                                       },
    {"rpc.screenshare.read",                     approval                                       },
    {"rpc.screenshare.write",                    approval                                       },
    {"voice",                                    approval                                       },
};

}  // namespace

const std::vector<Scope>& known_scopes() {
    return scopes;
}

const Scope* find_scope(std::string_view name) {
    const auto at = std::find_if(scopes.begin(), scopes.end(),
                                 [name](const Scope& scope) { return scope.name == name; });
    return at == scopes.end() ? nullptr : &*at;
}

std::vector<std::string> scope_names() {
    std::vector<std::string> out;
    for (const auto& scope : scopes) out.emplace_back(scope.name);
    return out;
}

bool is_passthrough(std::string_view scope) {
    return scope == "bot" || scope == "webhook.incoming";
}

}  // namespace cordgate::config
