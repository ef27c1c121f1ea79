#pragma once

#include <string>
#include <string_view>

#include "core/login/pending_login.hpp"
#include "core/result.hpp"
#include "core/session.hpp"

namespace cordgate::codec {

/// All fields as bytes, behind a version: what is sealed into a row. The bytes
/// hold tokens in the clear, hence a Secret.
Secret encode(const Session& session);
Secret encode(const PendingLogin& login);

/// The value that was encoded, by this version or an older one; malformed_reply
/// for all other bytes, whatever they are.
Result<Session> decode_session(std::string_view bytes);
Result<PendingLogin> decode_login(std::string_view bytes);

}  // namespace cordgate::codec
