#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/service.hpp"
#include "cmd/discord-sim/world.hpp"

// Users, guilds, members and the application as the REST API shows them. Ids and
// permissions are strings: they do not fit into a JavaScript number.

namespace cordgate::sim {

/// `body` as an answer; bytes that are no UTF-8 are replaced.
Reply json_reply(const nlohmann::json& body, int status = 200);
/// "Invalid Form Body" (50035) because of one field.
Reply invalid_form(const char* field, const char* code, const std::string& message);

/// As in a member or in /oauth2/@me: nothing private.
nlohmann::json public_user(const Account& user);
/// As in /users/@me, with what `scopes` show.
nlohmann::json private_user(const Account& user, const Scopes& scopes);
/// The application's bot, whose id is the application's.
Account bot_account(const Application& application);

nlohmann::json member_object(const Account& user, const Membership& membership);
/// As the member sees it: with the permissions in the whole guild.
nlohmann::json own_member_object(const Account& user, const Guild& guild,
                                 const Membership& membership);
nlohmann::json roles_of(const Guild& guild);
nlohmann::json guild_object(const Guild& guild);
/// As in the list of a user's guilds.
nlohmann::json partial_guild(const Guild& guild, Snowflake user, const Membership& membership);

/// As in /oauth2/@me: nothing private.
nlohmann::json application_object(const Application& application);

/// Lays `extra` (a JSON object) over `object`; anything else changes nothing.
nlohmann::json with_extra(nlohmann::json object, const std::string& extra);
/// Optional keys are left out where Discord has nothing to say.
nlohmann::json without_nulls(nlohmann::json object);
/// "2024-03-01T12:00:00.000000+00:00"; `zone` is what stands at the end.
std::string iso_time(TimePoint at, const char* zone = "+00:00");

}  // namespace cordgate::sim
