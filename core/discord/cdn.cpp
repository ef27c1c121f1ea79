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

std::string_view extension(std::string_view hash) {
    return hash.substr(0, 2) == "a_" ? ".gif" : ".png";
}

std::string join(std::string_view cdn_url, std::string_view kind, Snowflake id,
                 std::string_view hash) {
    std::string url(cdn_url);
    url.append(kind).append(id.to_string()).append("/").append(hash).append(extension(hash));
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

std::string avatar_url(const User& user, std::string_view cdn_url) {
    if (!user.avatar || !is_hash(*user.avatar)) return default_avatar_url(user, cdn_url);
    return join(cdn_url, "/avatars/", user.id, *user.avatar);
}

// discord.com/developers/docs/reference#image-formatting: the index comes from
// the discriminator where there is one, else from the id.
std::string default_avatar_url(const User& user, std::string_view cdn_url) {
    const int discriminator = legacy_discriminator(user.discriminator);
    const auto index = discriminator > 0 ? static_cast<unsigned long long>(discriminator) % 5
                                         : (user.id.value() >> 22) % 6;
    return std::string(cdn_url) + "/embed/avatars/" + std::to_string(index) + ".png";
}

std::string icon_url(const Guild& guild, std::string_view cdn_url) {
    if (!guild.icon || !is_hash(*guild.icon)) return "";
    return join(cdn_url, "/icons/", guild.id, *guild.icon);
}

}  // namespace cordgate::discord
