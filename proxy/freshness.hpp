#pragma once

#include <chrono>
#include <optional>

#include "proxy/gate.hpp"
#include "proxy/io/task.hpp"

namespace cordgate::proxy {

/// What requests see of SessionKeeper: sessions in the cache, and waiting without a
/// thread.

/// `live`, or what Discord says now where `live` is too old; null when the session
/// has ended. What is at 80 % of its age is asked for behind the request's back. The
/// error is Discord's: it has not confirmed the session for so long that nobody knows.
Task<Result<LiveSessionPtr>> confirm_session(Gate& gate, LiveSessionPtr live);

/// How long ago Discord confirmed guilds and roles, when that is too long ago.
std::optional<std::chrono::seconds> staleness(const Gate& gate, const LiveSession& live,
                                              TimePoint now);

/// Whether so much time has gone by that what `live` says counts as unknown.
bool is_unusable(const LiveSession& live, TimePoint now);

/// Brings what the keeper learned to the cache. Any thread.
void take_up_confirmation(Gate& gate, const Confirmation& news);

/// The visitor has joined `guild` a moment ago: their next request waits for what Discord says
/// of their guilds, and of them there, now. Blocks for the store.
void ask_guilds_again(Gate& gate, const KnownSession& known, Snowflake guild);

}  // namespace cordgate::proxy
