// Whatever Discord answers is a value or malformed_reply, and an id is a number.

#include "core/discord/json.hpp"
#include "core/json_text.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

namespace {

template <class T>
void check(const Result<T>& parsed) {
    if (!parsed) require(parsed.error().kind == ErrorKind::malformed_reply, "kind of the error");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    const TimePoint now{std::chrono::hours(24 * 365 * 50)};
    const auto user = discord::parse_user(text);
    check(user);
    if (user) require(Snowflake::parse(user->id.to_string()) == user->id, "id of a user");
    const auto guilds = discord::parse_guilds(text);
    check(guilds);
    check(discord::parse_member(text));
    const auto grant = discord::parse_token_grant(text, now);
    if (grant) {
        require(grant->expires_at > now, "a grant that has expired");
        require(grant->expires_at < now + std::chrono::hours(24 * 366 * 10), "an absurd life");
        require(!grant->access_token.reveal().empty(), "an empty token");
    }
    (void)discord::parse_oauth_error(text);
    (void)discord::parse_api_error(text);
    if (user || guilds) require(discord::is_json(text), "parsed, but not JSON");

    const auto quoted = json_quote(text);
    for (const char c : quoted) require(c >= ' ' && c < 0x7f, "quoted text is not plain ASCII");
    require(discord::is_json(quoted), "quoted text is not JSON");
    return 0;
}
