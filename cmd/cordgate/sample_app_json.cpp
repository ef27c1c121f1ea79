#include "cmd/cordgate/sample_app_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/ascii.hpp"

namespace cordgate::sample {
namespace {

using Json = nlohmann::json;

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<std::string> texts_at(const Json& object, const char* key) {
    std::vector<std::string> out;
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array()) return out;
    for (const auto& item : *found) {
        if (item.is_string()) out.push_back(item.get<std::string>());
    }
    return out;
}

bool is_plain(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_'; });
}

// The CDN is wherever the avatar is from: "https://cdn.discordapp.com/avatars/...".
std::string cdn_of(std::string_view avatar_url) {
    for (const std::string_view folder : {"/embed/", "/avatars/"}) {
        const auto at = avatar_url.find(folder);
        if (at != avatar_url.npos) return std::string(avatar_url.substr(0, at));
    }
    return "";
}

// A guild is an object, or just its id when the header had no room for more.
Guild read_guild(const Json& json, const std::string& cdn) {
    if (json.is_string()) return {json.get<std::string>(), "", "", false};
    Guild guild;
    if (!json.is_object()) return guild;
    guild.id = text_at(json, "id");
    guild.name = text_at(json, "name");
    const auto owner = json.find("owner");
    guild.owner = owner != json.end() && owner->is_boolean() && owner->get<bool>();
    const auto icon = text_at(json, "icon");
    if (!cdn.empty() && is_plain(icon) && is_plain(guild.id)) {
        guild.icon_url = cdn + "/icons/" + guild.id + "/" + icon + ".png?size=64";
    }
    return guild;
}

}  // namespace

std::optional<Visitor> parse_visitor(std::string_view text) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    Visitor visitor;
    visitor.id = text_at(json, "id");
    if (visitor.id.empty()) return std::nullopt;
    visitor.username = text_at(json, "username");
    visitor.display_name = text_at(json, "display_name");
    visitor.avatar_url = text_at(json, "avatar_url");
    visitor.locale = text_at(json, "locale");

    const auto cdn = cdn_of(visitor.avatar_url);
    if (const auto guilds = json.find("guilds"); guilds != json.end() && guilds->is_array()) {
        for (const auto& guild : *guilds) visitor.guilds.push_back(read_guild(guild, cdn));
    }
    const auto cut = json.find("guilds_truncated");
    visitor.guilds_truncated = cut != json.end() && cut->is_boolean() && cut->get<bool>();
    if (const auto members = json.find("members"); members != json.end() && members->is_object()) {
        for (const auto& [guild_id, member] : members->items()) {
            if (!member.is_object()) continue;
            visitor.memberships.push_back(
                {guild_id, text_at(member, "nick"), texts_at(member, "roles")});
        }
    }
    return visitor;
}

}  // namespace cordgate::sample
