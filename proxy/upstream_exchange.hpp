#pragma once

#include "proxy/exchange.hpp"
#include "proxy/routes.hpp"
#include "proxy/session_cache.hpp"

namespace cordgate::proxy {

/// Sends the request to its upstream and the answer back: streaming both ways,
/// with constant memory. `session` is null for visitors without a name.
///
/// Always ends the exchange: a response was sent, or the client's connection is
/// marked to be closed or cut.
Task<void> forward(Exchange& exchange, Route route, LiveSessionPtr session);

}  // namespace cordgate::proxy
