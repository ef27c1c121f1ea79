#pragma once

#include "cmd/discord-sim/world.hpp"

namespace cordgate::sim {

/// The ids of demo_world(), for configurations and tests that name them.
namespace demo {

inline constexpr const char* client_id = "1100000000000000001";
inline constexpr const char* client_secret = "demo-secret-of-the-simulator";
/// Signs webhook events (Ed25519, 32 bytes).
inline constexpr const char* event_secret = "simulated Discord, signing event";

inline constexpr Snowflake fern{301000000000000001};   ///< plain member of two guilds
inline constexpr Snowflake robin{301000000000000002};  ///< owns the lighthouse, staff of the garden
inline constexpr Snowflake pip{301000000000000003};    ///< in no guild, phone-only account
inline constexpr Snowflake noor{301000000000000004};   ///< emoji and right-to-left display name
inline constexpr Snowflake oldtimer{
    80351110224678912};  ///< legacy discriminator, space in the name

inline constexpr Snowflake garden{401000000000000001};
inline constexpr Snowflake lighthouse{401000000000000002};
inline constexpr Snowflake workshop{401000000000000003};

inline constexpr Snowflake garden_staff{501000000000000001};  ///< MANAGE_GUILD
inline constexpr Snowflake garden_member{501000000000000002};
inline constexpr Snowflake lighthouse_keeper{501000000000000003};  ///< ADMINISTRATOR
inline constexpr Snowflake workshop_maker{501000000000000004};

}  // namespace demo

/// Five invented people and three guilds with fixed ids.
World demo_world();

}  // namespace cordgate::sim
