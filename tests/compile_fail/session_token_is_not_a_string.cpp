#include "core/session_repository.hpp"

std::optional<cordgate::SessionToken> token(const std::string& cookie) {
    return cordgate::SessionToken(cordgate::Secret(cookie));  // wrong: private
    return cordgate::SessionToken::parse(cookie);
}
