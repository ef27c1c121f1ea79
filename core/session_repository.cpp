#include "core/session_repository.hpp"

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/random.hpp"

namespace cordgate {
namespace {

/// 256 bits have one spelling.
bool is_well_formed(std::string_view text) {
    return text.size() == 43 && is_base64url(text);
}

}  // namespace

SessionToken SessionToken::make() {
    return SessionToken(random_token());
}

std::optional<SessionToken> SessionToken::parse(std::string_view text) {
    if (!is_well_formed(text)) return std::nullopt;
    return SessionToken(Secret(text));
}

std::optional<std::string> SessionToken::digest_of(std::string_view text) {
    if (!is_well_formed(text)) return std::nullopt;
    return sha256(text);
}

std::string SessionToken::digest() const {
    return sha256(secret_.reveal());
}

}  // namespace cordgate
