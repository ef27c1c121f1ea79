#include "core/discord/json.hpp"

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/ascii.hpp"

namespace cordgate::discord {
namespace {

using Json = nlohmann::json;

constexpr std::size_t max_depth = 32;
constexpr std::size_t max_name_bytes = 512;        // Discord's limit is 32 characters
constexpr std::size_t max_permission_digits = 64;  // 53 bits are in use
constexpr std::size_t max_guilds = 1000;           // Discord's limit is 200
constexpr std::size_t max_token_bytes = 10240;     // as in Discord's OpenAPI document
constexpr std::size_t max_raw_bytes = 16 * 1024;
constexpr std::chrono::seconds default_token_life = std::chrono::hours(1);
constexpr double max_token_life = 366.0 * 24 * 3600;

// Accepts documents whose depth is bounded and whose objects name each key
// once: parsers disagree on which of two wins, and one of them could be "owner".
class StrictSax {
public:
    bool null() { return true; }
    bool boolean(bool) { return true; }
    bool number_integer(Json::number_integer_t) { return true; }
    bool number_unsigned(Json::number_unsigned_t) { return true; }
    bool number_float(Json::number_float_t, const std::string&) { return true; }
    bool string(std::string&) { return true; }
    bool binary(Json::binary_t&) { return true; }
    bool start_object(std::size_t) { return enter(); }
    bool key(std::string& name) { return keys_.back().insert(name).second; }
    bool end_object() { return leave(); }
    bool start_array(std::size_t) { return enter(); }
    bool end_array() { return leave(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
        return false;
    }

private:
    bool enter() {
        keys_.emplace_back();
        return keys_.size() <= max_depth;
    }
    bool leave() {
        keys_.pop_back();
        return true;
    }

    std::vector<std::set<std::string>> keys_;
};

bool is_strict_json(std::string_view text) {
    // The library skips a byte order mark; RFC 8259, 8.1 says that none is sent.
    if (text.substr(0, 1) == "\xef") return false;
    StrictSax sax;
    return Json::sax_parse(text.begin(), text.end(), &sax);
}

std::optional<Json> parse(std::string_view text) {
    if (!is_strict_json(text)) return std::nullopt;
    Json value = Json::parse(text.begin(), text.end(), nullptr, false);
    if (value.is_discarded()) return std::nullopt;
    return value;
}

std::optional<Json> parse_object(std::string_view text) {
    auto value = parse(text);
    if (!value || !value->is_object()) return std::nullopt;
    return value;
}

Error malformed(std::string detail) {
    return {ErrorKind::malformed_reply, ErrorSource::discord, std::move(detail)};
}

/// Reads members of one object. A wrong type is remembered, so that a parser
/// can read them all and ask once whether what it has is sound.
class Reader {
public:
    explicit Reader(const Json& object) : object_(object) {}

    const Json* find(const char* name) const {
        const auto it = object_.find(name);
        return it == object_.end() || it->is_null() ? nullptr : &*it;
    }
    std::optional<std::string> text(const char* name, std::size_t max_bytes = max_name_bytes) {
        const Json* value = find(name);
        if (!value) return std::nullopt;
        if (!value->is_string()) return fail(name), std::nullopt;
        const auto& text = value->get_ref<const std::string&>();
        if (text.size() > max_bytes) return fail(name), std::nullopt;
        return text;
    }
    std::string required_text(const char* name, std::size_t max_bytes = max_name_bytes) {
        auto value = text(name, max_bytes);
        if (!value || value->empty()) return fail(name), std::string();
        return *std::move(value);
    }
    std::optional<bool> boolean(const char* name) {
        const Json* value = find(name);
        if (!value) return std::nullopt;
        if (!value->is_boolean()) return fail(name), std::nullopt;
        return value->get<bool>();
    }
    Snowflake id(const char* name) {
        const auto parsed = Snowflake::parse(text(name).value_or(""));
        if (!parsed) return fail(name), Snowflake();
        return *parsed;
    }
    void fail(const char* name) {
        if (problem_.empty()) problem_ = name;
    }
    /// The first member that was wrong; empty: none.
    const std::string& problem() const { return problem_; }

private:
    const Json& object_;
    std::string problem_;
};

std::optional<Guild> read_guild(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    Reader reader(value);
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

}  // namespace

Result<User> parse_user(std::string_view json) {
    const auto object = parse_object(json);
    if (!object) return malformed("user: not a JSON object");
    Reader reader(*object);
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
    const auto list = parse(json);
    if (list && list->is_null()) return std::vector<Guild>();
    if (!list || !list->is_array()) return malformed("guilds: not a JSON array");
    if (list->size() > max_guilds) return malformed("guilds: too many");
    std::vector<Guild> guilds;
    guilds.reserve(list->size());
    for (const auto& item : *list) {
        auto guild = read_guild(item);
        if (!guild) return malformed("guilds: bad entry");
        guilds.push_back(*std::move(guild));
    }
    return guilds;
}

Result<Member> parse_member(std::string_view json) {
    const auto object = parse_object(json);
    if (!object) return malformed("member: not a JSON object");
    Reader reader(*object);
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
    const auto object = parse_object(json);
    if (!object) return malformed("token: not a JSON object");
    Reader reader(*object);
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
    return grant;
}

std::optional<std::string> parse_oauth_error(std::string_view json) {
    const auto object = parse_object(json);
    if (!object) return std::nullopt;
    return Reader(*object).text("error");
}

std::optional<ApiError> parse_api_error(std::string_view json) {
    const auto object = parse_object(json);
    if (!object) return std::nullopt;
    Reader reader(*object);
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

bool is_json(std::string_view text) {
    return is_strict_json(text);
}

}  // namespace cordgate::discord
