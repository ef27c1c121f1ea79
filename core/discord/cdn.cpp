#include "core/discord/cdn.hpp"

#include <algorithm>
#include <string>

#include "core/ascii.hpp"

namespace cordgate::discord {
namespace {

// (a_)?[0-9a-f]{32}. A hash becomes part of a URL, so nothing else may pass.
bool is_hash(std::string_view text) {
    if (text.substr(0, 2) == "a_") text.remove_prefix(2);
    return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

std::string_view extension(ImageFormat format, bool animated) {
    switch (format) {
        case ImageFormat::png: return ".png";
        case ImageFormat::jpeg: return ".jpg";
        case ImageFormat::webp: return ".webp";
        case ImageFormat::automatic:
        case ImageFormat::gif: break;
    }
    return animated ? ".gif" : ".png";
}

// Empty without a proper hash.
std::string image_url(std::string_view cdn_url, const std::string& folder,
                      const std::optional<std::string>& hash, ImageOptions options) {
    if (!hash || !is_hash(*hash)) return "";
    const bool animated = is_animated(hash);
    std::string url(cdn_url);
    url.append(folder).append("/").append(*hash).append(extension(options.format, animated));
    char separator = '?';
    if (options.format == ImageFormat::webp && animated) {
        url.append("?animated=true");
        separator = '&';
    }
    if (is_image_size(options.size)) {
        url.append(1, separator).append("size=").append(std::to_string(options.size));
    }
    return url;
}

// Four digits: an account that has not moved to a unique name.
int legacy_discriminator(std::string_view text) {
    if (text.size() != 4 || !std::all_of(text.begin(), text.end(), is_digit)) return 0;
    int number = 0;
    for (const char c : text) number = number * 10 + (c - '0');
    return number;
}

}  // namespace

bool is_image_size(int size) {
    return size >= 16 && size <= 4096 && (size & (size - 1)) == 0;
}

bool is_animated(const std::optional<std::string>& hash) {
    return hash && hash->starts_with("a_");
}

std::string avatar_url(const User& user, std::string_view cdn_url, ImageOptions options) {
    auto url = image_url(cdn_url, "/avatars/" + user.id.to_string(), user.avatar, options);
    return url.empty() ? default_avatar_url(user, cdn_url) : url;
}

// discord.com/developers/docs/reference#image-formatting: the index comes from
// the discriminator where there is one, else from the id.
std::string default_avatar_url(const User& user, std::string_view cdn_url) {
    const int discriminator = legacy_discriminator(user.discriminator);
    const auto index = discriminator > 0 ? static_cast<unsigned long long>(discriminator) % 5
                                         : (user.id.value() >> 22) % 6;
    return std::string(cdn_url) + "/embed/avatars/" + std::to_string(index) + ".png";
}

std::string icon_url(const Guild& guild, std::string_view cdn_url, ImageOptions options) {
    return image_url(cdn_url, "/icons/" + guild.id.to_string(), guild.icon, options);
}

std::string banner_url(Snowflake id, const std::optional<std::string>& hash,
                       std::string_view cdn_url, ImageOptions options) {
    return image_url(cdn_url, "/banners/" + id.to_string(), hash, options);
}

std::string member_avatar_url(Snowflake guild, Snowflake user,
                              const std::optional<std::string>& hash, std::string_view cdn_url,
                              ImageOptions options) {
    return image_url(cdn_url,
                     "/guilds/" + guild.to_string() + "/users/" + user.to_string() + "/avatars",
                     hash, options);
}

}  // namespace cordgate::discord
