#pragma once

#include "proxy/exchange.hpp"

namespace cordgate::proxy {

/// P/discord-events: where Discord posts webhook events, signed with the application's
/// key (discord.public_key; without one there is no such page). A user who takes the
/// application's grant back is signed out everywhere; a session that began after that
/// stays while Discord takes its token, so repeated, late and unordered events do no harm,
/// and clocks that differ neither. 401 for whatever is not
/// signed by Discord, 204 for any other event, 503 while the store cannot be told.
Task<Reply> receive_discord_event(Exchange& exchange);

}  // namespace cordgate::proxy
