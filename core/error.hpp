#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cordgate {

namespace discord {
struct Refusal;
}

/// What went wrong, in terms a caller can act on.
enum class ErrorKind {
    bad_request,      ///< the peer sent something we refuse to interpret
    too_large,        ///< the peer sent more than a limit allows
    unauthorized,     ///< credentials are missing, dead or refused
    forbidden,        ///< credentials are fine, the thing is not allowed
    not_found,        ///< there is no such thing, and we know it
    rate_limited,     ///< asked too often; retry_after says when to come back
    timed_out,        ///< the deadline passed before the peer answered
    unavailable,      ///< connecting failed; the same call may work later
    malformed_reply,  ///< the peer answered something that makes no sense
    closed,           ///< the peer went away in an orderly manner
    internal,         ///< a fault of our own
};

/// Whose failure it is. With the kind, it decides the status code.
enum class ErrorSource { client, upstream, discord, store, gate };

/// A failure of normal operation, as a value.
struct Error {
    ErrorKind kind = ErrorKind::internal;
    ErrorSource source = ErrorSource::gate;
    /// For the log only: never shown to a visitor, never holds a secret.
    std::string detail;
    /// How long to wait, where the peer said so.
    std::optional<std::chrono::milliseconds> retry_after = std::nullopt;
    /// What Discord answered, where it did (core/discord/failure.hpp); may be shown.
    std::shared_ptr<const discord::Refusal> refusal = nullptr;
};

std::string_view to_string(ErrorKind kind);
std::string_view to_string(ErrorSource source);

}  // namespace cordgate
