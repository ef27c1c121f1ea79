#include "core/discord/calls.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/discord/failure.hpp"

using namespace cordgate;
using namespace cordgate::discord;

namespace {

/// Answers what it was told to, in order, and keeps what was asked.
class ScriptedApi final : public Api {
public:
    Result<TokenGrant> exchange_code(const Secret&, const Secret&, std::string_view) override {
        return Error{};
    }
    Result<TokenGrant> refresh(const Secret&) override { return Error{}; }
    Result<void> revoke(const Secret&) override { return Error{}; }
    Result<Reply> request(const Request& request) override {
        asked.push_back(request);
        REQUIRE_FALSE(answers.empty());
        auto answer = std::move(answers.front());
        answers.pop_front();
        return answer;
    }

    void answer(int status, std::string body) {
        answers.push_back(Reply{status, std::move(body), {}});
    }
    void refuse(ErrorKind kind, int status, long long code) {
        Refusal refusal;
        refusal.status = status;
        refusal.code = code;
        answers.push_back(Error{kind, ErrorSource::discord, "refused", std::nullopt,
                                std::make_shared<const Refusal>(refusal)});
    }

    std::deque<Result<Reply>> answers;
    std::vector<Request> asked;
};

const Secret token("at");

std::string guild_page(int first, int count) {
    std::string page = "[";
    for (int i = 0; i < count; ++i) {
        page += (i ? "," : "") + std::string(R"({"id":")") + std::to_string(first + i) + R"("})";
    }
    return page + "]";
}

}  // namespace

TEST_CASE(
    "quartcord calls: C16 C17 C18 G10 K11 U22 U23 U24 each asks its route as the user, and keeps "
    "the JSON") {
    ScriptedApi api;
    api.answer(200, R"({"id":"7","username":"a","new":1})");
    api.answer(200, R"([{"id":"5","name":"g","banner":"b"}])");
    api.answer(200, R"([])");
    api.answer(200, R"([{"id":"x","type":"steam"}])");
    api.answer(200, R"({"roles":["8"],"joined_at":"x"})");
    const auto user = fetch_user(api, token);
    REQUIRE(user);
    CHECK(user->value.id == Snowflake(7));
    CHECK(user->json == R"({"id":"7","username":"a","new":1})");
    const auto guilds = fetch_guilds(api, token);
    REQUIRE(guilds);
    CHECK(guilds->value.at(0).id == Snowflake(5));
    REQUIRE(fetch_guilds(api, token, true));
    const auto connections = fetch_connections(api, token);
    REQUIRE(connections);
    CHECK(connections->value.at(0).type == "steam");
    const auto member = fetch_member(api, token, Snowflake(5));
    REQUIRE(member);
    CHECK((*member)->value.roles == std::vector{Snowflake(8)});
    const std::string routes[] = {"/users/@me", "/users/@me/guilds", "/users/@me/guilds",
                                  "/users/@me/connections", "/users/@me/guilds/5/member"};
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(api.asked[i].route.path() == routes[i]);
        CHECK(api.asked[i].as == Request::As::user);
        CHECK(api.asked[i].access_token.equals("at"));
        CHECK(api.asked[i].query == (i == 2 ? "with_counts=true" : ""));
    }
}

TEST_CASE("quartcord calls: C12 a token can tell its scopes") {
    ScriptedApi api;
    api.answer(200, R"({"application":{"id":"3"},"scopes":["identify"]})");
    CHECK(fetch_authorization(api, token)->scopes == std::vector<std::string>{"identify"});
    CHECK(api.asked[0].route.path() == "/oauth2/@me");
}

TEST_CASE("quartcord calls: M23 B8 nobody has left a guild but by Discord's own word") {
    struct Row {
        ErrorKind kind;
        int status;
        long long code;
        bool absent_for_user;
        bool absent_for_bot;
    };
    const Row rows[] = {
        {ErrorKind::not_found,    404, 10004, true,  false},
        {ErrorKind::not_found,    404, 10007, true,  true },
        {ErrorKind::not_found,    404, 10013, false, true },
        {ErrorKind::not_found,    404, 0,     false, false},
        {ErrorKind::forbidden,    403, 50001, false, false},
        {ErrorKind::unavailable,  502, 10007, false, false},
        {ErrorKind::rate_limited, 429, 0,     false, false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.code);
        ScriptedApi api;
        api.refuse(row.kind, row.status, row.code);
        api.refuse(row.kind, row.status, row.code);
        const auto as_user = fetch_member(api, token, Snowflake(5));
        CHECK(as_user.has_value() == row.absent_for_user);
        const auto as_bot = fetch_member_as_bot(api, Snowflake(5), Snowflake(7));
        CHECK(as_bot.has_value() == row.absent_for_bot);
        if (as_bot) CHECK_FALSE(*as_bot);
        CHECK(api.asked[1].route.path() == "/guilds/5/members/7");
        CHECK(api.asked[1].as == Request::As::bot);
    }
}

TEST_CASE("quartcord calls: M24 the bot's guilds come page by page, however many") {
    ScriptedApi api;
    api.answer(200, guild_page(1, 200));
    api.answer(200, guild_page(201, 200));
    api.answer(200, guild_page(401, 1));
    const auto guilds = fetch_guilds_as_bot(api);
    REQUIRE(guilds);
    CHECK(guilds->size() == 401);
    CHECK(api.asked[0].query == "limit=200");
    CHECK(api.asked[2].query == "limit=200&after=400");

    ScriptedApi stuck;  // answers the same page for ever
    for (int i = 0; i < 3; ++i) stuck.answer(200, guild_page(1, 200));
    CHECK(fetch_guilds_as_bot(stuck)->size() == 200);
    CHECK(stuck.asked.size() == 2);
    ScriptedApi bounded;
    for (int i = 0; i < 3; ++i) bounded.answer(200, guild_page(1 + 200 * i, 200));
    CHECK(fetch_guilds_as_bot(bounded, 300)->size() == 300);
}

TEST_CASE("quartcord calls: U18 joining: new, already there, and every refusal an error") {
    ScriptedApi api;
    api.answer(201, R"({"roles":["8"]})");
    api.answer(204, "");
    JoinOptions options;
    options.nick = "N";
    const auto joined = join_guild(api, token, Snowflake(7), Snowflake(5), options);
    REQUIRE(joined);
    CHECK(joined->is_new);
    CHECK(joined->member == R"({"roles":["8"]})");
    CHECK(api.asked[0].method == "PUT");
    CHECK(api.asked[0].as == Request::As::bot);
    CHECK(api.asked[0].route.path() == "/guilds/5/members/7");
    const auto body = nlohmann::json::parse(api.asked[0].body);
    CHECK(body["access_token"] == "at");
    CHECK(body["nick"] == "N");
    CHECK_FALSE(join_guild(api, token, Snowflake(7), Snowflake(5), {})->is_new);
    for (const long long code : {30001, 40007, 50001, 50013, 50025, 50026}) {
        api.refuse(code == 30001 ? ErrorKind::bad_request : ErrorKind::forbidden,
                   code == 30001 ? 400 : 403, code);
        const auto refused = join_guild(api, token, Snowflake(7), Snowflake(5), {});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().refusal->code == code);
    }
    api.answer(200, R"({"message":"odd"})");
    CHECK_FALSE(join_guild(api, token, Snowflake(7), Snowflake(5), {}));
}

TEST_CASE("quartcord calls: B8 M11 what is not the model is an error") {
    for (const char* json : {"{}", "[{}]", "null", R"({"message":"x","code":1})"}) {
        CAPTURE(json);
        ScriptedApi api;
        for (int i = 0; i < 2; ++i) api.answer(200, json);
        CHECK_FALSE(fetch_user(api, token));
        CHECK_FALSE(fetch_member(api, token, Snowflake(5)));
    }
    ScriptedApi api;
    api.answer(204, "");
    CHECK_FALSE(fetch_user(api, token));
}

TEST_CASE("quartcord failures: E1 E2 E3 E4 B10 B16 each family has its stable code") {
    const auto code = [](ErrorKind kind, ErrorSource source = ErrorSource::discord) {
        return problem_code({kind, source, ""});
    };
    CHECK(code(ErrorKind::rate_limited) == "rate_limited");
    CHECK(code(ErrorKind::unauthorized) == "unauthorized");
    CHECK(code(ErrorKind::forbidden) == "discord_error");
    CHECK(code(ErrorKind::not_found) == "discord_error");
    CHECK(code(ErrorKind::malformed_reply) == "discord_error");
    CHECK(code(ErrorKind::timed_out) == "discord_unavailable");
    CHECK(code(ErrorKind::unavailable) == "discord_unavailable");
    CHECK(code(ErrorKind::bad_request) == "discord_error");
    CHECK(code(ErrorKind::bad_request, ErrorSource::client) == "invalid_request");

    TokenGrant grant;
    grant.scopes = {"identify"};
    grant.expires_at = TimePoint(std::chrono::hours(1));
    using Reason = UnauthorizedReason;
    CHECK(unauthorized_reason(grant, "identify", TimePoint()) == Reason::revoked);
    CHECK(unauthorized_reason(grant, "", TimePoint()) == Reason::revoked);
    CHECK(unauthorized_reason(grant, "guilds", TimePoint()) == Reason::missing_scope);
    CHECK(unauthorized_reason(grant, "identify", grant.expires_at) == Reason::expired);
    CHECK(to_string(Reason::no_session) == "no_session");
    CHECK(to_string(Reason::missing_scope) == "missing_scope");
}
