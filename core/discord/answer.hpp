#pragma once

#include <optional>
#include <string>

#include "core/discord/http.hpp"
#include "core/discord/rate_limits.hpp"
#include "core/error.hpp"

namespace cordgate::discord {

/// Whether an answer is about limits and bans whatever its status says: a 429, or
/// a 403 that is none of the API's.
bool is_block(const HttpAnswer& answer);

/// What an answer tells about limits. Discord's documentation: "Rate Limits".
LimitNews read_limits(const HttpAnswer& answer);

/// Whether Discord counts it towards a ban of our address: 401, 403, and 429 but
/// for the scope "shared".
bool counts_as_invalid(const HttpAnswer& answer);

/// What an answer means that is not a document: nullopt for 2xx, else an Error
/// with its Refusal, of the kind
///   rate_limited     is_block(); retry_after is always set
///   unauthorized     401, or Discord's code 50014
///   forbidden        403 of the API
///   not_found        404 of the API
///   unavailable      5xx, 408, 403 of the edge (40333)
///   malformed_reply  another status below 200, 3xx, or 4xx that is not JSON
///   bad_request      other 4xx
std::optional<Error> read_refusal(const HttpAnswer& answer, const std::string& where);

}  // namespace cordgate::discord
