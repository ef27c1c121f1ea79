#pragma once

#include <cstddef>
#include <string>

#include "core/secret.hpp"

namespace cordgate {

/// `count` bytes from the operating system's generator (through OpenSSL).
/// Throws std::runtime_error when it fails: nothing may go on with less.
std::string random_bytes(std::size_t count);

/// 256 unguessable bits as 43 characters of base64url: a session cookie, a
/// state, a PKCE verifier (RFC 7636, 4.1).
Secret random_token();

/// 128 unguessable bits as 22 characters of base64url: a handle or request id.
std::string random_id();
/// The same, in place of what `id` held, whose memory is used again.
void random_id(std::string& id);

}  // namespace cordgate
