#pragma once

#include <string>
#include <string_view>

#include "core/identity.hpp"

namespace cordgate::discord {

/// The avatar of a user, never empty: default avatar when there is none or its
/// hash has not the documented form. `cdn_url` without a trailing slash. Animated
/// hashes ("a_...") give .gif, others .png.
std::string avatar_url(const User& user, std::string_view cdn_url);
std::string default_avatar_url(const User& user, std::string_view cdn_url);
/// Empty when the guild has no icon.
std::string icon_url(const Guild& guild, std::string_view cdn_url);

}  // namespace cordgate::discord
