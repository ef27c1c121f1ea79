#include <algorithm>

#include "cmd/discord-sim/image.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"

// The CDN. Pictures are PNGs whatever was asked for: browsers look at the bytes.

namespace cordgate::sim {
namespace {

struct File {
    std::string_view name;
    std::string_view extension;
};

File split_file(std::string_view file) {
    const auto dot = file.rfind('.');
    if (dot == std::string_view::npos) return {file, ""};
    return {file.substr(0, dot), file.substr(dot + 1)};
}

// Any power of two from 16 to 4096; nullopt for anything else.
std::optional<std::uint32_t> size_of(const Query& query) {
    const auto text = query.get("size");
    if (!text) return 128;
    for (std::uint32_t size = 16; size <= 4096; size *= 2) {
        if (*text == std::to_string(size)) return size;
    }
    return std::nullopt;
}

Reply not_found() {
    return {404, "text/plain; charset=utf-8", "Not Found", {}};
}

Reply picture(std::string_view seed, std::uint32_t edge) {
    Reply reply{200, "image/png", pattern_png(seed, edge), {}};
    reply.headers = {
        {"Cache-Control",          "public, max-age=31536000"},
        {"X-Content-Type-Options", "nosniff"                 }
    };
    return reply;
}

// The form of every hash that Discord ever gave out.
bool is_hash(std::string_view name) {
    if (name.starts_with("a_")) name.remove_prefix(2);
    return name.size() == 32 && std::all_of(name.begin(), name.end(), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

Reply hashed_picture(const Call& call, const std::string& file,
                     const std::optional<std::string>& hash) {
    constexpr std::string_view extensions[] = {"png", "jpg", "jpeg", "webp", "gif"};
    const auto [name, extension] = split_file(file);
    const auto known = std::find(std::begin(extensions), std::end(extensions), extension);
    if (!hash || name != *hash || known == std::end(extensions)) return not_found();
    if (extension == "gif" && !name.starts_with("a_")) {
        return {415, "text/plain; charset=utf-8", "Unsupported Media Type", {}};
    }
    const auto size = size_of(query_of(call));
    if (!size) return {400, "text/plain; charset=utf-8", "Invalid size", {}};
    return picture(name, *size);
}

}  // namespace

Reply Service::default_avatar(const Call&, const Parameters& parameters, const Caller&) {
    const auto [name, extension] = split_file(parameters[0]);
    const bool exists = name.size() == 1 && name[0] >= '0' && name[0] <= '5';
    if (!exists || extension != "png") return not_found();
    return picture("default avatar " + std::string(name), 128);
}

Reply Service::user_avatar(const Call& call, const Parameters& parameters, const Caller&) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto user = id ? world_.user(*id) : std::nullopt;
    return user ? hashed_picture(call, parameters[1], user->avatar) : not_found();
}

Reply Service::guild_icon(const Call& call, const Parameters& parameters, const Caller&) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto found = id ? world_.guild(*id) : std::nullopt;
    return found ? hashed_picture(call, parameters[1], found->icon) : not_found();
}

Reply Service::member_avatar(const Call& call, const Parameters& parameters, const Caller&) {
    const auto guild = Snowflake::parse(parameters[0]);
    const auto user = Snowflake::parse(parameters[1]);
    const auto membership = guild && user ? world_.member(*user, *guild) : std::nullopt;
    return membership ? hashed_picture(call, parameters[2], membership->avatar) : not_found();
}

// Banners, splashes, badges and their like: nobody here has any, so each hash is good.
Reply Service::any_picture(const Call& call, const Parameters& parameters, const Caller&) {
    const std::string name(split_file(parameters.back()).name);
    return is_hash(name) ? hashed_picture(call, parameters.back(), name) : not_found();
}

}  // namespace cordgate::sim
