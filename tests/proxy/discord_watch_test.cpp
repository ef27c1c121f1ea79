#include "proxy/discord_watch.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "core/discord/failure.hpp"

using namespace cordgate;
using namespace cordgate::proxy;
using namespace std::chrono_literals;

namespace {

/// Answers as it is told.
struct Scripted : discord::Api {
    Result<TokenGrant> exchange_code(const Secret&, const Secret&, std::string_view) override {
        return next ? Result<TokenGrant>(*next) : Result<TokenGrant>(TokenGrant{});
    }
    Result<TokenGrant> refresh(const Secret&) override { return exchange_code({}, {}, ""); }
    Result<void> revoke(const Secret&) override {
        return next ? Result<void>(*next) : Result<void>();
    }
    Result<discord::Reply> request(const discord::Request&) override {
        return next ? Result<discord::Reply>(*next) : Result<discord::Reply>(discord::Reply{});
    }
    std::optional<Error> next;
};

Error error(ErrorKind kind, int status = 0, std::chrono::milliseconds retry_after = 0ms,
            discord::LimitScope scope = discord::LimitScope::user) {
    Error out{kind, ErrorSource::discord, "why"};
    if (retry_after > 0ms) out.retry_after = retry_after;
    if (status == 0 && retry_after == 0ms) return out;
    discord::Refusal refusal;
    refusal.status = status;
    refusal.scope = scope;
    out.refusal = std::make_shared<const discord::Refusal>(std::move(refusal));
    return out;
}

Error limited(discord::LimitScope scope, std::chrono::milliseconds time, int status = 429) {
    return error(ErrorKind::rate_limited, status, time, scope);
}

struct Watched {
    std::chrono::steady_clock::time_point now{1000h};
    std::vector<std::string> lines;
    Scripted* api = nullptr;
    std::unique_ptr<DiscordWatch> watch;

    Watched() {
        auto scripted = std::make_unique<Scripted>();
        api = scripted.get();
        watch = std::make_unique<DiscordWatch>(
            std::move(scripted), [this] { return now; },
            [this](DiscordWatch::Level level, std::string_view event, const std::string& text) {
                const char* const names[] = {"info", "warning", "error"};
                lines.push_back(std::string(names[static_cast<int>(level)]) + " " +
                                std::string(event) + ": " + text);
            });
    }

    /// What is said of a call that ends so.
    std::vector<std::string> call(std::optional<Error> outcome) {
        api->next = std::move(outcome);
        (void)watch->request(discord::Request::by_bot(discord::Route::known("/x")));
        return std::exchange(lines, {});
    }
    std::vector<std::string> ask_for_token(std::optional<Error> outcome) {
        api->next = std::move(outcome);
        (void)watch->refresh(Secret("x"));
        return std::exchange(lines, {});
    }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("that Discord stops answering is said once, and so is that it answers again") {
    const std::vector<Error> silences = {error(ErrorKind::timed_out), error(ErrorKind::unavailable),
                                         error(ErrorKind::unavailable, 502)};
    const std::vector<std::optional<Error>> answers = {
        std::nullopt, error(ErrorKind::not_found, 404), error(ErrorKind::unauthorized, 401),
        limited(discord::LimitScope::user, 2s)};
    for (const auto& silence : silences) {
        for (const auto& answer : answers) {
            Watched discord;
            CHECK(discord.call(silence).empty());
            CHECK(discord.call(silence).empty());
            CHECK_MESSAGE(discord.call(answer).empty(), "two calls may fail by chance");
            CHECK(discord.call(silence).empty());
            discord.now += 10s;
            CHECK(discord.call(silence).empty());
            CHECK(discord.call(silence).at(0).starts_with("warning discord does not answer: "));
            for (int i = 0; i < 10; ++i) CHECK(discord.call(silence).empty());
            discord.now += 50s;
            CHECK(discord.call(answer) == Lines{"info discord answers again: after 60 s"});
            CHECK(discord.call(answer).empty());
        }
    }
}

TEST_CASE("calls that nobody answered far from each other are no silence") {
    Watched discord;
    for (int i = 0; i < 10; ++i, discord.now += 1h) {
        CHECK(discord.call(error(ErrorKind::timed_out)).empty());
    }
    CHECK(discord.call(error(ErrorKind::timed_out)).empty());
    CHECK(discord.call(error(ErrorKind::timed_out)).empty());
    CHECK(discord.call(error(ErrorKind::timed_out)).size() == 1);
    CHECK(discord.call(std::nullopt) == Lines{"info discord answers again: after 0 s"});
}

TEST_CASE("calls that were not sent say nothing of whether Discord answers") {
    Watched discord;
    const auto held = limited(discord::LimitScope::ban, 20s, 0);
    auto ours = error(ErrorKind::forbidden);
    ours.source = ErrorSource::gate;
    for (int i = 0; i < 10; ++i) {
        CHECK(discord.call(held).empty());
        CHECK(discord.call(ours).empty());
    }
    for (int i = 0; i < 3; ++i) discord.call(error(ErrorKind::timed_out));
    CHECK(discord.call(held).empty());
    CHECK(discord.call(ours).empty());
    CHECK(discord.call(std::nullopt).size() == 1);
}

TEST_CASE("what holds all calls back is said once, with its seconds") {
    Watched discord;
    CHECK(discord.call(limited(discord::LimitScope::user, 600s)).empty());
    CHECK(discord.call(limited(discord::LimitScope::shared, 600s)).empty());
    const auto line = discord.call(limited(discord::LimitScope::ban, 600s));
    REQUIRE(line.size() == 1);
    CHECK(line[0].starts_with("warning discord holds us back: seconds=600 scope=ban because "));
    discord.now += 1s;
    CHECK_MESSAGE(discord.call(limited(discord::LimitScope::ban, 600s)).empty(),
                  "calls that were under way together hear the same");
    discord.now += 600s;
    CHECK(discord.call(limited(discord::LimitScope::global, 2s)).size() == 1);
    for (int i = 0; i < 10; ++i) {
        discord.now += 5s;
        CHECK_MESSAGE(discord.call(limited(discord::LimitScope::global, 2s)).empty(),
                      "short limits have a line a minute");
    }
    CHECK_MESSAGE(discord.call(limited(discord::LimitScope::ban, 3600s)).size() == 1,
                  "a long one is always told of");
    discord.now += 2h;
    auto breaker = error(ErrorKind::unavailable);
    breaker.retry_after = 300s;
    CHECK(discord.call(breaker).at(0).starts_with(
        "warning discord holds us back: seconds=300 scope=breaker because "));
    for (int i = 0; i < 10; ++i) CHECK(discord.call(breaker).empty());
}

TEST_CASE("that our id or secret is refused is an error, once a minute") {
    Watched discord;
    const auto refused = error(ErrorKind::forbidden, 401);
    CHECK(discord.call(refused).empty());
    CHECK_MESSAGE(discord.ask_for_token(error(ErrorKind::forbidden, 403)).empty(),
                  "which says nothing of our secret");
    CHECK(discord.ask_for_token(error(ErrorKind::unauthorized, 400)).empty());
    CHECK(discord.ask_for_token(refused).at(0).starts_with(
        "error discord refuses our credentials: "));
    discord.now += 59s;
    CHECK(discord.ask_for_token(refused).empty());
    discord.now += 1s;
    CHECK(discord.ask_for_token(refused).size() == 1);
}
