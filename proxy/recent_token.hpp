#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/session_repository.hpp"

namespace cordgate::proxy {

/// The session token that a connection showed last. Clients show the same with every
/// request, and hashing it costs more than all else that is done to find a session.
class RecentToken {
public:
    /// The SHA-256 of `token`, which is the session's key; nullopt for what is no
    /// well-formed token. In a time that does not tell how much of the token was like
    /// the one before. Valid until the next call.
    std::optional<std::string_view> digest_of(std::string_view token) {
        if (token_.empty() || !token_.equals(token)) {
            auto digest = SessionToken::digest_of(token);
            if (!digest) return std::nullopt;
            token_ = Secret(token);
            digest_ = std::move(*digest);
        }
        return digest_;
    }

private:
    Secret token_;
    std::string digest_;
};

}  // namespace cordgate::proxy
