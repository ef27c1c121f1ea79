#include "core/session_repository.hpp"

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/random.hpp"

namespace cordgate {

SessionToken SessionToken::make() {
    return SessionToken(random_token());
}

std::optional<SessionToken> SessionToken::parse(std::string_view text) {
    if (text.size() != 43 || !base64url_decode(text)) return std::nullopt;
    return SessionToken(Secret(text));
}

std::string SessionToken::digest() const {
    return sha256(secret_.reveal());
}

}  // namespace cordgate
