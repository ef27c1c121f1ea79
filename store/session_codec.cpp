#include "store/session_codec.hpp"

#include <algorithm>
#include <cstdint>

namespace cordgate::codec {
namespace {

// The form: a version byte, then the fields in the order of their structs.
// Numbers have 8 bytes, least first; a string, its size and its bytes; an
// optional, a byte 0 or 1 and the value; a list, its count and its elements.
// Not JSON, since browsers' headers and digests need not be UTF-8; and a session
// is decoded often. A new field goes to the end, under the next version, and
// `decode` asks `version` before it reads it.
constexpr std::uint8_t session_version = 2;  // 2: login_extras
constexpr std::uint8_t login_version = 1;

class Writer {
public:
    void byte(std::uint8_t value) { bytes_ += static_cast<char>(value); }
    void flag(bool value) { byte(value ? 1 : 0); }
    void number(std::uint64_t value) {
        for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint8_t>(value >> shift));
    }
    void text(std::string_view value) {
        number(value.size());
        bytes_ += value;
    }
    void time(TimePoint value) {
        number(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(value.time_since_epoch())
                .count()));
    }
    void optional_text(const std::optional<std::string>& value) {
        flag(value.has_value());
        if (value) text(*value);
    }
    Secret finish() { return Secret(std::move(bytes_)); }

private:
    // Ample for most sessions: growing would leave copies of tokens behind.
    std::string bytes_ = [] {
        std::string start;
        start.reserve(64 * 1024);
        return start;
    }();
};

/// Reads what Writer wrote. After the first thing that does not fit, `good` is
/// false and everything else reads as nothing.
class Reader {
public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    bool good() const { return good_; }
    bool finished() const { return good_ && rest_.empty(); }

    std::uint8_t byte() {
        const auto taken = take(1);
        return taken.empty() ? 0 : static_cast<std::uint8_t>(taken.front());
    }
    bool flag() {
        const auto value = byte();
        if (value > 1) good_ = false;
        return value == 1;
    }
    std::uint64_t number() {
        std::uint64_t value = 0;
        int shift = 0;
        for (const char c : take(8)) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << shift;
            shift += 8;
        }
        return value;
    }
    std::string text() { return std::string(take(number())); }
    std::optional<std::string> optional_text() {
        if (!flag()) return std::nullopt;
        return text();
    }
    TimePoint time() {
        // No sum of two times we compare may overflow: years 1843 to 2223.
        constexpr std::int64_t first = -4'000'000'000'000'000'000;
        constexpr std::int64_t last = 8'000'000'000'000'000'000;
        const auto value = std::clamp(static_cast<std::int64_t>(number()), first, last);
        return TimePoint(
            std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(value)));
    }
    /// How many elements follow. Each has at least one byte: a count beyond the
    /// bytes there are cannot make us loop or allocate.
    std::uint64_t count() {
        const auto value = number();
        if (value > rest_.size()) good_ = false;
        return good_ ? value : 0;
    }

private:
    std::string_view take(std::uint64_t size) {
        if (!good_ || size > rest_.size()) {
            good_ = false;
            return {};
        }
        const auto taken = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
    bool good_ = true;
};

Error malformed(const char* what) {
    return Error{ErrorKind::malformed_reply, ErrorSource::store, what};
}

void write(Writer& out, const TokenGrant& grant) {
    out.text(grant.access_token.reveal());
    out.text(grant.refresh_token.reveal());
    out.time(grant.issued_at);
    out.time(grant.expires_at);
    out.number(grant.scopes.size());
    for (const auto& scope : grant.scopes) out.text(scope);
}

TokenGrant read_grant(Reader& in) {
    TokenGrant grant;
    grant.access_token = Secret(in.text());
    grant.refresh_token = Secret(in.text());
    grant.issued_at = in.time();
    grant.expires_at = in.time();
    for (auto left = in.count(); left > 0 && in.good(); --left) grant.scopes.push_back(in.text());
    return grant;
}

void write(Writer& out, const User& user) {
    out.number(user.id.value());
    out.text(user.username);
    out.optional_text(user.global_name);
    out.text(user.discriminator);
    out.optional_text(user.avatar);
    out.optional_text(user.locale);
    out.optional_text(user.email);
    out.flag(user.verified.has_value());
    if (user.verified) out.flag(*user.verified);
    out.text(user.raw);
}

User read_user(Reader& in) {
    User user;
    user.id = Snowflake(in.number());
    user.username = in.text();
    user.global_name = in.optional_text();
    user.discriminator = in.text();
    user.avatar = in.optional_text();
    user.locale = in.optional_text();
    user.email = in.optional_text();
    if (in.flag()) user.verified = in.flag();
    user.raw = in.text();
    return user;
}

void write(Writer& out, const Guild& guild) {
    out.number(guild.id.value());
    out.text(guild.name);
    out.optional_text(guild.icon);
    out.flag(guild.owner);
    out.text(guild.permissions.raw());
}

std::optional<Guild> read_guild(Reader& in) {
    Guild guild;
    guild.id = Snowflake(in.number());
    guild.name = in.text();
    guild.icon = in.optional_text();
    guild.owner = in.flag();
    const auto permissions = discord::Permissions::parse(in.text());
    if (!permissions) return std::nullopt;
    guild.permissions = *permissions;
    return guild;
}

void write(Writer& out, const Member& member) {
    out.optional_text(member.nick);
    out.number(member.roles.size());
    for (const auto role : member.roles) out.number(role.value());
    out.flag(member.pending);
}

Member read_member(Reader& in) {
    Member member;
    member.nick = in.optional_text();
    for (auto left = in.count(); left > 0 && in.good(); --left) {
        member.roles.emplace_back(in.number());
    }
    member.pending = in.flag();
    return member;
}

void write(Writer& out, const Identity& identity) {
    write(out, identity.user);
    out.time(identity.user_at);
    out.flag(identity.guilds.has_value());
    if (identity.guilds) {
        out.number(identity.guilds->size());
        for (const auto& guild : *identity.guilds) write(out, guild);
    }
    out.time(identity.guilds_at);
    out.number(identity.members.size());
    for (const auto& [guild, member] : identity.members) {
        out.number(guild.value());
        out.flag(member.has_value());
        if (member) write(out, *member);
    }
    out.time(identity.members_at);
}

std::optional<Identity> read_identity(Reader& in) {
    Identity identity;
    identity.user = read_user(in);
    identity.user_at = in.time();
    if (in.flag()) {
        identity.guilds.emplace();
        for (auto left = in.count(); left > 0 && in.good(); --left) {
            auto guild = read_guild(in);
            if (!guild) return std::nullopt;
            identity.guilds->push_back(std::move(*guild));
        }
    }
    identity.guilds_at = in.time();
    for (auto left = in.count(); left > 0 && in.good(); --left) {
        auto& member = identity.members[Snowflake(in.number())];
        if (in.flag()) member = read_member(in);
    }
    identity.members_at = in.time();
    return identity;
}

}  // namespace

Secret encode(const Session& session) {
    Writer out;
    out.byte(session_version);
    out.text(session.handle);
    out.time(session.created_at);
    out.time(session.last_seen_at);
    out.time(session.expires_at);
    out.text(session.client_address);
    out.text(session.user_agent);
    out.text(session.profile);
    out.text(session.login_data);
    out.text(session.state_digest);
    out.text(session.return_to);
    write(out, session.grant);
    write(out, session.identity);
    out.text(session.login_extras.reveal());
    return out.finish();
}

Result<Session> decode_session(std::string_view bytes) {
    Reader in(bytes);
    const auto version = in.byte();
    if (version == 0 || version > session_version) return malformed("session: unknown version");
    Session session;
    session.handle = in.text();
    session.created_at = in.time();
    session.last_seen_at = in.time();
    session.expires_at = in.time();
    session.client_address = in.text();
    session.user_agent = in.text();
    session.profile = in.text();
    session.login_data = in.text();
    session.state_digest = in.text();
    session.return_to = in.text();
    session.grant = read_grant(in);
    auto identity = read_identity(in);
    if (version >= 2) session.login_extras = Secret(in.text());
    if (!identity || !in.finished()) return malformed("session: does not decode");
    session.identity = std::move(*identity);
    return session;
}

Secret encode(const PendingLogin& login) {
    Writer out;
    out.byte(login_version);
    out.text(login.browser);
    out.text(login.verifier.reveal());
    out.text(login.return_to);
    out.text(login.profile);
    out.text(login.data);
    out.time(login.created_at);
    return out.finish();
}

Result<PendingLogin> decode_login(std::string_view bytes) {
    Reader in(bytes);
    const auto version = in.byte();
    if (version == 0 || version > login_version) return malformed("login: unknown version");
    PendingLogin login;
    login.browser = in.text();
    login.verifier = Secret(in.text());
    login.return_to = in.text();
    login.profile = in.text();
    login.data = in.text();
    login.created_at = in.time();
    if (!in.finished()) return malformed("login: does not decode");
    return login;
}

}  // namespace cordgate::codec
