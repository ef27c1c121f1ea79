#include <doctest/doctest.h>
#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>

#include "core/discord/client.hpp"
#include "core/session_keeper.hpp"
#include "core/url.hpp"
#include "store/open.hpp"
#include "tests/support/stage.hpp"

// A thousand users whose tokens, profiles, guilds and roles are all due at once, with the
// keeper, the client and the simulator as they are, and time that passes when nobody
// works.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr int people = 1000;
constexpr Snowflake first_user{600000000000000000};
constexpr const char* callback = "http://127.0.0.1:1/callback";
const std::string scopes = "identify guilds guilds.members.read";

Snowflake user_number(int number) {
    return Snowflake(first_user.value() + static_cast<std::uint64_t>(number));
}

/// Discord's time and ours, both: what a limit is reckoned in stands still while calls run.
struct Time {
    TimePoint now() const { return start + passed.load(); }
    SteadyClock::time_point ticks() {
        thread_local int last_round = -1;
        const int now = round;
        if (std::exchange(last_round, now) != now) ++lookers;
        return SteadyClock::time_point(24h) + passed.load();
    }
    void next_round() {
        lookers = 0;
        ++round;
    }

    const TimePoint start = Clock::now();
    std::atomic<milliseconds> passed{};
    std::atomic<int> round{0};
    std::atomic<int> lookers{0};  ///< threads that looked at the clock in this round
};

constexpr int thread_count = 16;

/// As many threads as the daemon has for this.
class Threads {
public:
    Threads() {
        for (int i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
    }
    ~Threads() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    void run(std::function<void()> call) {
        {
            const std::lock_guard lock(mutex_);
            calls_.push_back(std::move(call));
        }
        changed_.notify_one();
    }

private:
    void work() {
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return closed_ || !calls_.empty(); });
            if (calls_.empty()) return;
            const auto call = std::move(calls_.front());
            calls_.pop_front();
            lock.unlock();
            call();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> calls_;
    bool closed_ = false;
    std::vector<std::thread> threads_;
};

sim::Simulator::Options crowd(const Time& time) {
    sim::Simulator::Options options;
    options.now = [&time] { return time.now(); };
    options.bot_token = bot_token;
    options.redirect_uris = {callback};
    options.world = sim::demo_world();
    for (int i = 0; i <= people; ++i) {
        sim::Account account;
        account.id = user_number(i);
        account.username = "user" + std::to_string(i);
        options.world.add_user(account).join(account.id, demo::garden);
    }
    return options;
}

struct House {
    explicit House(bool has_bot) : discord(crowd(time)) {
        browser = std::make_unique<httplib::Client>("127.0.0.1", discord.start());
        discord::ClientOptions options;
        options.api_url = discord.api_url();
        options.client_id = demo::client_id;
        options.client_secret = Secret(demo::client_secret);
        options.bot_token = Secret(bot_token);
        options.now = [this] { return time.now(); };
        options.ticks = [this] { return time.ticks(); };
        // Of this machine's time, too: a call has its turn however long that takes here.
        options.longest_wait = options.total_timeout = 10min;
        client = discord::make_client(std::move(options));
        FreshnessSettings settings;
        settings.member_guilds = {demo::garden};
        settings.has_bot = has_bot;
        SessionKeeper::Parts parts{settings, *client, *store.sessions,
                                   [this] { return time.now(); },
                                   [this](std::function<void()> call) {
                                       threads.run(std::move(call));
                                       return true;
                                   }};
        parts.queue_patience = 1h;  // of this machine's time, which is not what is measured
        keeper = std::make_unique<SessionKeeper>(std::move(parts));
        discord.change_settings([](auto& all) { all.rate_limits = false; });
        for (int i = 0; i <= people; ++i) sign_in(user_number(i));
        discord.change_settings([](auto& all) { all.rate_limits = true; });
    }
    ~House() {
        keeper->stop();
        client.reset();
    }

    void sign_in(Snowflake user) {
        time.passed = time.passed.load() + 25ms;  // the client goes at its own pace
        discord.approve_as(user);
        QueryBuilder query;
        query.add("client_id", demo::client_id)
            .add("response_type", "code")
            .add("redirect_uri", callback)
            .add("scope", scopes);
        const auto answer = browser->Get("/oauth2/authorize?" + query.str());
        REQUIRE(answer);
        const auto code = parameter(answer->get_header_value("Location"), "code");
        const auto grant = client->exchange_code(Secret(code), Secret(), callback);
        REQUIRE(grant);
        Session session;
        session.handle = user.to_string();
        session.created_at = session.last_seen_at = time.now();
        session.expires_at = time.now() + 300 * 24h;
        session.grant = *grant;
        session.identity.user.id = user;
        session.identity.user_at = session.identity.guilds_at = time.now();
        const auto token = SessionToken::make();
        REQUIRE(store.sessions->create(token, session));
        known.push_back({token.digest(), session});
    }

    int calls() const {
        int sum = 0;
        for (const char* route :
             {"/oauth2/token", "/users/@me", "/users/@me/guilds",
              "/users/@me/guilds/{guild}/member", "GET /guilds/{guild}/members/{user}"}) {
            sum += discord.count(route);
        }
        return sum;
    }

    /// Lets time pass while everybody waits for a turn, until all are `done`. Those who
    /// wait look at the clock when another call leaves the queue: one that may never go
    /// does so each time. Time stands still until each thread has looked, so that one which
    /// the machine holds up does not wake up long after its turn.
    void let_time_pass(const std::atomic<int>& done) {
        discord.change_settings([](auto& all) { all.limits["/oauth2/@me"] = {1, 1000000s}; });
        const auto poke = [&] {
            return client->request(discord::Request::by_user(
                known.back().session.grant.access_token, discord::Route::known("/oauth2/@me")));
        };
        REQUIRE(poke());
        while (done < people) {
            const int called = calls();
            REQUIRE_FALSE(poke());
            const int this_thread = 1;
            const int working = std::min(thread_count, people - done);
            std::this_thread::sleep_for(500us);  // of the machine's time, for them to wake up
            const bool all_wait = time.lookers - this_thread >= working && calls() == called;
            if (all_wait) {
                time.passed = time.passed.load() + 40ms;
                time.next_round();
            }
        }
    }

    Time time;
    sim::Simulator discord;
    std::unique_ptr<httplib::Client> browser;
    OpenedStore store = open_sessions("memory:", {}, 0s);
    std::unique_ptr<discord::Api> client;
    std::unique_ptr<SessionKeeper> keeper;
    std::vector<KnownSession> known;  ///< the last one's token is for us
    Threads threads;
};

}  // namespace

TEST_CASE("M25 1,000 users refreshed at once: no 429 of our own haste, near the best time") {
    for (const bool has_bot : {false, true}) {
        CAPTURE(has_bot);
        House house(has_bot);
        // The bucket of our address, and the bot's; those of each user are as they come.
        const sim::Limit narrow{50, 2s};
        house.discord.change_settings([&](auto& all) {
            all.limits["/oauth2/token"] = narrow;
            all.limits["GET /guilds/{guild}/members/{user}"] = narrow;
        });
        const auto best = milliseconds(2s) * (people - narrow.units) / narrow.units;
        const milliseconds begin = house.time.passed.load() + 7 * 24 * 60min * 4 / 5;
        house.time.passed = begin;
        const auto before = house.client->statistics();
        const int tokens = house.discord.count("/oauth2/token");
        std::atomic<int> fresh = 0;
        std::atomic<int> done = 0;
        for (int i = 0; i < people; ++i) {
            house.keeper->confirm(house.known[static_cast<std::size_t>(i)],
                                  [&](const Confirmation& got) {
                                      if (got.state == Confirmation::State::fresh) ++fresh;
                                      ++done;
                                  });
        }
        house.let_time_pass(done);
        const auto took = house.time.passed.load() - begin;
        const auto after = house.client->statistics();
        CHECK(fresh == people);
        CHECK(after.rate_limited == before.rate_limited);
        CHECK(house.discord.count("/oauth2/token") - tokens == people);
        CHECK(took >= best - 2s);
        CHECK(took <= best * 5 / 4);
        MESSAGE("took " << took.count() << " ms, best " << best.count() << " ms");
        for (int i = 0; i < people; i += 100) {
            const auto& digest = house.known[static_cast<std::size_t>(i)].digest;
            const auto found = house.store.sessions->find(digest, house.time.now());
            REQUIRE(found);
            REQUIRE(*found);
            CHECK((*found)->identity.members.at(demo::garden).member.has_value());
            CHECK((*found)->grant.issued_at > house.time.start + 24h);
        }
    }
}
