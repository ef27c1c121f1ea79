#include <algorithm>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cmd/discord-sim/service.hpp"

// Users, guilds and members as the REST API shows them. Ids and permissions
// are strings: they do not fit into a JavaScript number.

namespace cordgate::sim {
namespace {

using nlohmann::json;

Reply answer(const json& body, int status = 200) {
    return {
        status, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace), {}};
}

json nullable(const std::optional<std::string>& text) {
    return text ? json(*text) : json();
}

// Lays `extra` over `object`; what is no object in `extra` is ignored.
json with_extra(json object, const std::string& extra) {
    const auto more = json::parse(extra, nullptr, false);
    if (more.is_object()) object.update(more);
    return object;
}

// As in a member or in /oauth2/@me: nothing private.
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

json private_user(const Account& user, bool with_email) {
    auto object = public_user(user);
    object["mfa_enabled"] = user.mfa_enabled;
    object["locale"] = user.locale;
    object["premium_type"] = 0;  // the truth needs identify.premium
    if (with_email) {
        object["email"] = nullable(user.email);
        object["verified"] = user.email && user.verified;
    }
    return with_extra(std::move(object), user.extra);
}

json role_ids(const Membership& membership) {
    auto ids = json::array();
    for (const auto role : membership.roles) ids.push_back(role.to_string());
    return ids;
}

json member_object(const Account& user, const Guild& guild, const Membership& membership,
                   bool with_permissions) {
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
        {"deaf",                         false                               },
        {"mute",                         false                               }
    };
    if (with_permissions) {
        object["permissions"] = std::to_string(permissions_of(guild, user.id, membership));
    }
    return with_extra(std::move(object), membership.extra);
}

json role_object(Snowflake id, const std::string& name, std::uint64_t permissions, int position) {
    return {
        {"id",            id.to_string()             },
        {"name",          name                       },
        {"color",         0                          },
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

json roles_of(const Guild& guild) {
    auto roles = json::array({role_object(guild.id, "@everyone", guild.everyone, 0)});
    for (const auto& role : guild.roles) {
        roles.push_back(role_object(role.id, role.name, role.permissions, role.position));
    }
    return roles;
}

json application_object(const Application& application) {
    const auto flags = application.is_public ? 1 << 8 : 0;
    const std::string verify_key(64, '0');
    return {
        {"id",                     application.client_id                     },
        {"name",                   application.name                          },
        {"icon",                   nullptr                                   },
        {"description",            "The application of the Discord simulator"},
        {"type",                   nullptr                                   },
        {"verify_key",             verify_key                                },
        {"flags",                  flags                                     },
        {"flags_new",              std::to_string(flags)                     },
        {"bot_public",             true                                      },
        {"bot_require_code_grant", false                                     },
    };
}

std::string iso_time(TimePoint at) {
    const auto whole = Clock::to_time_t(at);
    std::tm parts{};
    gmtime_r(&whole, &parts);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000+00:00", &parts);
    return {text, size};
}

Reply invalid_form(const char* field, const char* code, const char* message) {
    json errors;
    errors[field]["_errors"] = json::array({
        {{"code", code}, {"message", message}}
    });
    return answer(
        {
            {"code",    50035              },
            {"message", "Invalid Form Body"},
            {"errors",  errors             }
    },
        400);
}

// True/true/1 and their opposites; nullopt for anything else.
std::optional<bool> boolean(const std::optional<std::string>& text) {
    if (!text) return false;
    if (*text == "true" || *text == "True" || *text == "1") return true;
    if (*text == "false" || *text == "False" || *text == "0") return false;
    return std::nullopt;
}

// `limit` between 1 and 200; nullopt for anything else.
std::optional<std::size_t> page_size(const std::optional<std::string>& text) {
    if (!text) return 200;
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
    const bool whole = error == std::errc{} && end == text->data() + text->size();
    return whole && size >= 1 && size <= 200 ? std::optional(size) : std::nullopt;
}

Reply unknown_guild() {
    return api_error(404, 10004, "Unknown Guild");
}

// A guild that the bot can see.
std::optional<Guild> guild_of_bot(const World& world, const std::string& id) {
    const auto parsed = Snowflake::parse(id);
    auto guild = parsed ? world.guild(*parsed) : std::nullopt;
    return guild && guild->has_bot ? guild : std::nullopt;
}

}  // namespace

Reply Service::authorization(const Call&, const Parameters&, const Caller& caller) {
    const auto& grant = *caller.grant;
    json body = {
        {"application", application_object(application)},
        {"scopes",      grant.scopes                   },
        {"expires",     iso_time(grant.access_expires) }
    };
    const auto user = world_.user(grant.user);
    if (user && has_scope(grant.scopes, "identify")) body["user"] = public_user(*user);
    return answer(body);
}

Reply Service::current_user(const Call&, const Parameters&, const Caller& caller) {
    if (caller.bot) {
        const Account self{.id = Snowflake::parse(application.client_id).value_or(Snowflake{}),
                           .username = application.name,
                           .bot = true};
        return answer(private_user(self, false));
    }
    const auto user = world_.user(caller.grant->user);
    if (!user) return api_error(401, 0, "401: Unauthorized");
    return answer(private_user(*user, has_scope(caller.grant->scopes, "email")));
}

Reply Service::current_guilds(const Call& call, const Parameters&, const Caller& caller) {
    const auto query = query_of(call);
    const auto limit = page_size(query.get("limit"));
    const auto counts = boolean(query.get("with_counts"));
    const auto before = query.get("before");
    const auto after = query.get("after");
    const auto oldest = Snowflake::parse(after.value_or("0"));
    const auto newest = Snowflake::parse(before.value_or("18446744073709551615"));
    if (!limit) {
        return invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 200.");
    }
    if (!counts) {
        return invalid_form("with_counts", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
    }
    if (!oldest || !newest) {
        const auto* const field = oldest ? "before" : "after";
        return invalid_form(field, "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    }

    // Counts of a guild are for those who may read its members.
    const bool counted = *counts && has_scope(caller.grant->scopes, "guilds.members.read");
    auto list = json::array();
    for (const auto& [guild, membership] : world_.guilds_of(caller.grant->user)) {
        if ((after && guild.id <= *oldest) || (before && guild.id >= *newest)) continue;
        if (list.size() == *limit) break;
        const auto permissions = permissions_of(guild, caller.grant->user, membership);
        json item = {
            {"id",          guild.id.to_string()             },
            {"name",        guild.name                       },
            {"icon",        nullable(guild.icon)             },
            {"banner",      nullptr                          },
            {"owner",       guild.owner == caller.grant->user},
            {"permissions", std::to_string(permissions)      },
            {"features",    guild.features                   }
        };
        if (counted) {
            item["approximate_member_count"] = world_.member_count(guild.id);
            item["approximate_presence_count"] = 1;
        }
        list.push_back(with_extra(std::move(item), guild.extra));
    }
    return answer(list);
}

Reply Service::current_member(const Call&, const Parameters& parameters, const Caller& caller) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto guild = id ? world_.guild(*id) : std::nullopt;
    const auto user = world_.user(caller.grant->user);
    const auto membership = guild && user ? world_.member(user->id, guild->id) : std::nullopt;
    if (!membership) return unknown_guild();
    return answer(member_object(*user, *guild, *membership, true));
}

Reply Service::connections(const Call&, const Parameters&, const Caller& caller) {
    const auto user = world_.user(caller.grant->user);
    if (!user) return api_error(401, 0, "401: Unauthorized");
    return {200, "application/json", user->connections, {}};
}

Reply Service::own_application(const Call&, const Parameters&, const Caller&) {
    auto body = application_object(application);
    body.update({
        {"redirect_uris",                        application.redirect_uris},
        {"interactions_endpoint_url",            nullptr                  },
        {"role_connections_verification_url",    nullptr                  },
        {"owner",                                nullptr                  },
        {"team",                                 nullptr                  },
        {"approximate_guild_count",              world_.guilds().size()   },
        {"approximate_user_install_count",       0                        },
        {"approximate_user_authorization_count", grants.all().size()      },
        {"explicit_content_filter",              0                        },
        {"eligible_oauth2_scopes",               json::array()            }
    });
    return answer(body);
}

Reply Service::any_user(const Call&, const Parameters& parameters, const Caller&) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto user = id ? world_.user(*id) : std::nullopt;
    if (!user) return api_error(404, 10013, "Unknown User");
    return answer(public_user(*user));
}

Reply Service::guild(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    json body = {
        {"id",       found->id.to_string()   },
        {"name",     found->name             },
        {"icon",     nullable(found->icon)   },
        {"owner_id", found->owner.to_string()},
        {"roles",    roles_of(*found)        },
        {"features", found->features         }
    };
    if (boolean(query_of(call).get("with_counts")).value_or(false)) {
        body["approximate_member_count"] = world_.member_count(found->id);
        body["approximate_presence_count"] = 1;
    }
    return answer(with_extra(std::move(body), found->extra));
}

Reply Service::guild_roles(const Call&, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    return found ? answer(roles_of(*found)) : unknown_guild();
}

Reply Service::guild_member(const Call&, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto id = Snowflake::parse(parameters[1]);
    const auto user = id ? world_.user(*id) : std::nullopt;
    if (!user) return api_error(404, 10013, "Unknown User");
    const auto membership = world_.member(user->id, found->id);
    if (!membership) return api_error(404, 10007, "Unknown Member");
    return answer(member_object(*user, *found, *membership, false));
}

Reply Service::add_member(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto body = json::parse(call.body, nullptr, false);
    const bool is_json = call.content_type.starts_with("application/json") && body.is_object();
    if (!is_json || !body.contains("access_token") || !body["access_token"].is_string()) {
        return invalid_form("access_token", "BASE_TYPE_REQUIRED", "This field is required");
    }
    const auto* const grant = grants.find(body["access_token"].get<std::string>(), now());
    if (!grant || grant->user.to_string() != parameters[1]) {
        return api_error(403, 50025, "Invalid OAuth2 access token");
    }
    if (!has_scope(grant->scopes, "guilds.join")) {
        return api_error(403, 50026, "Missing required OAuth2 scope");
    }
    const auto user = world_.user(grant->user);
    if (!user) return api_error(404, 10013, "Unknown User");
    if (world_.is_banned(user->id, found->id)) {
        return api_error(403, 40007, "The user is banned from this guild.");
    }
    if (world_.member(user->id, found->id)) return {204, "", "", {}};

    const auto& features = found->features;
    Membership membership{.joined_at = iso_time(now())};
    membership.pending = std::find(features.begin(), features.end(),
                                   "MEMBER_VERIFICATION_GATE_ENABLED") != features.end();
    if (body.contains("nick") && body["nick"].is_string()) membership.nick = body["nick"];
    for (const auto& role : body.value("roles", json::array())) {
        const auto id = Snowflake::parse(role.is_string() ? role.get<std::string>() : "");
        if (id) membership.roles.push_back(*id);
    }
    world_.join(user->id, found->id, membership);
    return answer(member_object(*user, *found, membership, false), 201);
}

Reply Service::member_role(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto user = Snowflake::parse(parameters[1]);
    if (!user || !world_.member(*user, found->id)) return api_error(404, 10007, "Unknown Member");
    const auto role = Snowflake::parse(parameters[2]);
    const auto is_it = [&](const Role& known) { return known.id == role; };
    if (std::none_of(found->roles.begin(), found->roles.end(), is_it)) {
        return api_error(404, 10011, "Unknown Role");
    }
    world_.set_role(*user, found->id, *role, call.method == "PUT");
    return {204, "", "", {}};
}

}  // namespace cordgate::sim
