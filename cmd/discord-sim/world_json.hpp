#pragma once

#include <nlohmann/json.hpp>

#include "cmd/discord-sim/world.hpp"

// JSON of world files and of the control API. Everything throws
// std::invalid_argument with words for people. Ids may be strings or numbers.

namespace cordgate::sim {

Snowflake read_id(const nlohmann::json& object, const char* key);
/// Keys that are absent keep what `account` has; the id must be there.
Account read_account(const nlohmann::json& object, Account account = {});
Guild read_guild(const nlohmann::json& object, Guild guild = {});
Membership read_membership(const nlohmann::json& object, Membership membership = {});
/// "users" and "guilds" (with their "members") of `object`.
void read_world(const nlohmann::json& object, World& world);
nlohmann::json describe_world(const World& world);

}  // namespace cordgate::sim
