#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/identity.hpp"

namespace cordgate::discord {

// URLs of Discord's images. Discord's documentation: "Image Formatting".
// `cdn_url` comes without a trailing slash. A hash that has not the documented
// form counts as none: it never gets into a URL.

enum class ImageFormat {
    automatic,  ///< gif for what moves, else png
    png,
    jpeg,
    webp,  ///< moves when the image does
    gif,   ///< png for what does not move
};

struct ImageOptions {
    ImageFormat format = ImageFormat::automatic;
    int size = 0;  ///< pixels, one that is_image_size accepts; 0: Discord's choice
};

/// A power of two from 16 to 4096.
bool is_image_size(int size);
/// Whether a hash is of an image that moves.
bool is_animated(const std::optional<std::string>& hash);

/// The avatar of a user, never empty: the default avatar when there is none.
std::string avatar_url(const User& user, std::string_view cdn_url, ImageOptions options = {});
/// Always a png, in the one size there is.
std::string default_avatar_url(const User& user, std::string_view cdn_url);
/// Empty when the guild has no icon.
std::string icon_url(const Guild& guild, std::string_view cdn_url, ImageOptions options = {});
/// Empty when `hash` is none. Of users and of guilds alike.
std::string banner_url(Snowflake id, const std::optional<std::string>& hash,
                       std::string_view cdn_url, ImageOptions options = {});
/// A member's own avatar in one guild; empty when `hash` is none.
std::string member_avatar_url(Snowflake guild, Snowflake user,
                              const std::optional<std::string>& hash, std::string_view cdn_url,
                              ImageOptions options = {});

}  // namespace cordgate::discord
