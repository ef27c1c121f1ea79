// Whatever Discord, or an application, sends is a value or an error of the promised
// kind: never a crash, and never a "yes" that was not there. That the seeds reach each
// of these parsers is checked by tests/core/discord_seeds_test.cpp.

#include "core/discord/json.hpp"
#include "core/discord/models_json.hpp"
#include "core/discord/webhook_json.hpp"
#include "core/json_text.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

namespace {

template <class T>
bool check(const Result<T>& parsed) {
    if (!parsed) require(parsed.error().kind == ErrorKind::malformed_reply, "kind of the error");
    return parsed.has_value();
}

void check_ascii(std::string_view text, const char* what) {
    for (const char c : text) require(c >= ' ' && c < 0x7f, what);
    require(discord::is_json(text), what);
}

// Documents exist exactly where their model does, and are one line of plain ASCII.
void check_document(const Result<std::string>& document, bool has_model) {
    check(document);
    require(document.has_value() == has_model, "a document of what is no model, or none of one");
    if (document) check_ascii(*document, "a document is not one line of ASCII JSON");
}

void check_user(std::string_view text) {
    const auto user = discord::parse_user(text);
    if (check(user)) require(Snowflake::parse(user->id.to_string()) == user->id, "id of a user");
    const bool has_details = check(discord::parse_user_details(text));
    check_document(discord::user_document(text, {}), user && has_details);
}

void check_guilds(std::string_view text) {
    const auto guilds = discord::parse_guilds(text);
    const bool is_known = check(guilds);
    check_document(discord::guilds_document(text, {}), is_known);
    if (!is_known || text.find("true") != text.npos) return;
    for (const auto& guild : *guilds) require(!guild.owner, "an owner without a true");
}

void check_connections(std::string_view text) {
    const auto connections = discord::parse_connections(text);
    const bool is_known = check(connections);
    check_document(discord::connections_document(text), is_known);
    if (!is_known || text.find("true") != text.npos) return;
    for (const auto& each : *connections) require(!each.verified, "verified without a true");
}

void check_member(std::string_view text) {
    const bool is_member = check(discord::parse_member(text));
    const bool has_details = check(discord::parse_member_details(text));
    check_document(discord::member_document(text), is_member && has_details);
}

void check_token(std::string_view text) {
    const TimePoint now{std::chrono::hours(24 * 365 * 50)};
    const auto grant = discord::parse_token_grant(text, now);
    if (!check(grant)) return;
    require(grant->expires_at > now, "a grant that has expired");
    require(grant->expires_at < now + std::chrono::hours(24 * 366 * 10), "an absurd life");
    require(!grant->access_token.reveal().empty(), "an empty token");
}

void check_join(std::string_view text) {
    const auto options = discord::parse_join_options(text);
    if (options) check_ascii(discord::join_body("at", *options), "a body");
}

void check_event(std::string_view text) {
    const auto event = discord::parse_webhook_event(text);
    if (check(event)) require(event->is_ping != !event->type.empty(), "an event without a type");
    require(!discord::is_signed_by(text, text, text, text), "a signature out of nothing");
}

void check_errors(std::string_view text) {
    (void)discord::parse_oauth_error(text);
    (void)discord::parse_api_error(text);
}

struct Model {
    char opens;  // what its JSON begins with
    void (*check)(std::string_view);
};

constexpr Model models[] = {
    {'{', check_user                                                              },
    {'[', check_guilds                                                            },
    {'[', check_connections                                                       },
    {'{', check_member                                                            },
    {'{', check_token                                                             },
    {'{', [](std::string_view text) { check(discord::parse_authorization(text)); }},
    {'{', [](std::string_view text) { check(discord::parse_application(text)); }  },
    {'{', check_join                                                              },
    {'{', check_event                                                             },
    {'{', check_errors                                                            },
};

}  // namespace

// Every model looks at JSON that begins as it does; what is no JSON, or a list for an
// object, meets one model after the other in turn, which is enough and much cheaper.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    const bool is_json = discord::is_json(text);
    static std::size_t turn = 0;
    ++turn;
    for (std::size_t i = 0; i < std::size(models); ++i) {
        const bool is_its_own = is_json && text.front() == models[i].opens;
        if (is_its_own || turn % std::size(models) == i) models[i].check(text);
    }
    check_ascii(json_quote(text), "quoted text is not one line of ASCII JSON");
    return 0;
}
