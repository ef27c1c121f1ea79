#pragma once

#include <optional>
#include <string>

#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/world.hpp"

namespace cordgate::sim {

/// A guild that the bot can see; nullopt for every other, there or not.
std::optional<Guild> guild_of_bot(const World& world, const std::string& id);
/// What Discord says about a guild that the caller cannot see.
Reply unknown_guild();

}  // namespace cordgate::sim
