#include "cmd/discord-sim/objects.hpp"

#include <ctime>

#include "core/crypto.hpp"
#include "core/hex.hpp"

namespace cordgate::sim {
namespace {

using nlohmann::json;

json nullable(const std::optional<std::string>& text) {
    return text ? json(*text) : json();
}

json role_ids(const Membership& membership) {
    auto ids = json::array();
    for (const auto role : membership.roles) ids.push_back(role.to_string());
    return ids;
}

json role_object(Snowflake id, const std::string& name, std::uint64_t permissions, int position) {
    const json colors = {
        {"primary_color",   0      },
        {"secondary_color", nullptr},
        {"tertiary_color",  nullptr}
    };
    return {
        {"id",            id.to_string()             },
        {"name",          name                       },
        {"color",         0                          },
        {"colors",        colors                     },
        {"hoist",         false                      },
        {"icon",          nullptr                    },
        {"unicode_emoji", nullptr                    },
        {"position",      position                   },
        {"permissions",   std::to_string(permissions)},
        {"managed",       false                      },
        {"mentionable",   false                      },
        {"flags",         0                          }
    };
}

}  // namespace

Reply json_reply(const json& body, int status) {
    return {
        status, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace), {}};
}

Reply invalid_form(const char* field, const char* code, const std::string& message) {
    json errors;
    errors[field]["_errors"] = json::array({
        {{"code", code}, {"message", message}}
    });
    const json body = {
        {"code",    50035              },
        {"message", "Invalid Form Body"},
        {"errors",  errors             }
    };
    return json_reply(body, 400);
}

json public_user(const Account& user) {
    json object = {
        {"id",                     user.id.to_string()       },
        {"username",               user.username             },
        {"discriminator",          user.discriminator        },
        {"global_name",            nullable(user.global_name)},
        {"avatar",                 nullable(user.avatar)     },
        {"public_flags",           user.public_flags         },
        {"flags",                  user.public_flags         },
        {"banner",                 nullptr                   },
        {"accent_color",           nullptr                   },
        {"banner_color",           nullptr                   },
        {"avatar_decoration_data", nullptr                   },
        {"collectibles",           nullptr                   },
        {"clan",                   nullptr                   },
        {"primary_guild",          nullptr                   }
    };
    if (user.bot) object["bot"] = true;
    return object;
}

json private_user(const Account& user, const Scopes& scopes) {
    auto object = public_user(user);
    object["mfa_enabled"] = user.mfa_enabled;
    object["locale"] = user.locale;
    object["premium_type"] = has_scope(scopes, "identify.premium") ? user.premium_type : 0;
    if (has_scope(scopes, "email")) {
        object["email"] = nullable(user.email);
        object["verified"] = user.email && user.verified;
    }
    return with_extra(std::move(object), user.extra);
}

Account bot_account(const Application& application) {
    return {.id = Snowflake::parse(application.client_id).value_or(Snowflake{}),
            .username = application.name,
            .discriminator = "0001",
            .bot = true};
}

json member_object(const Account& user, const Membership& membership) {
    json object = {
        {"user",                         public_user(user)                   },
        {"nick",                         nullable(membership.nick)           },
        {"avatar",                       nullable(membership.avatar)         },
        {"banner",                       nullptr                             },
        {"roles",                        role_ids(membership)                },
        {"joined_at",                    membership.joined_at                },
        {"premium_since",                nullable(membership.premium_since)  },
        {"communication_disabled_until", nullable(membership.timed_out_until)},
        {"pending",                      membership.pending                  },
        {"flags",                        membership.flags                    },
        {"deaf",                         membership.deaf                     },
        {"mute",                         membership.mute                     }
    };
    return with_extra(std::move(object), membership.extra);
}

json own_member_object(const Account& user, const Guild& guild, const Membership& membership) {
    auto object = member_object(user, membership);
    object["permissions"] = std::to_string(permissions_of(guild, user.id, membership));
    return with_extra(std::move(object), membership.extra);
}

json roles_of(const Guild& guild) {
    auto roles = json::array({role_object(guild.id, "@everyone", guild.everyone, 0)});
    for (const auto& role : guild.roles) {
        roles.push_back(role_object(role.id, role.name, role.permissions, role.position));
    }
    return roles;
}

json guild_object(const Guild& guild) {
    json object = {
        {"id",                            guild.id.to_string()   },
        {"name",                          guild.name             },
        {"icon",                          nullable(guild.icon)   },
        {"description",                   nullptr                },
        {"home_header",                   nullptr                },
        {"splash",                        nullptr                },
        {"discovery_splash",              nullptr                },
        {"features",                      guild.features         },
        {"banner",                        nullptr                },
        {"owner_id",                      guild.owner.to_string()},
        {"application_id",                nullptr                },
        {"region",                        "us-west"              },
        {"afk_channel_id",                nullptr                },
        {"afk_timeout",                   300                    },
        {"system_channel_id",             nullptr                },
        {"system_channel_flags",          0                      },
        {"widget_enabled",                false                  },
        {"widget_channel_id",             nullptr                },
        {"verification_level",            1                      },
        {"roles",                         roles_of(guild)        },
        {"default_message_notifications", 1                      },
        {"mfa_level",                     0                      },
        {"explicit_content_filter",       0                      },
        {"max_presences",                 nullptr                },
        {"max_members",                   500000                 },
        {"max_stage_video_channel_users", 50                     },
        {"max_video_channel_users",       25                     },
        {"vanity_url_code",               nullptr                },
        {"premium_tier",                  0                      },
        {"premium_subscription_count",    0                      },
        {"preferred_locale",              "en-US"                },
        {"rules_channel_id",              nullptr                },
        {"safety_alerts_channel_id",      nullptr                },
        {"public_updates_channel_id",     nullptr                },
        {"premium_progress_bar_enabled",  false                  },
        {"nsfw",                          false                  },
        {"nsfw_level",                    0                      },
        {"emojis",                        json::array()          },
        {"stickers",                      json::array()          },
        {"incidents_data",                nullptr                }
    };
    return with_extra(std::move(object), guild.extra);
}

json partial_guild(const Guild& guild, Snowflake user, const Membership& membership) {
    json object = {
        {"id",          guild.id.to_string()               },
        {"name",        guild.name                         },
        {"icon",        nullable(guild.icon)               },
        {"banner",      nullptr                            },
        {"owner",       guild.owner == user                },
        {"permissions", std::to_string(permissions_of(guild, user, membership))},
        {"features", guild.features                                   }
    };
    return with_extra(std::move(object), guild.extra);
}

json application_object(const Application& application) {
    constexpr int public_oauth2_client = 1 << 8;
    constexpr int gateway_guild_members = 1 << 14;
    const auto flags = (application.is_public ? public_oauth2_client : 0) +
                       (application.has_member_intent ? gateway_guild_members : 0);
    return {
        {"id",                     application.client_id                       },
        {"name",                   application.name                            },
        {"icon",                   nullptr                                     },
        {"description",            "The application of the Discord simulator"  },
        {"type",                   nullptr                                     },
        {"verify_key",             hex_encode(application.event_key.public_key)},
        {"flags",                  flags                                       },
        {"flags_new",              std::to_string(flags)                       },
        {"bot_public",             true                                        },
        {"bot_require_code_grant", false                                       },
    };
}

json with_extra(json object, const std::string& extra) {
    const auto more = json::parse(extra, nullptr, false);
    if (more.is_object()) object.update(more);
    return object;
}

json without_nulls(json object) {
    for (auto item = object.begin(); item != object.end();) {
        item = item->is_null() ? object.erase(item) : std::next(item);
    }
    return object;
}

std::string iso_time(TimePoint at, const char* zone) {
    const auto whole = Clock::to_time_t(at);
    std::tm parts{};
    gmtime_r(&whole, &parts);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
    const auto fraction = at - std::chrono::floor<std::chrono::seconds>(at);
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(fraction).count();
    const auto digits = std::to_string(1'000'000 + micros).substr(1);
    return std::string(text, size) + digits + zone;
}

}  // namespace cordgate::sim
