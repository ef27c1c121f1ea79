#pragma once

#include "proxy/exchange.hpp"

namespace cordgate::proxy {

/// The life of a request: read `answer_request` first.
///
/// Given a checked head, decides where the request goes and who sends it, and
/// ends the exchange one way or the other: forwarded, answered or refused.
Task<void> answer_request(Exchange& exchange);

}  // namespace cordgate::proxy
