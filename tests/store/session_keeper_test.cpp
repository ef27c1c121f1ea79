#include "core/session_keeper.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "core/base64.hpp"
#include "core/discord/failure.hpp"
#include "core/rule.hpp"
#include "store/sealed_sessions.hpp"
#include "tests/store/support.hpp"

// Over a real store; Discord and the time are ours.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
using State = Confirmation::State;

namespace {

constexpr Snowflake ann{7};
constexpr Snowflake garden{100};
constexpr Snowflake shed{200};
constexpr Snowflake staff{70};

Error failure(ErrorKind kind, int status = 0, long long code = 0) {
    Error error{kind, ErrorSource::discord, "as told"};
    if (status == 0) return error;
    auto refusal = std::make_shared<discord::Refusal>();
    refusal->status = status;
    refusal->code = code;
    error.refusal = std::move(refusal);
    return error;
}

Error limited(std::chrono::milliseconds wait) {
    auto error = failure(ErrorKind::rate_limited, 429);
    error.retry_after = wait;
    return error;
}

/// Discord as the client presents it: one user, whose tokens rotate.
class FakeDiscord final : public discord::Api {
public:
    Result<TokenGrant> exchange_code(const Secret&, const Secret&, std::string_view) override {
        return failure(ErrorKind::internal);
    }
    Result<void> revoke(const Secret&) override { return {}; }

    Result<TokenGrant> refresh(const Secret& token) override {
        if (meanwhile) meanwhile();
        const std::lock_guard lock(mutex);
        ++calls["refresh"];
        if (auto error = fault("refresh")) return *error;
        if (token.reveal() != "refresh " + std::to_string(generation)) {
            return failure(ErrorKind::unauthorized, 400);  // invalid_grant
        }
        ++generation;
        if (std::exchange(loses_answer, false)) return failure(ErrorKind::timed_out);
        return current_grant();
    }

    Result<discord::Reply> request(const discord::Request& request) override {
        if (meanwhile) meanwhile();
        const std::lock_guard lock(mutex);
        const auto route =
            (request.as == discord::Request::As::bot ? "bot " : "") + request.route.path();
        ++calls[route];
        if (auto error = fault(route)) return *error;
        if (request.as == discord::Request::As::user) {
            const auto good = "access " + std::to_string(generation);
            if (tokens_are_dead || request.access_token.reveal() != good) {
                return failure(ErrorKind::unauthorized, 401);
            }
        }
        if (route == "/users/@me") {
            return reply(R"({"id":")" + told_id + R"(","username":")" + name +
                         R"(","discriminator":"0"})");
        }
        if (route == "/users/@me/guilds") return reply(guild_list());
        if (route == "/oauth2/@me") {
            return reply(
                R"({"application":{"id":"1"},"scopes":[],"expires":"2030-01-01T00:00:00Z"})");
        }
        for (const auto guild : {garden, shed}) {
            const auto id = guild.to_string();
            const bool is_asked = route == "/users/@me/guilds/" + id + "/member" ||
                                  route == "bot /guilds/" + id + "/members/7";
            if (!is_asked) continue;
            const bool as_bot = route.starts_with("bot");
            if (as_bot && bot_is_out) return failure(ErrorKind::forbidden, 403, 50001);
            if (!guilds.contains(guild)) {
                return failure(ErrorKind::not_found, 404, as_bot ? 10007 : 10004);
            }
            return reply(R"({"roles":[)" + std::string(is_staff ? R"("70")" : "") + "]}");
        }
        return failure(ErrorKind::not_found, 404);
    }

    TokenGrant current_grant() {
        TokenGrant grant;
        grant.access_token = Secret("access " + std::to_string(generation));
        grant.refresh_token = Secret("refresh " + std::to_string(generation));
        grant.issued_at = now();
        grant.expires_at = now() + 7 * 24h;
        grant.scopes = scopes;
        return grant;
    }

    int count(const std::string& route) {
        const std::lock_guard lock(mutex);
        return calls[route];
    }
    int total() {
        const std::lock_guard lock(mutex);
        int sum = 0;
        for (const auto& [route, times] : calls) sum += times;
        return sum;
    }

    Now now;
    std::mutex mutex;
    std::map<std::string, int> calls;
    std::map<std::string, Error> faults;  ///< by route; "*": everything
    std::set<Snowflake> guilds{garden, shed};
    std::vector<std::string> scopes{"identify", "guilds", "guilds.members.read"};
    std::string told_id = ann.to_string();
    std::string name = "ann";
    bool is_staff = true;
    bool bot_is_out = false;
    bool tokens_are_dead = false;
    bool loses_answer = false;
    int generation = 1;
    std::function<void()> meanwhile;  ///< called in every call, without a lock

private:
    std::optional<Error> fault(const std::string& route) {
        for (const auto& key : {route, std::string("*")}) {
            if (const auto it = faults.find(key); it != faults.end()) return it->second;
        }
        return std::nullopt;
    }
    static discord::Reply reply(std::string body) { return {200, std::move(body), {}}; }
    std::string guild_list() const {
        std::string list;
        for (const auto id : guilds) {
            list += (list.empty() ? "" : ",") + (R"({"id":")" + id.to_string()) +
                    R"(","name":"g","owner":false,"permissions":"0"})";
        }
        return "[" + list + "]";
    }
};

/// A store that can be told to fail.
class FickleStore final : public MemoryStore {
public:
    Result<Replaced> replace(const SessionRow& row, const std::string& expected) override {
        if (writes_fail > 0) {
            --writes_fail;
            return Error{ErrorKind::unavailable, ErrorSource::store, "as told"};
        }
        return MemoryStore::replace(row, expected);
    }
    Result<bool> renew_lease(const std::string& name, const std::string& holder,
                             std::chrono::milliseconds duration) override {
        const auto renewed = MemoryStore::renew_lease(name, holder, duration);
        if (renewed && *renewed) ++lease_renewals;
        return renewed;
    }
    std::atomic<int> writes_fail = 0;
    std::atomic<int> lease_renewals = 0;
};

/// Ann, signed in, and what keeps her session.
struct House {
    explicit House(FreshnessSettings settings = default_settings(), int replicas = 1) {
        discord.now = [this] { return now.load(); };
        auto owned = std::make_unique<FickleStore>();
        store = owned.get();
        sessions = std::make_unique<SealedSessions>(
            std::move(owned), std::vector<Secret>{Secret(std::string(32, 'k'))}, 0s, &events);
        for (int i = 0; i < replicas; ++i) {
            keepers.push_back(std::make_unique<SessionKeeper>(
                SessionKeeper::Parts{settings, discord, *sessions, discord.now,
                                     [this](std::function<void()> call) {
                                         const std::lock_guard lock(mutex);
                                         threads.emplace_back(std::move(call));
                                         return true;
                                     },
                                     [this](const Confirmation&) { ++confirmations; }}));
        }
        Session session;
        session.handle = "handle";
        session.created_at = session.last_seen_at = now;
        session.expires_at = now.load() + 300 * 24h;
        session.grant = discord.current_grant();
        session.identity.user.id = ann;
        session.identity.user.username = "ann";
        session.identity.guilds.emplace();
        for (const auto id : discord.guilds) {
            Guild guild;
            guild.id = id;
            session.identity.guilds->push_back(guild);
            session.identity.members[id] = {
                Member{std::nullopt, {staff}, false},
                now
            };
        }
        session.identity.user_at = session.identity.guilds_at = now;
        const auto token = SessionToken::make();
        digest = token.digest();
        REQUIRE(sessions->create(token, session));
    }
    ~House() {
        for (auto& keeper : keepers) keeper->stop();
        join();
    }

    static FreshnessSettings default_settings() {
        return {
            1h, 5min, 1h, {garden, shed},
               false
        };
    }

    void pass(std::chrono::milliseconds time) { now = now.load() + time; }
    KnownSession known() {
        const auto found = sessions->find(digest, now);
        REQUIRE(found);
        REQUIRE(*found);
        return {digest, **found};
    }
    bool is_signed_in() {
        const auto found = sessions->find(digest, now);
        REQUIRE(found);
        return found->has_value();
    }
    /// As a request does it: nothing while it is fresh, and a pause is kept.
    Confirmation confirm() {
        std::optional<Confirmation> out;
        keepers.front()->confirm(known(), [&](const Confirmation& got) { out = got; });
        join();
        REQUIRE(out);
        return *out;
    }
    Freshness freshness() { return freshness_of(known().session, keepers.front()->settings()); }
    void join() {
        for (;;) {
            std::list<std::thread> running;
            {
                const std::lock_guard lock(mutex);
                running.swap(threads);
            }
            if (running.empty()) return;
            for (auto& thread : running) thread.join();
        }
    }

    std::atomic<TimePoint> now{noon};
    FakeDiscord discord;
    SessionEvents events;
    FickleStore* store = nullptr;
    std::unique_ptr<SealedSessions> sessions;
    std::mutex mutex;
    std::list<std::thread> threads;
    std::atomic<int> confirmations = 0;
    std::string digest;
    std::vector<std::unique_ptr<SessionKeeper>> keepers;
};

Truth staff_of_garden(const Identity& identity) {
    Requirement role;
    role.kind = Requirement::Kind::role;
    role.ids = {staff};
    role.guilds = {garden};
    return holds(role, identity);
}

}  // namespace

// --- freshness ---------------------------------------------------------------------

TEST_CASE("what is younger than 80 % of its age asks nobody, what is older asks once") {
    House house;
    house.pass(4min - 1ms);
    CHECK(house.now.load() < house.freshness().ahead_at);
    CHECK(house.confirm().state == State::fresh);
    CHECK(house.discord.total() == 0);
    house.pass(1ms);
    CHECK(house.now.load() >= house.freshness().ahead_at);
    CHECK(house.now.load() < house.freshness().due_at);
    CHECK(house.confirm().state == State::fresh);
    CHECK(house.discord.count("/users/@me/guilds") == 1);
    CHECK(house.discord.count("/users/@me/guilds/100/member") == 1);
    CHECK(house.discord.count("/users/@me") == 0);  // the profile is good for an hour
    CHECK(house.known().session.identity.guilds_at == house.now.load());
    house.confirm();
    CHECK(house.discord.count("/users/@me/guilds") == 1);
    house.pass(45min);
    house.discord.name = "anna";
    CHECK(house.confirm().known.session.identity.user.username == "anna");
    CHECK(house.known().session.identity.user.username == "anna");
}

TEST_CASE("G9 G12 after the clock was set back nothing counts as young") {
    House house;
    house.pass(-30s);  // as replicas may differ
    CHECK(house.freshness().is_young(house.now));
    house.pass(-90s);
    CHECK_FALSE(house.freshness().is_young(house.now));
    CHECK(house.freshness().is_due(house.now));
    house.discord.guilds.erase(garden);
    CHECK(staff_of_garden(house.confirm().known.session.identity) == Truth::no);
    CHECK(house.freshness().told_at == std::max(house.known().session.identity.user_at,
                                                house.known().session.identity.guilds_at));
}

TEST_CASE("G12 whoever was kicked, banned or lost the role is out at the next confirmation") {
    SUBCASE("kicked: the list of guilds says so") {
        House house;
        house.pass(4min);
        house.discord.guilds.erase(garden);
        const auto got = house.confirm();
        CHECK(got.state == State::fresh);
        CHECK(staff_of_garden(got.known.session.identity) == Truth::no);
        CHECK(house.discord.count("/users/@me/guilds/100/member") == 0);
    }
    SUBCASE("the role is gone") {
        House house;
        house.pass(4min);
        house.discord.is_staff = false;
        CHECK(staff_of_garden(house.confirm().known.session.identity) == Truth::no);
    }
    SUBCASE("404 with 10004, without a list of guilds") {
        House house;
        house.discord.scopes = {"identify", "guilds.members.read"};
        (void)house.sessions->change(house.digest, house.now, [&](Session& session) {
            session.grant.scopes = house.discord.scopes;
            session.identity.guilds.reset();
            return true;
        });
        house.discord.guilds.erase(garden);
        house.pass(4min);
        CHECK(staff_of_garden(house.confirm().known.session.identity) == Truth::no);
        CHECK(house.discord.count("/users/@me/guilds/100/member") == 1);
    }
    SUBCASE("the bot looks") {
        auto settings = House::default_settings();
        settings.has_bot = true;
        House house(settings);
        house.pass(4min);
        house.discord.is_staff = false;
        CHECK(staff_of_garden(house.confirm().known.session.identity) == Truth::no);
        CHECK(house.discord.count("bot /guilds/100/members/7") == 1);
        CHECK(house.discord.count("/users/@me/guilds/100/member") == 0);
    }
    SUBCASE("the bot is not there, which says nothing: the user's own token does") {
        auto settings = House::default_settings();
        settings.has_bot = true;
        House house(settings);
        house.pass(4min);
        house.discord.bot_is_out = true;
        const auto got = house.confirm();
        CHECK(got.state == State::fresh);
        CHECK(staff_of_garden(got.known.session.identity) == Truth::yes);
        CHECK(house.discord.count("/users/@me/guilds/100/member") == 1);
    }
}

TEST_CASE("G17 what Discord cannot tell is no answer: the last one serves until max_stale") {
    struct Row {
        const char* name;
        Error error;
    };
    const Row rows[] = {
        {"429 of the user",                    limited(2s)                        },
        {"429 of everybody",                   limited(30s)                       },
        {"error code 1015, an hour",           limited(1h)                        },
        {"403",                                failure(ErrorKind::forbidden,        403)},
        {"403 page of the edge",                                    failure(ErrorKind::unavailable,                                                  403)},
        {"404 page, not Discord's",                                failure(ErrorKind::malformed_reply,                  404)},
        {"500",failure(ErrorKind::unavailable,500)},
        {"502 page",                                failure(ErrorKind::unavailable,                                                                   502)},
        {"200 page instead of JSON",                                    failure(ErrorKind::malformed_reply)                                                             },
        {"no connection, cut, wrong length",                                failure(ErrorKind::unavailable)},
        {"slow head, slow body",failure(ErrorKind::timed_out)},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        House house;
        house.pass(4min);
        house.discord.guilds.clear();  // what it would say is no
        house.discord.faults["*"] = row.error;
        const auto got = house.confirm();
        CHECK(got.state == State::stale);
        REQUIRE(got.error);
        CHECK(got.error->kind == row.error.kind);
        CHECK(got.again_at > house.now.load());
        CHECK(staff_of_garden(got.known.session.identity) == Truth::yes);
        CHECK(house.is_signed_in());
        // Nobody asks again before the pause is over, whoever comes.
        const int calls = house.discord.total();
        CHECK(calls <= 3);
        for (int i = 0; i < 50; ++i) CHECK(house.confirm().state == State::stale);
        CHECK(house.discord.total() == calls);
        // The hour runs from when Discord last told, and then nobody knows.
        CHECK(house.freshness().unusable_at == noon + 1h);
        // Once Discord is back the answer is its own.
        house.discord.faults.clear();
        house.pass(1h);
        const auto back = house.confirm();
        CHECK(back.state == State::fresh);
        CHECK(staff_of_garden(back.known.session.identity) == Truth::no);
    }
}

TEST_CASE("G17 an outage of an hour with requests all the time costs few calls") {
    House house;
    house.pass(5min);
    house.discord.faults["*"] = failure(ErrorKind::timed_out);
    for (int second = 0; second < 3300; ++second) {
        CHECK(house.confirm().state == State::stale);
        house.pass(1s);
    }
    CHECK(house.discord.total() > 20);   // it does notice when Discord is back
    CHECK(house.discord.total() < 250);  // once a quarter of a minute, at most
    CHECK(house.is_signed_in());
    house.discord.faults.clear();
    house.pass(75s);
    CHECK(house.confirm().state == State::fresh);
}

TEST_CASE("M23 members that the login could not learn heal") {
    House house;
    (void)house.sessions->change(house.digest, house.now, [](Session& session) {
        session.identity.members.erase(garden);
        return true;
    });
    CHECK(house.freshness().due_at <= house.now.load());
    CHECK(staff_of_garden(house.known().session.identity) == Truth::unknown);
    house.discord.faults["/users/@me/guilds/100/member"] = limited(3s);
    CHECK(house.confirm().state == State::stale);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::unknown);
    CHECK(house.freshness().unusable_at > house.now.load());  // other rules go on
    house.discord.faults.clear();
    house.pass(3s);
    CHECK(house.confirm().state == State::fresh);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::yes);
    CHECK(house.freshness().due_at > house.now.load());
}

TEST_CASE("G12 G17 a guild whose members cannot be told keeps nothing else of a session old") {
    for (const auto kind : {ErrorKind::unavailable, ErrorKind::timed_out}) {
        CAPTURE(to_string(kind));
        House house;
        house.discord.faults["/users/@me/guilds/200/member"] = failure(kind, 500);
        const auto start = house.now.load();
        const auto confirm_for = [&](std::chrono::seconds time) {
            for (const auto end = house.now.load() + time; house.now.load() < end;) {
                house.pass(1s);
                house.confirm();
            }
        };
        confirm_for(10min);
        CHECK(house.known().session.identity.find_membership(shed)->at == start);
        house.discord.is_staff = false;
        house.discord.name = "anna";
        confirm_for(5min);
        CHECK(staff_of_garden(house.known().session.identity) == Truth::no);
        house.discord.is_staff = true;
        confirm_for(44min);
        CHECK(house.known().session.identity.user.username == "anna");
        CHECK(house.discord.count("/users/@me/guilds/200/member") < 80);
        CHECK(house.known().session.identity.find_membership(shed));
        // After max_stale that one is unknown; the session and its other rules go on.
        confirm_for(2min);
        const auto got = house.confirm();
        CHECK_FALSE(got.known.session.identity.find_membership(shed));
        CHECK(staff_of_garden(got.known.session.identity) == Truth::yes);
        const auto& settings = house.keepers.front()->settings();
        CHECK(freshness_of(got.known.session, settings).unusable_at > house.now.load() + 50min);
        house.discord.faults.clear();
        confirm_for(2min);
        CHECK(house.known().session.identity.find_membership(shed)->member);
    }
}

TEST_CASE("G12 a newer no that another look-up brought counts when Discord falls silent") {
    House house;
    auto& keeper = *house.keepers.front();
    const auto known = house.known();
    house.pass(1min);
    SUBCASE("the list of guilds") {
        house.discord.guilds.erase(garden);
        REQUIRE(keeper.guilds(known, 0s));
    }
    SUBCASE("the list of guilds with counts") {
        house.discord.guilds.erase(garden);
        REQUIRE(keeper.guilds(known, 0s, true));
    }
    SUBCASE("the member") {
        house.discord.guilds.erase(garden);
        REQUIRE(keeper.member(known, garden, 0s));
    }
    SUBCASE("the roles") {
        house.discord.is_staff = false;
        REQUIRE(keeper.member(known, garden, 0s));
    }
    const auto told_at = house.now.load();
    CHECK_MESSAGE(staff_of_garden(house.known().session.identity) == Truth::no, "at once");
    CHECK(house.confirmations == 1);
    REQUIRE(keeper.guilds(known, 1h));
    CHECK_MESSAGE(house.confirmations <= 2, "what is known already is no news");
    house.discord.faults["*"] = failure(ErrorKind::unavailable, 500);
    house.pass(4min);
    const auto got = house.confirm();
    CHECK(got.state == State::stale);
    CHECK(staff_of_garden(got.known.session.identity) == Truth::no);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::no);
    CHECK(got.known.session.identity.find_membership(garden)->at == told_at);
    // The other's age is its own.
    CHECK(got.known.session.identity.find_membership(shed)->at <= told_at);
    CHECK(house.freshness().confirmed_at == told_at - 1min);
}

TEST_CASE("G12 no answer lends its age to an older one") {
    House house;
    auto& keeper = *house.keepers.front();
    const auto known = house.known();
    // Held back, since a call has just failed; then another look-up is told.
    house.pass(5min);
    house.discord.faults["*"] = failure(ErrorKind::unavailable, 500);
    REQUIRE(house.confirm().state == State::stale);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::yes);
    CHECK(house.freshness().confirmed_at == noon);
    house.discord.faults.clear();
    house.discord.is_staff = false;
    REQUIRE(keeper.member(known, garden, 0s));
    house.discord.faults["*"] = failure(ErrorKind::unavailable, 500);
    const auto got = house.confirm();
    CHECK(staff_of_garden(got.known.session.identity) == Truth::no);
    CHECK(got.known.session.identity.find_membership(garden)->at == noon + 5min);
    CHECK(got.known.session.identity.find_membership(shed)->at == noon);
}

TEST_CASE("whoever waits too long for a thread is told that Discord cannot be asked now") {
    House house;
    house.pass(5min);
    std::function<void()> waiting;
    SessionKeeper::Parts parts{House::default_settings(), house.discord, *house.sessions,
                               [&] { return house.now.load(); },
                               [&](std::function<void()> call) {
                                   waiting = std::move(call);
                                   return true;
                               }};
    parts.queue_patience = 100ms;
    SessionKeeper keeper(parts);
    std::optional<Confirmation> got;
    keeper.confirm(house.known(), [&](const Confirmation& news) { got = news; });
    std::this_thread::sleep_for(parts.queue_patience + 1ms);
    waiting();
    REQUIRE(got);
    CHECK(got->state == State::stale);
    CHECK(got->error->source == ErrorSource::gate);
    CHECK(house.discord.total() == 0);
    CHECK(comes_true([&] {  // that is soon enough
        keeper.confirm(house.known(), [&](const Confirmation& news) { got = news; });
        waiting();
        return got->state == State::fresh;
    }));
}

TEST_CASE("however many wait for a session, Discord is asked once") {
    House house;
    house.pass(5min);
    std::atomic<bool> go = false;
    house.discord.meanwhile = [&] {
        while (!go) std::this_thread::yield();
    };
    std::atomic<int> told = 0;
    const auto known = house.known();
    for (int i = 0; i < 50; ++i) {
        house.keepers.front()->confirm(known, [&](const Confirmation& got) {
            if (got.state == State::fresh) ++told;
        });
    }
    go = true;
    house.join();
    CHECK(told == 50);
    CHECK(house.confirmations == 1);
    CHECK(house.discord.count("/users/@me/guilds") == 1);
    CHECK(house.discord.count("/users/@me/guilds/100/member") == 1);
}

TEST_CASE("a second session of the same user costs no call while the first is fresh") {
    House house;
    const auto token = SessionToken::make();
    auto session = house.known().session;
    session.handle = "other";
    REQUIRE(house.sessions->create(token, session));
    house.pass(4min);
    CHECK(house.confirm().state == State::fresh);
    const int calls = house.discord.total();
    const auto got = house.keepers.front()->confirm_now({token.digest(), session});
    CHECK(got.state == State::fresh);
    CHECK(got.known.session.identity.guilds_at == house.now.load());
    CHECK(house.discord.total() == calls);
}

TEST_CASE("a session that ended is found out before Discord is asked") {
    House house;
    const auto known = house.known();
    house.pass(5min);
    REQUIRE(house.sessions->end(house.digest));
    CHECK(house.keepers.front()->confirm_now(known).state == State::ended);
    CHECK(house.discord.total() == 0);
}

TEST_CASE("what another replica has learned is taken from the store") {
    House house(House::default_settings(), 2);
    const auto known = house.known();
    house.pass(5min);
    CHECK(house.keepers[0]->confirm_now(known).state == State::fresh);
    const int calls = house.discord.total();
    CHECK(house.keepers[1]->confirm_now(known).state == State::fresh);
    CHECK(house.discord.total() == calls);
}

// --- grants ------------------------------------------------------------------------

TEST_CASE("a grant is renewed at 80 % of its life, and the new one is in the store") {
    House house;
    house.pass(7 * 24 * 60min * 4 / 5 - 1ms);
    CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 1");
    house.pass(1ms);
    CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 2");
    CHECK(house.known().session.grant.refresh_token.reveal() == "refresh 2");
    CHECK(house.discord.count("refresh") == 1);
}

TEST_CASE("G13 G14 of fifty at the refresh point on two replicas, one renews and all get it") {
    House house(House::default_settings(), 2);
    house.pass(6 * 24h);
    const auto known = house.known();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 50; ++i) {
        threads.emplace_back([&, i] {
            const auto token = house.keepers[i % 2]->access_token(known);
            if (token && token->reveal() == "access 2") ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 50);
    CHECK(house.discord.count("refresh") == 1);
    CHECK(house.known().session.grant.access_token.reveal() == "access 2");
}

TEST_CASE("G14 the lease of a replica that died is waited out; its work is done once") {
    House house;
    house.pass(6 * 24h);
    const auto known = house.known();
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(*house.sessions->try_lease("grant " + base64url_encode(house.digest), "dead", 300ms));
    CHECK(house.keepers.front()->access_token(known)->reveal() == "access 2");
    CHECK(std::chrono::steady_clock::now() - begin >= 300ms);
    CHECK(house.discord.count("refresh") == 1);
}

TEST_CASE("G14 whoever loses the race takes what the winner wrote, without a call") {
    House house(House::default_settings(), 2);
    house.pass(6 * 24h);
    const auto known = house.known();
    const auto lease = "grant " + base64url_encode(house.digest);
    REQUIRE(*house.sessions->try_lease(lease, "winner", 60s));
    std::thread loser([&] {
        CHECK(house.keepers.back()->access_token(known)->reveal() == "access of the winner");
    });
    REQUIRE(*house.sessions->change(house.digest, house.now, [&](Session& session) {
        session.grant.access_token = Secret("access of the winner");
        session.grant.refresh_token = Secret("refresh of the winner");
        session.grant.issued_at = house.now;
        session.grant.expires_at = house.now.load() + 7 * 24h;
        return true;
    }));
    loser.join();
    CHECK(house.discord.count("refresh") == 0);
}

TEST_CASE("G15 an answer that was lost after the rotation ends in a login, without a loop") {
    House house;
    house.pass(6 * 24h);
    house.discord.loses_answer = true;
    CHECK(house.confirm().state == State::stale);
    CHECK(house.is_signed_in());
    CHECK(house.discord.count("refresh") == 1);
    house.pass(2min);
    const auto got = house.confirm();
    CHECK(got.state == State::ended);
    CHECK_FALSE(house.is_signed_in());
    CHECK(house.discord.count("refresh") == 2);
}

TEST_CASE("G15 a call that was lost before the rotation costs nothing") {
    House house;
    house.pass(6 * 24h);
    house.discord.faults["refresh"] = failure(ErrorKind::timed_out);
    house.confirm();
    CHECK(house.is_signed_in());
    house.discord.faults.clear();
    house.pass(2min);
    CHECK(house.confirm().state == State::fresh);
    CHECK(house.known().session.grant.access_token.reveal() == "access 2");
}

TEST_CASE("G16 invalid_grant ends the session, at once and everywhere") {
    House house;
    house.pass(6 * 24h);
    ++house.discord.generation;  // somebody else has spent it
    std::vector<std::string> told;
    const auto subscription =
        house.events.subscribe([&](const std::string& digest) { told.push_back(digest); });
    const auto got = house.confirm();
    CHECK(got.state == State::ended);
    CHECK(got.error->kind == ErrorKind::unauthorized);
    CHECK_FALSE(house.is_signed_in());
    CHECK(told == std::vector{house.digest});
    CHECK(house.discord.count("refresh") == 1);
}

TEST_CASE("G17 a renewal that is impossible for now keeps the session and its live token") {
    for (const auto& error :
         {failure(ErrorKind::unavailable, 503), failure(ErrorKind::timed_out), limited(5s),
          failure(ErrorKind::malformed_reply), failure(ErrorKind::forbidden, 401)}) {
        CAPTURE(to_string(error.kind));
        House house;
        house.pass(6 * 24h);
        house.discord.faults["refresh"] = error;
        for (int i = 0; i < 50; ++i) {
            CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 1");
        }
        CHECK(house.discord.count("refresh") == 1);
        house.pass(24h);  // now it is over
        CHECK_FALSE(house.keepers.front()->access_token(house.known()));
        CHECK(house.is_signed_in());
        house.discord.faults.clear();
        house.pass(2min);
        CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 2");
    }
}

TEST_CASE("a refused token is renewed once; refused when it is new, the session ends (6769)") {
    House house;
    house.pass(5min);
    SUBCASE("it was dead, the new one lives") {
        ++house.discord.generation;
        (void)house.sessions->change(house.digest, house.now, [](Session& session) {
            session.grant.refresh_token = Secret("refresh 2");
            return true;
        });
        CHECK(house.confirm().state == State::fresh);
        CHECK(house.known().session.grant.access_token.reveal() == "access 3");
        CHECK(house.discord.count("refresh") == 1);
    }
    SUBCASE("new tokens are dead for good") {
        house.discord.tokens_are_dead = true;
        CHECK(house.confirm().state == State::ended);
        CHECK_FALSE(house.is_signed_in());
        CHECK(house.discord.count("refresh") == 1);
        CHECK(house.discord.count("/users/@me/guilds") == 2);
        CHECK(house.discord.total() == 3);
    }
    SUBCASE("renewed for itself, and dead at its first use later") {
        house.pass(6 * 24h);
        REQUIRE(house.keepers.front()->access_token(house.known()));
        house.discord.tokens_are_dead = true;
        CHECK(house.confirm().state == State::ended);
        CHECK_FALSE(house.is_signed_in());
        CHECK(house.discord.count("refresh") == 1);
        CHECK(house.discord.total() == 2);
    }
    SUBCASE("renewed for itself, used, and dead much later: renewed again") {
        house.pass(6 * 24h);
        REQUIRE(house.keepers.front()->access_token(house.known()));
        CHECK(house.confirm().state == State::fresh);
        house.pass(5min);
        ++house.discord.generation;
        (void)house.sessions->change(house.digest, house.now, [](Session& session) {
            session.grant.refresh_token = Secret("refresh 3");
            return true;
        });
        CHECK(house.confirm().state == State::fresh);
        CHECK(house.discord.count("refresh") == 2);
    }
    SUBCASE("it was due anyway: one call with the new token is enough") {
        house.pass(6 * 24h);
        house.discord.tokens_are_dead = true;
        CHECK(house.confirm().state == State::ended);
        CHECK(house.discord.count("refresh") == 1);
        CHECK(house.discord.total() == 2);
    }
}

TEST_CASE("the new pair is durable before it is used, and not lost while the store is away") {
    House house;
    house.pass(6 * 24h);
    SUBCASE("for a moment") {
        house.store->writes_fail = 2;
        CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 2");
        CHECK(house.known().session.grant.access_token.reveal() == "access 2");
        // G14: nobody else gets the turn meanwhile.
        CHECK(house.store->lease_renewals == 3);
    }
    SUBCASE("for longer") {
        house.store->writes_fail = 1000;
        const auto token = house.keepers.front()->access_token(house.known());
        CHECK((!token || token->reveal() == "access 1"));
        CHECK(house.known().session.grant.access_token.reveal() == "access 1");
        house.store->writes_fail = 0;
        house.keepers.front()->upkeep();
        CHECK(house.known().session.grant.access_token.reveal() == "access 2");
        CHECK(house.keepers.front()->access_token(house.known())->reveal() == "access 2");
    }
    CHECK(house.discord.count("refresh") == 1);
}

TEST_CASE("a logout during a renewal stays a logout") {
    House house;
    house.pass(6 * 24h);
    const auto known = house.known();
    house.discord.meanwhile = [&] { (void)house.sessions->end(house.digest); };
    const auto token = house.keepers.front()->access_token(known);
    REQUIRE_FALSE(token);
    CHECK_FALSE(house.is_signed_in());
}

TEST_CASE("guilds are unknown, not kept, when a new grant no longer covers them") {
    House house;
    house.pass(6 * 24h);
    house.discord.scopes = {"identify"};
    const auto got = house.confirm();
    CHECK_FALSE(got.known.session.identity.guilds);
    CHECK(staff_of_garden(got.known.session.identity) == Truth::unknown);
    CHECK_FALSE(house.known().session.identity.guilds);
}

// --- for the application -------------------------------------------------------------

TEST_CASE("documents come from memory while they are young enough, max_age 0 asks Discord") {
    House house;
    auto& keeper = *house.keepers.front();
    CHECK(keeper.guilds(house.known(), 0s));
    CHECK(keeper.guilds(house.known(), 60s));
    CHECK(house.discord.count("/users/@me/guilds") == 1);
    CHECK(keeper.guilds(house.known(), 0s));
    CHECK(house.discord.count("/users/@me/guilds") == 2);
    CHECK(keeper.user(house.known(), 0s)->json->find("ann") != std::string::npos);
    CHECK(*keeper.member(house.known(), Snowflake(garden), 0s)->json == R"({"roles":["70"]})");
    house.discord.guilds.erase(garden);
    CHECK(*keeper.member(house.known(), Snowflake(garden), 0s)->json == "null");
}

TEST_CASE(
    "G12 what is learned while a round waits for Discord is not lost to what the round knew") {
    House house;
    auto& keeper = *house.keepers.front();
    house.pass(50min);
    std::atomic<bool> is_first = true;
    house.discord.meanwhile = [&] {
        // The round has the list and both members, and asks for the profile.
        if (house.discord.total() < 3 || !is_first.exchange(false)) return;
        house.pass(1s);
        house.discord.guilds.erase(garden);
        CHECK(keeper.guilds(house.known(), 0s));
    };
    const auto got = house.confirm();
    CHECK_FALSE(is_first);
    CHECK(staff_of_garden(got.known.session.identity) == Truth::no);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::no);
}

TEST_CASE("G12 F22 what a renewal takes away meanwhile does not come back with a round's answer") {
    House house;
    house.pass(50min);
    std::atomic<bool> is_first = true;
    house.discord.meanwhile = [&] {
        if (!is_first.exchange(false)) return;
        // Another call renews the grant, and Discord gives less than it did.
        auto less = house.known().session.grant;
        less.issued_at = house.now;
        less.scopes = {"identify"};
        CHECK(house.sessions->change(house.digest, house.now, [&](Session& session) {
            take_up(session, less, House::default_settings());
            return true;
        }));
    };
    const auto got = house.confirm();
    CHECK_FALSE(is_first);
    for (const auto& session : {got.known.session, house.known().session}) {
        CHECK_FALSE(session.identity.guilds);
        CHECK(session.identity.members.empty());
        CHECK(staff_of_garden(session.identity) == Truth::unknown);
        CHECK(session.grant.scopes.size() == 1);
    }
}

TEST_CASE("G12 G17 a store that is away while news come leaves what is cached as it is") {
    House house;
    auto& keeper = *house.keepers.front();
    const auto known = house.known();
    house.pass(1min);
    house.discord.guilds.erase(garden);
    house.store->writes_fail = 1000;
    CHECK(keeper.guilds(known, 0s));
    CHECK(house.confirmations == 0);
    house.store->writes_fail = 0;
    CHECK(keeper.guilds(known, 1h));
    CHECK(house.confirmations == 1);
    CHECK(staff_of_garden(house.known().session.identity) == Truth::no);
}

TEST_CASE("an answer of Discord's about somebody else is no answer") {
    House house;
    auto& keeper = *house.keepers.front();
    house.discord.told_id = "8";
    const auto other = keeper.user(house.known(), 0s);
    REQUIRE_FALSE(other);
    CHECK(other.error().kind == ErrorKind::malformed_reply);
    house.pass(50min);
    const auto got = house.confirm();
    CHECK(got.state == State::stale);
    CHECK(got.error->kind == ErrorKind::malformed_reply);
    CHECK(got.known.session.identity.user.id == ann);
    CHECK(house.known().session.identity.user.id == ann);
}

TEST_CASE("a missing scope is said without a call, and ends nothing") {
    House house;
    auto& keeper = *house.keepers.front();
    const auto refused = keeper.connections(house.known(), 0s);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().source == ErrorSource::gate);
    CHECK(house.discord.total() == 0);
    // Discord's own 401 for a scope we do not know of.
    house.discord.faults["/applications/1/entitlements"] = failure(ErrorKind::unauthorized, 401);
    discord::Request request{discord::Request::As::user,
                             {},
                             "GET",
                             discord::Route::known("/applications/1/entitlements")};
    CHECK_FALSE(keeper.request(house.known(), request));
    CHECK(house.is_signed_in());
    CHECK(house.discord.count("refresh") == 0);
    house.discord.tokens_are_dead = true;
    CHECK_FALSE(keeper.request(house.known(), request));
    CHECK_FALSE(house.is_signed_in());
    CHECK(house.discord.count("refresh") == 1);
}
