#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/hex.hpp"
#include "core/identity_headers.hpp"
#include "store/open.hpp"

// What a store does with many sessions:
//
//   session_store fill  STORE SESSIONS SECONDS   writes them, for so long at most
//   session_store look  STORE SESSIONS           finds, lists, touches and ends some
//   session_store purge STORE SESSIONS           takes the expired out, while others read and write
//
// STORE is what session.store takes. Prints one JSON object of figures. Each session can be told
// from its number, so that the three may be processes of their own.

namespace {

using namespace cordgate;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto idle_timeout = 24h;
constexpr auto lifetime = 7 * 24h;

const Secret key{"0123456789abcdef0123456789abcdef"};

/// The same numbers for the same seed (SplitMix64).
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}

    std::uint64_t next() {
        auto z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    double share() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
    bool happens(double share_of_all) { return share() < share_of_all; }

private:
    std::uint64_t state_;
};

// --- who is signed in ------------------------------------------------------------------

// Snowflakes of the last nine years: the milliseconds since 2015 from bit 22 on.
Snowflake snowflake(Dice& dice) {
    return Snowflake((100'000'000'000 + dice.below(250'000'000'000)) << 22 | dice.below(4096));
}

std::string image_hash(Dice& dice) {
    std::string bytes;
    for (int i = 0; i < 16; ++i) bytes += static_cast<char>(dice.below(256));
    return (dice.happens(0.08) ? "a_" : "") + hex_encode(bytes);
}

// Mostly ASCII, as names are; some with what takes several bytes.
std::string name(Dice& dice, std::size_t longest) {
    constexpr std::array<const char*, 20> parts{"garden",        "the ",
                                                "night",         " of ",
                                                "Official ",     "dev",
                                                " server",       "Community",
                                                "gaming",        " \xf0\x9f\x8c\xb1",
                                                "\xc3\xa9toile", "house",
                                                " & friends",    "craft",
                                                "lounge",        "\xe3\x81\x82\xe3\x82\x8b",
                                                "study ",        "EU",
                                                "bot support",   "2b"};
    const auto wanted = 5 + dice.below(longest - 5);
    std::string text;
    while (text.size() < wanted) text += parts.at(dice.below(parts.size()));
    return text;
}

std::vector<Guild> guilds(Dice& dice) {
    // Half of all people are in 25 guilds or less, one in fifty in more than 130; 200 are the most.
    const auto normal =
        std::sqrt(-2 * std::log(1 - dice.share())) * std::cos(2 * 3.14159265358979 * dice.share());
    const auto count = std::clamp(25 * std::exp(0.8 * normal), 0.0, 200.0);
    std::vector<Guild> list;
    for (int i = 0; i < static_cast<int>(count); ++i) {
        Guild guild;
        guild.id = snowflake(dice);
        guild.name = name(dice, 32);
        if (dice.happens(0.85)) guild.icon = image_hash(dice);
        guild.owner = dice.happens(0.03);
        constexpr std::array<const char*, 4> permissions{"2248473465835073", "2251799813685247",
                                                         "1071698660929", "559623605575360"};
        guild.permissions = *discord::Permissions::parse(permissions.at(dice.below(4)));
        list.push_back(std::move(guild));
    }
    return list;
}

User user(Dice& dice) {
    User user;
    user.id = snowflake(dice);
    user.username = name(dice, 14);
    if (dice.happens(0.7)) user.global_name = name(dice, 18);
    if (dice.happens(0.8)) user.avatar = image_hash(dice);
    user.locale = "en-US";
    const auto quoted = [](const std::optional<std::string>& text) {
        return text ? "\"" + *text + "\"" : "null";
    };
    // The members that Discord sends with the scope identify.
    user.raw = R"({"id":")" + user.id.to_string() + R"(","username":")" + user.username +
               R"(","avatar":)" + quoted(user.avatar) +
               R"(,"discriminator":"0","public_flags":64,"flags":64,"banner":null,)"
               R"("accent_color":5793266,"global_name":)" +
               quoted(user.global_name) +
               R"(,"avatar_decoration_data":null,"collectibles":null,"display_name_styles":null,)"
               R"("banner_color":"#586622","clan":null,"primary_guild":null,"mfa_enabled":true,)"
               R"("locale":"en-US","premium_type":0})";
    return user;
}

/// Everybody who is signed in, by number.
class Population {
public:
    explicit Population(std::uint64_t count) : count_(count), now_(Clock::now()) {}

    std::uint64_t count() const { return count_; }

    /// Of ten sessions five are a user's only one, two and three are of one user each;
    /// and one in a thousand belongs to a user who never signs out (at most a thousand do).
    std::uint64_t user_of(std::uint64_t number) const {
        if (number < sessions_of_heavy_user()) return 0;
        constexpr std::array<std::uint64_t, 10> pattern{0, 1, 2, 3, 4, 5, 5, 6, 6, 6};
        return 1 + number / 10 * 7 + pattern.at(number % 10);
    }
    std::uint64_t sessions_of_heavy_user() const {
        return std::min<std::uint64_t>(1000, count_ / 1000);
    }
    Snowflake user_id_of(std::uint64_t number) const {
        Dice dice(user_of(number));
        return user(dice).id;
    }

    /// A tenth has expired, and a tenth was idle for too long.
    bool is_live(std::uint64_t number) const { return number % 10 != 3 && number % 10 != 7; }
    std::uint64_t live_below(Dice& dice) const {
        for (;;) {
            const auto number = dice.below(count_);
            if (is_live(number)) return number;
        }
    }

    SessionToken token(std::uint64_t number) const {
        return *SessionToken::parse(base64url_encode(sha256("token " + std::to_string(number))));
    }
    std::string digest(std::uint64_t number) const { return token(number).digest(); }

    Session session(std::uint64_t number) const {
        Dice of_session(number + (1ULL << 40)), of_user(user_of(number));
        Session session;
        session.handle = base64url_encode(sha256("handle " + std::to_string(number)).substr(0, 16));
        session.created_at = now_ - 1h - 1min * of_session.below(6000);
        session.last_seen_at = now_ - 1min * of_session.below(900);
        if (number % 10 == 3) session.created_at -= lifetime;
        if (number % 10 == 7) session.last_seen_at -= idle_timeout;
        session.expires_at = session.created_at + lifetime;
        session.client_address = "198.51.100." + std::to_string(of_session.below(256));
        session.user_agent =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/131.0.0.0 Safari/537.36";
        session.state_digest = sha256("state " + std::to_string(number));
        session.return_to = "/members/" + std::to_string(of_session.below(1000));
        const auto token_text = [&] {
            return base64url_encode(sha256(std::to_string(of_session.next()))).substr(0, 30);
        };
        session.grant.access_token = Secret(token_text());
        session.grant.refresh_token = Secret(token_text());
        session.grant.issued_at = session.created_at;
        session.grant.expires_at = session.created_at + lifetime;
        session.grant.scopes = {"identify", "guilds", "guilds.members.read"};
        session.identity.user = user(of_user);
        session.identity.guilds = guilds(of_user);
        session.identity.user_at = session.identity.guilds_at = session.last_seen_at;
        Member member;
        if (of_user.happens(0.5)) member.nick = name(of_user, 14);
        for (auto roles = 1 + of_user.below(8); roles > 0; --roles) {
            member.roles.push_back(snowflake(of_user));
        }
        session.identity.members[Snowflake(197038439483310086)] = {std::move(member),
                                                                   session.last_seen_at};
        return session;
    }

private:
    const std::uint64_t count_;
    const TimePoint now_;
};

// --- figures ---------------------------------------------------------------------------

template <class T>
T require(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().detail);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double seconds_since(SteadyClock::time_point start) {
    return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

class Figures {
public:
    void add(const std::string& name, double value) {
        char text[64];
        std::snprintf(text, sizeof text, "%.6g", value);
        json_ += (json_.empty() ? "{\"" : ", \"") + name + "\": " + text;
    }
    void print() const { std::printf("%s}\n", json_.c_str()); }

private:
    std::string json_;
};

/// How long each call took.
class Times {
public:
    template <class Call>
    void measure(Call call) {
        const auto start = SteadyClock::now();
        call();
        seconds_.push_back(seconds_since(start));
    }
    void add(const Times& others) {
        seconds_.insert(seconds_.end(), others.seconds_.begin(), others.seconds_.end());
    }
    /// NAME_p50_ms, NAME_p99_ms, NAME_max_ms.
    void tell(Figures& figures, const std::string& name) {
        if (seconds_.empty()) return;
        std::sort(seconds_.begin(), seconds_.end());
        const auto at = [&](double share) {
            const auto last = static_cast<double>(seconds_.size() - 1);
            return seconds_.at(static_cast<std::size_t>(last * share)) * 1e3;
        };
        figures.add(name + "_p50_ms", at(0.5));
        figures.add(name + "_p99_ms", at(0.99));
        figures.add(name + "_max_ms", at(1));
    }

private:
    std::vector<double> seconds_;
};

double resident_mib() {
    long total = 0, resident = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    if (!file || std::fscanf(file, "%ld %ld", &total, &resident) != 2) std::abort();
    std::fclose(file);
    return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

/// Runs `work(number of the thread)` on several threads; throws what the first threw.
template <class Work>
void on_threads(unsigned count, Work work) {
    std::vector<std::thread> threads;
    std::vector<std::exception_ptr> failures(count);
    for (unsigned i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            try {
                work(i);
            } catch (...) {
                failures.at(i) = std::current_exception();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& failure : failures) {
        if (failure) std::rethrow_exception(failure);
    }
}

// --- what is measured ------------------------------------------------------------------

// As many at once as the daemon would: its pool for the store.
constexpr unsigned threads = 4;

void fill(SessionRepository& sessions, const Population& people, double most_seconds,
          Figures& figures) {
    const auto start = SteadyClock::now();
    std::array<Times, threads> times;
    std::atomic<std::uint64_t> next{0}, written{0};
    on_threads(threads, [&](unsigned thread) {
        while (seconds_since(start) < most_seconds) {
            const auto number = next.fetch_add(1);
            if (number >= people.count()) return;
            const auto session = people.session(number);
            times.at(thread).measure(
                [&] { require(sessions.create(people.token(number), session)); });
            ++written;
        }
    });
    const auto took = seconds_since(start);
    Times all;
    for (const auto& each : times) all.add(each);
    figures.add("written", static_cast<double>(written));
    figures.add("seconds", took);
    figures.add("per_second", static_cast<double>(written) / took);
    all.tell(figures, "create");
}

void look(SessionRepository& sessions, const Population& people, Figures& figures) {
    const auto finds = std::min<std::uint64_t>(20'000, 10 * people.count());
    const auto some = std::min<std::uint64_t>(500, people.count() / 4);
    const auto find = [&](std::uint64_t number) {
        if (!require(sessions.find(people.digest(number), Clock::now()))) {
            throw std::runtime_error("session " + std::to_string(number) + " was not found");
        }
    };
    const auto find_many = [&](unsigned at_once) {
        std::array<Times, threads> times;
        on_threads(at_once, [&](unsigned thread) {
            Dice dice(thread + 7);
            for (std::uint64_t i = 0; i < finds / at_once; ++i) {
                const auto number = people.live_below(dice);
                times.at(thread).measure([&] { find(number); });
            }
        });
        Times all;
        for (const auto& each : times) all.add(each);
        return all;
    };
    // The first look-ups meet an empty cache of pages.
    find_many(1).tell(figures, "find");
    find_many(threads).tell(figures, "find_by_4");

    Dice dice(99);
    Times unknown, of_user, pages, touches, ends;
    for (std::uint64_t i = 0; i < finds; ++i) {
        const auto digest = sha256("nobody " + std::to_string(i));
        unknown.measure([&] { require(sessions.find(digest, Clock::now())); });
    }
    for (std::uint64_t i = 0; i < some; ++i) {
        const auto id = people.user_id_of(people.sessions_of_heavy_user() + dice.below(some));
        of_user.measure([&] { require(sessions.list(id, "", 100, Clock::now())); });
        const auto number = people.live_below(dice);
        touches.measure([&] { require(sessions.touch(people.digest(number), Clock::now())); });
    }
    std::string cursor;
    for (std::uint64_t i = 0; i < 50; ++i) {
        pages.measure(
            [&] { cursor = require(sessions.list(std::nullopt, cursor, 100, Clock::now())).next; });
        if (cursor.empty()) break;
    }
    unknown.tell(figures, "find_unknown");
    of_user.tell(figures, "list_user");
    pages.tell(figures, "list_page_of_100");
    touches.tell(figures, "touch");

    // The last sessions, so that those that others look for stay.
    std::uint64_t ended = 0;
    for (std::uint64_t i = 1; i <= some / 5; ++i) {
        const auto id = people.user_id_of(people.count() - 10 * i);
        ends.measure([&] { ended += require(sessions.end_user(id, Clock::now())).size(); });
    }
    ends.tell(figures, "end_user");
    Times heavy;
    std::uint64_t of_heavy = 0;
    heavy.measure(
        [&] { of_heavy = require(sessions.end_user(people.user_id_of(0), Clock::now())).size(); });
    if (people.sessions_of_heavy_user() > 0) {
        figures.add("heavy_user_sessions", static_cast<double>(of_heavy));
        heavy.tell(figures, "end_heavy_user");
    }
    if (ended == 0) throw std::runtime_error("no user had a session to end");
}

/// As the daemon keeps sessions in its cache: decoded, with the headers rendered.
void hold(SessionRepository& sessions, const Population& people, Figures& figures) {
    const auto count = std::min<std::uint64_t>(10'000, people.count() / 4);
    struct Held {
        Session session;
        std::string headers;
    };
    std::vector<std::shared_ptr<const Held>> held;
    held.reserve(count);
    IdentityHeaderOptions options;
    options.scopes = {"identify", "guilds", "guilds.members.read"};
    const auto before = resident_mib();
    Dice dice(11);
    while (held.size() < count) {
        auto found = require(sessions.find(people.digest(people.live_below(dice)), Clock::now()));
        if (!found) continue;
        auto headers = render_identity_headers(*found, options);
        held.push_back(std::make_shared<Held>(Held{std::move(*found), std::move(headers)}));
    }
    figures.add("cached_kib_each", (resident_mib() - before) * 1024 / static_cast<double>(count));
}

/// Reads and touches, one of each at a time, until told to stop.
class Others {
public:
    Others(SessionRepository& sessions, const Population& people) {
        const auto run = [this, &people](Times& times, std::uint64_t seed, auto call) {
            return std::thread([this, &people, &times, seed, call] {
                Dice dice(seed);
                while (!stop_) {
                    const auto number = people.live_below(dice);
                    times.measure([&] {
                        if (!call(people.digest(number))) ++failures_;
                    });
                    std::this_thread::sleep_for(1ms);
                }
            });
        };
        threads_.push_back(run(reads_, 5, [&](const std::string& digest) {
            return sessions.find(digest, Clock::now()).has_value();
        }));
        threads_.push_back(run(writes_, 6, [&](const std::string& digest) {
            return sessions.touch(digest, Clock::now()).has_value();
        }));
    }
    void tell(Figures& figures, const std::string& when) {
        stop_ = true;
        for (auto& thread : threads_) thread.join();
        reads_.tell(figures, when + "_read");
        writes_.tell(figures, when + "_write");
        figures.add(when + "_failures", static_cast<double>(failures_));
    }

private:
    std::atomic<bool> stop_{false};
    std::atomic<int> failures_{0};
    Times reads_, writes_;
    std::vector<std::thread> threads_;
};

// As the daemon does it.
void purge(SessionRepository& sessions, const Population& people, Figures& figures) {
    constexpr auto batch = SessionRepository::purge_batch;
    const bool is_trial = people.count() < 100'000;
    Others before(sessions, people);
    std::this_thread::sleep_for(is_trial ? 200ms : 5s);
    before.tell(figures, "without");

    Others meanwhile(sessions, people);
    Times batches;
    std::size_t removed = 0;
    const auto start = SteadyClock::now();
    for (bool more = true; more;) {
        std::size_t gone = 0;
        batches.measure([&] { gone = require(sessions.purge(Clock::now(), batch)); });
        removed += gone;
        more = gone >= batch;
        if (more) std::this_thread::sleep_for(SessionRepository::purge_pause);
    }
    figures.add("purged", static_cast<double>(removed));
    figures.add("seconds", seconds_since(start));
    batches.tell(figures, "batch");
    meanwhile.tell(figures, "purging");
}

int run(const std::vector<std::string>& words) {
    if (words.size() < 3) {
        std::fputs("usage: session_store fill|look|purge STORE SESSIONS [SECONDS]\n", stderr);
        return 2;
    }
    Figures figures;
    const auto start = SteadyClock::now();
    const auto store = open_sessions(words[1], {key}, idle_timeout);
    figures.add("open_ms", seconds_since(start) * 1e3);
    const Population people(std::stoull(words[2]));
    if (words[0] == "fill") {
        fill(*store.sessions, people, words.size() > 3 ? std::stod(words[3]) : 1e9, figures);
    } else if (words[0] == "look") {
        look(*store.sessions, people, figures);
        figures.add("rss_mib", resident_mib());
        hold(*store.sessions, people, figures);
    } else {
        purge(*store.sessions, people, figures);
    }
    figures.print();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "session_store: %s\n", problem.what());
        return 1;
    }
}
