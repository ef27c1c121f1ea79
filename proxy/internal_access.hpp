#pragma once

#include <optional>

#include "config/settings.hpp"
#include "proxy/http/head.hpp"
#include "proxy/reply.hpp"

namespace cordgate::proxy {

/// The longest body that the internal API reads.
inline constexpr std::size_t max_internal_body = 1 << 20;

/// Why the internal API does not answer whoever sent this head; nullopt: it does.
///
/// Everything but /healthz and /readyz needs `internal.token` where one is set. What a
/// browser sends is refused in any case: a page elsewhere must not reach an API that
/// listens on its visitor's own machine (CSRF, DNS rebinding).
std::optional<Reply> refuse_caller(const config::Internal& settings, const http::RequestHead& head);

/// The same for a body that would be read without a bound, or for another meaning
/// than ours.
std::optional<Reply> refuse_body(const http::RequestHead& head);

}  // namespace cordgate::proxy
