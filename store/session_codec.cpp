#include "store/session_codec.hpp"

#include <algorithm>
#include <cstdint>

#include "core/hex.hpp"

namespace cordgate::codec {
namespace {

// The form: a version byte, then the fields in the order of their structs. Ids and
// times have 8 bytes, least first; other numbers 7 bits a byte, least first, as many as
// they need (8 bytes in wide forms); a string, its size and its bytes; an optional, a
// byte 0 or 1 and the value; a list, its count and its elements. Guilds are most of a
// session, and 200 of them many bytes: see `write(Writer&, const Guild&)`.
// Not JSON, since browsers' headers and digests need not be UTF-8; and a session
// is decoded often. A new field goes to the end, under the next version, and
// `decode` asks `version` before it reads it.
constexpr std::uint8_t session_version = 5;  // 2: login_extras; 3: no longer wide;
                                             // 4: each membership has its time;
                                             // 5: login_data_told
constexpr std::uint8_t login_version = 1;    // wide

enum class Form { wide, compact };

/// How Discord names images: 32 digits of hexadecimal, behind "a_" when it moves.
/// Half as many bytes hold them.
enum class Image : std::uint8_t { none, text, still, moving };

constexpr std::string_view moving_mark = "a_";

Image kind_of(const std::optional<std::string>& image) {
    if (!image) return Image::none;
    const bool moves = image->starts_with(moving_mark);
    const auto digits = std::string_view(*image).substr(moves ? moving_mark.size() : 0);
    const bool is_hash = digits.size() == 32 &&
                         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!is_hash) return Image::text;
    return moves ? Image::moving : Image::still;
}

class Writer {
public:
    explicit Writer(Form form) : form_(form) {}

    void byte(std::uint8_t value) { bytes_ += static_cast<char>(value); }
    void flag(bool value) { byte(value ? 1 : 0); }
    void eight_bytes(std::uint64_t value) {
        for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint8_t>(value >> shift));
    }
    void number(std::uint64_t value) {
        if (form_ == Form::wide) return eight_bytes(value);
        for (; value > 0x7f; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
        byte(static_cast<std::uint8_t>(value));
    }
    void text(std::string_view value) {
        number(value.size());
        bytes_ += value;
    }
    void id(Snowflake value) { eight_bytes(value.value()); }
    void time(TimePoint value) {
        eight_bytes(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(value.time_since_epoch())
                .count()));
    }
    void optional_text(const std::optional<std::string>& value) {
        flag(value.has_value());
        if (value) text(*value);
    }
    /// An image whose kind was written.
    void image(const std::optional<std::string>& value, Image kind) {
        if (kind == Image::none) return;
        if (kind == Image::text) return text(*value);
        const auto digits = value->size() - 32;
        bytes_ += *hex_decode(std::string_view(*value).substr(digits));
    }
    Secret finish() { return Secret(std::move(bytes_)); }

private:
    const Form form_;
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

    /// What was not said is wide.
    void set_form(Form form) { form_ = form; }
    Form form() const { return form_; }
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
    std::uint64_t eight_bytes() {
        std::uint64_t value = 0;
        int shift = 0;
        for (const char c : take(8)) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << shift;
            shift += 8;
        }
        return value;
    }
    std::uint64_t number() {
        if (form_ == Form::wide) return eight_bytes();
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto next = byte();
            value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
            if (next <= 0x7f) return value;
        }
        good_ = false;
        return 0;
    }
    Snowflake id() { return Snowflake(eight_bytes()); }
    std::string text() { return std::string(take(number())); }
    std::optional<std::string> optional_text() {
        if (!flag()) return std::nullopt;
        return text();
    }
    std::optional<std::string> image(Image kind) {
        switch (kind) {
            case Image::none: return std::nullopt;
            case Image::text: return text();
            case Image::still: return hex_encode(take(16));
            case Image::moving: return std::string(moving_mark) + hex_encode(take(16));
        }
        good_ = false;
        return std::nullopt;
    }
    TimePoint time() {
        // No sum of two times we compare may overflow: years 1843 to 2223.
        constexpr std::int64_t first = -4'000'000'000'000'000'000;
        constexpr std::int64_t last = 8'000'000'000'000'000'000;
        const auto value = std::clamp(static_cast<std::int64_t>(eight_bytes()), first, last);
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
    Form form_ = Form::wide;
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
    out.id(user.id);
    out.text(user.username);
    out.optional_text(user.global_name);
    out.text(user.discriminator);
    const auto avatar = kind_of(user.avatar);
    out.byte(static_cast<std::uint8_t>(avatar));
    out.image(user.avatar, avatar);
    out.optional_text(user.locale);
    out.optional_text(user.email);
    out.flag(user.verified.has_value());
    if (user.verified) out.flag(*user.verified);
    out.text(user.raw);
}

User read_user(Reader& in) {
    User user;
    user.id = in.id();
    user.username = in.text();
    user.global_name = in.optional_text();
    user.discriminator = in.text();
    user.avatar = in.form() == Form::wide ? in.optional_text() : in.image(Image{in.byte()});
    user.locale = in.optional_text();
    user.email = in.optional_text();
    if (in.flag()) user.verified = in.flag();
    user.raw = in.text();
    return user;
}

// A byte of: the icon's kind, and these. Permissions are a number, unless Discord wrote them
// in a way that no number of 64 bits is written.
constexpr std::uint8_t icon_bits = 3, is_owner = 4, permissions_are_text = 8;

void write(Writer& out, const Guild& guild) {
    const auto icon = kind_of(guild.icon);
    const auto& permissions = guild.permissions;
    const bool is_number = discord::Permissions(permissions.bits()) == permissions;
    out.id(guild.id);
    out.byte(static_cast<std::uint8_t>(static_cast<unsigned>(icon) | (guild.owner ? is_owner : 0) |
                                       (is_number ? 0 : permissions_are_text)));
    out.text(guild.name);
    out.image(guild.icon, icon);
    if (is_number) return out.number(permissions.bits());
    out.text(permissions.raw());
}

std::optional<Guild> read_guild(Reader& in) {
    Guild guild;
    guild.id = in.id();
    const auto bits = in.byte();
    if (bits > (icon_bits | is_owner | permissions_are_text)) return std::nullopt;
    guild.name = in.text();
    guild.icon = in.image(Image{static_cast<std::uint8_t>(bits & icon_bits)});
    guild.owner = (bits & is_owner) != 0;
    if ((bits & permissions_are_text) == 0) {
        guild.permissions = discord::Permissions(in.number());
        return guild;
    }
    const auto permissions = discord::Permissions::parse(in.text());
    if (!permissions) return std::nullopt;
    guild.permissions = *permissions;
    return guild;
}

std::optional<Guild> read_wide_guild(Reader& in) {
    Guild guild;
    guild.id = in.id();
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
    for (const auto role : member.roles) out.id(role);
    out.flag(member.pending);
}

Member read_member(Reader& in) {
    Member member;
    member.nick = in.optional_text();
    for (auto left = in.count(); left > 0 && in.good(); --left) member.roles.push_back(in.id());
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
    for (const auto& [guild, known] : identity.members) {
        out.id(guild);
        out.flag(known.member.has_value());
        if (known.member) write(out, *known.member);
        out.time(known.at);
    }
}

std::optional<Identity> read_identity(Reader& in, std::uint8_t version) {
    Identity identity;
    identity.user = read_user(in);
    identity.user_at = in.time();
    if (in.flag()) {
        identity.guilds.emplace();
        for (auto left = in.count(); left > 0 && in.good(); --left) {
            auto guild = in.form() == Form::wide ? read_wide_guild(in) : read_guild(in);
            if (!guild) return std::nullopt;
            identity.guilds->push_back(std::move(*guild));
        }
    }
    identity.guilds_at = in.time();
    for (auto left = in.count(); left > 0 && in.good(); --left) {
        auto& known = identity.members[in.id()];
        if (in.flag()) known.member = read_member(in);
        if (version >= 4) known.at = in.time();
    }
    if (version < 4) {
        const auto at = in.time();
        for (auto& [guild, known] : identity.members) known.at = at;
    }
    return identity;
}

}  // namespace

Secret encode(const Session& session) {
    Writer out(Form::compact);
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
    out.flag(session.login_data_told);
    return out.finish();
}

Result<Session> decode_session(std::string_view bytes) {
    Reader in(bytes);
    const auto version = in.byte();
    if (version == 0 || version > session_version) return malformed("session: unknown version");
    if (version >= 3) in.set_form(Form::compact);
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
    auto identity = read_identity(in, version);
    if (version >= 2) session.login_extras = Secret(in.text());
    // It was the first use that told it, before.
    session.login_data_told = version >= 5 ? in.flag() : session.last_seen_at > session.created_at;
    if (!identity || !in.finished()) return malformed("session: does not decode");
    session.identity = std::move(*identity);
    return session;
}

Secret encode(const PendingLogin& login) {
    Writer out(Form::wide);
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
