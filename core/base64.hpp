#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cordgate {

/// base64url without padding (RFC 4648, 5).
std::string base64url_encode(std::string_view bytes);
/// The same, in place of what `out` held, whose memory is used again.
void base64url_encode(std::string_view bytes, std::string& out);

/// Strict: nullopt on padding, other characters, impossible lengths and bits
/// set behind the last byte, so that a value has exactly one spelling.
std::optional<std::string> base64url_decode(std::string_view text);

/// Whether base64url_decode takes it.
bool is_base64url(std::string_view text);

/// Plain base64 with padding (RFC 4648, 4), for keys in configuration files;
/// decoding accepts both alphabets, with or without padding.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace cordgate
