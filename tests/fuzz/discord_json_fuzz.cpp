// Whatever Discord answers is a value or malformed_reply, and an id is a number.

#include "core/discord/json.hpp"
#include "core/discord/models_json.hpp"
#include "core/json_text.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

namespace {

template <class T>
void check(const Result<T>& parsed) {
    if (!parsed) require(parsed.error().kind == ErrorKind::malformed_reply, "kind of the error");
}

// Documents exist exactly where their model does, and are one line of plain ASCII.
void check_document(const Result<std::string>& document, bool has_model) {
    check(document);
    require(document.has_value() <= has_model, "a document of what is no model");
    if (!document) return;
    for (const char c : *document) require(c >= ' ' && c < 0x7f, "a document is not plain ASCII");
    require(discord::is_json(*document), "a document is not JSON");
}

void check_models(std::string_view text) {
    const discord::ImageSource images;
    const bool is_user = discord::parse_user(text) && discord::parse_user_details(text);
    check_document(discord::user_document(text, images), is_user);
    check_document(discord::guilds_document(text, images), discord::parse_guilds(text).has_value());
    const auto connections = discord::parse_connections(text);
    check(connections);
    check_document(discord::connections_document(text), connections.has_value());
    const bool is_member = discord::parse_member(text) && discord::parse_member_details(text);
    check_document(discord::member_document(text), is_member);
    check(discord::parse_authorization(text));
    check(discord::parse_application(text));
    if (connections && text.find("true") == text.npos) {
        for (const auto& each : *connections) require(!each.verified, "verified without a true");
    }
    const auto options = discord::parse_join_options(text);
    if (options) require(discord::is_json(discord::join_body("at", *options)), "a body");
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

    check_models(text);

    const auto quoted = json_quote(text);
    for (const char c : quoted) require(c >= ' ' && c < 0x7f, "quoted text is not plain ASCII");
    require(discord::is_json(quoted), "quoted text is not JSON");
    return 0;
}
