#pragma once

#include <string>

#include "core/secret.hpp"

namespace cordgate {

/// The key that is used when session.keys is empty: 32 random bytes, in base64,
/// in a file beside the database, made at the first start (mode 0600, durable)
/// and kept for ever. To move to session.keys without logging anybody out, put
/// the file's content there as the last key.
///
/// Throws std::runtime_error, with a sentence for people, when the file cannot
/// be read or made, others than its owner may read it, or it holds anything else.
/// With `must_exist` a missing file is refused, too: there are sessions that only
/// this key opens, and a new key would end them all in silence.
Secret read_or_make_key(const std::string& path, bool must_exist);

}  // namespace cordgate
