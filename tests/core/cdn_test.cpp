#include "core/discord/cdn.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace cordgate;
using namespace cordgate::discord;

namespace {

constexpr auto cdn = "https://cdn.discordapp.com";
const std::string hash = "0123456789abcdef0123456789abcdef";

User user(std::uint64_t id, std::string discriminator, std::optional<std::string> avatar = {}) {
    User user;
    user.id = Snowflake(id);
    user.discriminator = std::move(discriminator);
    user.avatar = std::move(avatar);
    return user;
}

}  // namespace

TEST_CASE("avatar_url: animated avatars are gif, others png") {
    CHECK(avatar_url(user(5, "0", hash), cdn) ==
          "https://cdn.discordapp.com/avatars/5/" + hash + ".png");
    CHECK(avatar_url(user(5, "0", "a_" + hash), cdn) ==
          "https://cdn.discordapp.com/avatars/5/a_" + hash + ".gif");
}

TEST_CASE("avatar_url: a hash of any other form never gets into a URL") {
    const std::string bad[] = {"",   "../../x",   hash + "0",        "A" + hash.substr(1),
                               "a_", "b_" + hash, hash + "\r\nX: 1", "a_a_" + hash};
    for (const auto& avatar : bad) {
        CAPTURE(avatar);
        CHECK(avatar_url(user(0, "0", avatar), cdn) ==
              "https://cdn.discordapp.com/embed/avatars/0.png");
    }
}

TEST_CASE("default_avatar_url: by id for migrated users, by discriminator for legacy ones") {
    struct Row {
        std::uint64_t id;
        const char* discriminator;
        const char* index;
    };
    const Row rows[] = {
        {80351110224678912, "0",    "5"}, // (id >> 22) % 6
        {80351110224678912, "1337", "2"}, // 1337 % 5
        {80351110224678912, "0005", "0"},
        {80351110224678912, "9999", "4"},
        {80351110224678912, "0000", "5"},
        {80351110224678912, "",     "5"},
        {80351110224678912, "12x4", "5"},
        {UINT64_MAX,        "0",    "3"}, // 64-bit unsigned arithmetic
        {0,                 "0",    "0"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.id);
        CAPTURE(row.discriminator);
        CHECK(default_avatar_url(user(row.id, row.discriminator), cdn) ==
              std::string(cdn) + "/embed/avatars/" + row.index + ".png");
    }
}

TEST_CASE("icon_url: empty without an icon") {
    Guild guild;
    guild.id = Snowflake(7);
    CHECK(icon_url(guild, cdn).empty());
    guild.icon = "nonsense";
    CHECK(icon_url(guild, cdn).empty());
    guild.icon = "a_" + hash;
    CHECK(icon_url(guild, cdn) == "https://cdn.discordapp.com/icons/7/a_" + hash + ".gif");
}

TEST_CASE("quartcord images: U20 sizes are powers of two from 16 to 4096") {
    for (int size = 16; size <= 4096; size *= 2) CHECK(is_image_size(size));
    for (const int size : {-16, 0, 1, 8, 15, 17, 100, 4095, 4097, 8192}) {
        CAPTURE(size);
        CHECK_FALSE(is_image_size(size));
    }
}

TEST_CASE("quartcord images: U19 G11 each format, still and moving, with and without a size") {
    struct Row {
        ImageFormat format;
        int size;
        const char* still;
        const char* moving;
    };
    const Row rows[] = {
        {ImageFormat::automatic, 0,  ".png",          ".gif"                       },
        {ImageFormat::automatic, 64, ".png?size=64",  ".gif?size=64"               },
        {ImageFormat::automatic, 63, ".png",          ".gif"                       },
        {ImageFormat::png,       0,  ".png",          ".png"                       },
        {ImageFormat::jpeg,      16, ".jpg?size=16",  ".jpg?size=16"               },
        {ImageFormat::webp,      0,  ".webp",         ".webp?animated=true"        },
        {ImageFormat::webp,      64, ".webp?size=64", ".webp?animated=true&size=64"},
        {ImageFormat::gif,       0,  ".png",          ".gif"                       },
    };
    for (const auto& row : rows) {
        const ImageOptions options{row.format, row.size};
        CHECK(avatar_url(user(5, "0", hash), cdn, options) ==
              std::string(cdn) + "/avatars/5/" + hash + row.still);
        CHECK(avatar_url(user(5, "0", "a_" + hash), cdn, options) ==
              std::string(cdn) + "/avatars/5/a_" + hash + row.moving);
        CHECK(banner_url(Snowflake(5), hash, cdn, options) ==
              std::string(cdn) + "/banners/5/" + hash + row.still);
        CHECK(member_avatar_url(Snowflake(4), Snowflake(5), hash, cdn, options) ==
              std::string(cdn) + "/guilds/4/users/5/avatars/" + hash + row.still);
    }
    CHECK(banner_url(Snowflake(5), std::nullopt, cdn).empty());
    CHECK(member_avatar_url(Snowflake(4), Snowflake(5), "../x", cdn).empty());
}
