#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/snowflake.hpp"

// Webhook events: what Discord posts to the application. Discord's documentation:
// "Webhook Events".

namespace cordgate::discord {

/// Whether Discord signed these very bytes: Ed25519 over timestamp and raw body.
/// `public_key` and `signature` in hex; anything malformed is a no.
bool is_signed_by(std::string_view public_key, std::string_view signature,
                  std::string_view timestamp, std::string_view body);

struct WebhookEvent {
    bool is_ping = false;
    std::string type;               ///< "APPLICATION_DEAUTHORIZED"; empty for a ping
    std::optional<TimePoint> at;    ///< when it happened, where it says so
    std::optional<Snowflake> user;  ///< whom it is about, where it says so
};

/// As lenient as can be: Discord leaves out what is null, and adds what it likes.
Result<WebhookEvent> parse_webhook_event(std::string_view json);

}  // namespace cordgate::discord
