#include "core/discord/json.hpp"

#include <cmath>
#include <cstddef>
#include <utility>

#include "core/ascii.hpp"
#include "core/discord/json_reader.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t max_permission_digits = 64;  // 53 bits are in use
constexpr std::size_t max_guilds = 1000;           // Discord's limit is 200
constexpr std::size_t max_token_bytes = 10240;     // as in Discord's OpenAPI document
constexpr std::size_t max_raw_bytes = 16 * 1024;
constexpr std::chrono::seconds default_token_life = std::chrono::hours(1);
constexpr std::size_t max_extras_bytes = 16 * 1024;
constexpr double max_token_life = 366.0 * 24 * 3600;

std::optional<Guild> read_guild(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    JsonReader reader(value);
    Guild guild;
    guild.id = reader.id("id");
    guild.name = reader.text("name").value_or("");
    guild.icon = reader.text("icon");
    guild.owner = reader.boolean("owner").value_or(false);
    const auto digits = reader.text("permissions", max_permission_digits).value_or("0");
    if (const auto permissions = Permissions::parse(digits)) {
        guild.permissions = *permissions;
    } else {
        reader.fail("permissions");
    }
    if (!reader.problem().empty()) return std::nullopt;
    return guild;
}

// Tokens go into header fields, where anything but VCHAR could end the line.
bool is_token_text(std::string_view text) {
    for (const char c : text) {
        if (c <= 0x20 || c >= 0x7f) return false;
    }
    return true;
}

std::chrono::seconds token_life(const Json& object) {
    const auto it = object.find("expires_in");
    if (it == object.end() || !it->is_number()) return default_token_life;
    const double seconds = it->get<double>();
    if (!std::isfinite(seconds) || seconds < 1 || seconds > max_token_life) {
        return default_token_life;
    }
    return std::chrono::seconds(static_cast<long long>(seconds));
}

std::vector<std::string> split_scopes(std::string_view text) {
    std::vector<std::string> scopes;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (end > 0) scopes.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return scopes;
}

// The guild that a bot was added to, the webhook that was made. A guild comes with all of
// its roles and emoji: what is too large to keep in a session is cut down to what names it.
Secret read_extras(const Json& answer) {
    Json extras;
    for (const char* name : {"guild", "webhook"}) {
        const auto it = answer.find(name);
        if (it != answer.end() && it->is_object()) extras[name] = *it;
    }
    if (extras.is_null()) return {};
    const auto dump = [&] { return Secret(extras.dump(-1, ' ', true)); };
    if (auto whole = dump(); whole.size() <= max_extras_bytes) return whole;
    const Json guild = extras.value("guild", Json::object());
    Json& kept = extras["guild"] = Json::object();
    for (const char* name : {"id", "name", "icon", "owner_id", "permissions"}) {
        const auto it = guild.find(name);
        if (it != guild.end() && it->dump().size() <= max_name_bytes) kept[name] = *it;
    }
    auto rest = dump();
    return rest.size() <= max_extras_bytes ? rest : Secret();
}

}  // namespace

Result<User> parse_user(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("user: not a JSON object");
    JsonReader reader(*object);
    User user;
    user.id = reader.id("id");
    user.username = reader.required_text("username");
    user.global_name = reader.text("global_name");
    user.discriminator = reader.text("discriminator").value_or("0");
    user.avatar = reader.text("avatar");
    user.locale = reader.text("locale");
    user.email = reader.text("email");
    user.verified = reader.boolean("verified");
    if (json.size() <= max_raw_bytes) user.raw = std::string(json);
    if (!reader.problem().empty()) return malformed("user: bad " + reader.problem());
    return user;
}

Result<std::vector<Guild>> parse_guilds(std::string_view json) {
    return parse_list<Guild>(json, "guilds", max_guilds, read_guild);
}

Result<Member> parse_member(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("member: not a JSON object");
    JsonReader reader(*object);
    Member member;
    member.nick = reader.text("nick");
    member.pending = reader.boolean("pending").value_or(false);
    const Json* roles = reader.find("roles");
    if (!roles || !roles->is_array()) return malformed("member: bad roles");
    for (const auto& role : *roles) {
        if (!role.is_string()) return malformed("member: bad roles");
        const auto id = Snowflake::parse(role.get_ref<const std::string&>());
        if (!id) return malformed("member: bad roles");
        member.roles.push_back(*id);
    }
    if (!reader.problem().empty()) return malformed("member: bad " + reader.problem());
    return member;
}

Result<TokenGrant> parse_token_grant(std::string_view json, TimePoint received_at) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("token: not a JSON object");
    JsonReader reader(*object);
    TokenGrant grant;
    grant.access_token = Secret(reader.required_text("access_token", max_token_bytes));
    grant.refresh_token = Secret(reader.text("refresh_token", max_token_bytes).value_or(""));
    grant.scopes = split_scopes(reader.text("scope", 4096).value_or(""));
    grant.issued_at = received_at;
    grant.expires_at = received_at + token_life(*object);
    // RFC 6749, 7.1: a client must not use a token of a type it does not know.
    if (!iequals(reader.text("token_type").value_or(""), "bearer")) reader.fail("token_type");
    if (!is_token_text(grant.access_token.reveal())) reader.fail("access_token");
    if (!is_token_text(grant.refresh_token.reveal())) reader.fail("refresh_token");
    if (!reader.problem().empty()) return malformed("token: bad " + reader.problem());
    grant.extras = read_extras(*object);
    return grant;
}

std::optional<std::string> parse_oauth_error(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return std::nullopt;
    return JsonReader(*object).text("error");
}

std::optional<ApiError> parse_api_error(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return std::nullopt;
    JsonReader reader(*object);
    ApiError error;
    const auto message = reader.text("message", 4096);
    if (!message) return std::nullopt;
    error.message = *message;
    if (const Json* code = reader.find("code")) {
        if (!code->is_number_integer()) return std::nullopt;
        error.code = code->get<long long>();
    }
    if (const Json* seconds = reader.find("retry_after"); seconds && seconds->is_number()) {
        error.retry_after = seconds->get<double>();
    }
    error.global = reader.boolean("global").value_or(false);
    return error;
}

}  // namespace cordgate::discord
