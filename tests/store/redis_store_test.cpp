#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <optional>
#include <thread>

#include "core/base64.hpp"
#include "core/random.hpp"
#include "store/open.hpp"
#include "store/sealed_sessions.hpp"
#include "support.hpp"
#include "tests/support/fair_time.hpp"

// What can befall a Redis, and what RedisStore does then.

using namespace cordgate;
using namespace cordgate::test;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr const char* silent_name = "silent.invalid";
std::atomic<bool> names_are_silent{false};
std::atomic<int> unanswered{0};  ///< those who wait for an answer about silent_name

}  // namespace

// In place of the C library's, for all of this program.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** list) {
    if (host && std::string_view(host) == silent_name) {
        ++unanswered;
        while (names_are_silent) std::this_thread::sleep_for(1ms);
        --unanswered;
        return EAI_NONAME;
    }
    using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return real(host, service, hints, list);
}

namespace {

/// For who is to get no answer in time; nor may it be needed that one does.
RedisOptions impatient(std::chrono::milliseconds time = 300ms) {
    auto options = at_noon();
    options.connect_timeout = options.command_timeout = time;
    return options;
}

std::string why_refused(const RedisUrl& url) {
    return complaint([&] { RedisStore store(url, at_noon()); });
}

std::size_t open_files() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        (void)entry;
        ++count;
    }
    return count;
}

/// Answers PING as Redis does and everything else with the bytes it was given.
class FakeRedis {
public:
    explicit FakeRedis(std::string answer, bool closes = false)
        : answer_(std::move(answer)), closes_(closes) {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        url().unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 16) != 0) {
            throw std::runtime_error("the fake Redis cannot listen");
        }
        thread_ = std::thread([this] { serve(); });
    }
    ~FakeRedis() {
        stopping_ = true;
        thread_.join();
        ::close(listener_);
    }
    int connections() const { return connections_; }
    RedisUrl url() const {
        RedisUrl url;
        url.unix_path = directory_.file("fake.sock");
        return url;
    }

private:
    void serve() {
        std::vector<pollfd> waiting{
            {listener_, POLLIN, 0}
        };
        while (!stopping_) {
            if (::poll(waiting.data(), waiting.size(), 10) <= 0) continue;
            if (waiting[0].revents != 0) {
                waiting.push_back({::accept(listener_, nullptr, nullptr), POLLIN, 0});
                ++connections_;
                continue;
            }
            for (std::size_t i = waiting.size() - 1; i > 0; --i) {
                if (waiting[i].revents == 0 || talk(waiting[i].fd)) continue;
                ::close(waiting[i].fd);
                waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        for (std::size_t i = 1; i < waiting.size(); ++i) ::close(waiting[i].fd);
    }
    // False when the connection is over.
    bool talk(int fd) const {
        char buffer[64 * 1024];
        const auto got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) return false;
        const std::string asked(buffer, static_cast<std::size_t>(got));
        const bool is_ping = contains(asked, "PING");
        const auto& said = is_ping ? pong_ : answer_;
        for (std::size_t sent = 0; sent < said.size() && !stopping_;) {
            pollfd writable{fd, POLLOUT, 0};
            if (::poll(&writable, 1, 10) <= 0) continue;
            const auto count =
                ::send(fd, said.data() + sent, said.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0) return false;
            sent += static_cast<std::size_t>(count);
        }
        return is_ping || !closes_;
    }

    const std::string pong_ = "+PONG\r\n";
    const std::string answer_;
    const bool closes_;
    TempDir directory_;
    int listener_ = -1;
    std::atomic<bool> stopping_{false};
    std::atomic<int> connections_{0};
    std::thread thread_;
};

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

Session a_session() {
    Session session;
    session.handle = "handle";
    session.created_at = session.last_seen_at = Clock::now();
    session.expires_at = session.created_at + 24h;
    session.user_agent = "secret agent";
    session.client_address = "192.0.2.77";
    session.grant.access_token = Secret("very-secret-access-token");
    session.grant.refresh_token = Secret("very-secret-refresh-token");
    session.identity.user.id = Snowflake(80351110224678912);
    session.identity.user.username = "nelly-the-visitor";
    session.identity.user.email = "nelly@example.com";
    return session;
}

}  // namespace

TEST_CASE("L16 a Redis that is down at start is a warning, and used as soon as it is there") {
    RedisServer server;
    server.kill();
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.warnings().size() == 1);
    CHECK(contains(store.warnings()[0], server.socket()));
    const auto found = store.find(sha256("a"));
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == ErrorKind::unavailable);
    CHECK_FALSE(store.ping());
    server.start();
    CHECK(comes_true_within(1s, [&] { return store.ping().has_value(); }));
    CHECK(store.insert(session_row("a")));
}

TEST_CASE("L17 while Redis is down calls fail at once; a second after its return all is well") {
    RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.insert(session_row("a")));
    const auto files = open_files();
    for (int round = 0; round < 3; ++round) {
        server.kill();
        for (int i = 0; i < 300; ++i) {
            const auto found = store.find(sha256("a"));
            REQUIRE_FALSE(found);
            CHECK(found.error().kind == ErrorKind::unavailable);
            CHECK(found.error().source == ErrorSource::store);
            const auto ended = store.erase(sha256("b"));
            REQUIRE_FALSE(ended);
        }
        server.start();
        CHECK(comes_true_within(1s, [&] { return store.find(sha256("a")).has_value(); }));
        CHECK(store.find(sha256("a"))->has_value());
        CHECK(store.touch(sha256("a"), noon + 1s));  // its script is loaded anew
    }
    CHECK(open_files() <= files + 1);
}

TEST_CASE("L18 L19 after a time-out no answer is ever taken for another's") {
    RedisServer server;
    RedisStore patient(server.url(), at_noon());
    for (const auto* name : {"a", "b"}) REQUIRE(patient.insert(session_row(name)));
    RedisStore store(server.url(), impatient(50ms));
    for (int round = 0; round < 5; ++round) {
        server.pause();
        for (int i = 0; i < 3; ++i) {
            const auto found = store.find(sha256("a"));
            REQUIRE_FALSE(found);
            CHECK((found.error().kind == ErrorKind::timed_out ||
                   found.error().kind == ErrorKind::unavailable));
        }
        server.go_on();
        // The answers to what timed out come now; nobody may hear them.
        int heard = 0;
        CHECK(comes_true([&] {
            const auto found = store.find(sha256("b"));
            const auto nobody = store.find(sha256("nobody"));
            if (found) CHECK((*found && (*found)->sealed == "sealed b"));
            if (nobody) CHECK_FALSE(nobody->has_value());
            return (heard += found && nobody) == 20;
        }));
    }
}

TEST_CASE("L18 names that nobody looks up in time hold no call, and are asked for once") {
    RedisUrl url;
    url.host = silent_name;
    url.port = 6379;
    names_are_silent = true;
    {
        RedisStore store(url, impatient());
        REQUIRE(store.warnings().size() == 1);
        CHECK(contains(store.warnings()[0], silent_name));
        REQUIRE(comes_true([] { return unanswered == 1; }));
        for (int i = 0; i < 3; ++i) {
            const auto found = store.find(sha256("a"));
            REQUIRE_FALSE(found);
            CHECK(found.error().source == ErrorSource::store);
        }
        CHECK(unanswered == 1);
    }
    names_are_silent = false;
    CHECK(comes_true([] { return unanswered == 0; }));
}

TEST_CASE("L18 a change that timed out is a failure, whether it took place or not") {
    RedisServer server;
    RedisStore patient(server.url(), at_noon());
    REQUIRE(patient.insert(session_row("a")));
    REQUIRE(patient.put_login(login_row("state")));
    // With its scripts loaded, and a connection.
    RedisStore store(server.url(), impatient());
    CHECK(comes_true([&] {
        const auto nobody = store.take_login(sha256("nobody"));
        const auto nothing = store.erase(sha256("nobody"));
        return nobody && !nobody->has_value() && nothing && !*nothing;
    }));
    server.pause();
    const auto ended = store.erase(sha256("a"));
    REQUIRE_FALSE(ended);
    CHECK(ended.error().kind == ErrorKind::timed_out);
    const auto taken = store.take_login(sha256("state"));
    REQUIRE_FALSE(taken);
    server.go_on();
    CHECK(comes_true([&] { return store.ping().has_value(); }));
    CHECK(comes_true([&] { return !patient.find(sha256("a"))->has_value(); }));
}

TEST_CASE("L20 L27 whatever Redis says instead of an answer is a failure with its words") {
    struct Case {
        std::string said;
        ErrorKind kind;
        const char* detail;
    };
    const Case cases[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n",          ErrorKind::unavailable,
         "loading its data"                                                                                              },
        {"-READONLY You can't write against a read only replica.\r\n",   ErrorKind::unavailable,
         "read-only replica"                                                                                             },
        {"-MOVED 3999 127.0.0.1:6381\r\n",                               ErrorKind::unavailable,     "Cluster"           },
        {"-CLUSTERDOWN The cluster is down\r\n",                         ErrorKind::unavailable,     "Cluster"           },
        {"-MASTERDOWN Link with MASTER is down\r\n",                     ErrorKind::unavailable,     "without its master"},
        {"-NOAUTH Authentication required.\r\n",                         ErrorKind::unavailable,     "needs a password"  },
        {"-WRONGPASS invalid username-password pair\r\n",                ErrorKind::unavailable,
         "check user and password"                                                                                       },
        {"-NOPERM this user has no permissions\r\n",                     ErrorKind::unavailable,     "may not do that"   },
        {"-MISCONF Redis is configured to save RDB snapshots\r\n",       ErrorKind::unavailable,
         "cannot write to its disk"                                                                                      },
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", ErrorKind::unavailable,
         "no memory left"                                                                                                },
        {"-BUSY Redis is busy running a script\r\n",                     ErrorKind::unavailable,     "long script"       },
        {"-ERR something else\r\n",                                      ErrorKind::malformed_reply, "something else"    },
        {"HTTP/1.1 400 Bad Request\r\n\r\n",                             ErrorKind::malformed_reply, "no answer of Redis"},
        {"$99999999999999999999\r\n",                                    ErrorKind::malformed_reply, "no answer of Redis"},
        {"*-7\r\n",                                                      ErrorKind::malformed_reply, ""                  },
        {"$5\r\nab",                                                     ErrorKind::timed_out,       "in time"           },
    };
    for (const auto& c : cases) {
        CAPTURE(c.said);
        FakeRedis fake(c.said);
        RedisStore store(fake.url(), c.kind == ErrorKind::timed_out ? impatient() : at_noon());
        const auto ended = store.erase(sha256("a"));
        REQUIRE_FALSE(ended);
        CHECK(ended.error().kind == c.kind);
        CHECK(contains(ended.error().detail, c.detail));
        CHECK_FALSE(store.find_handle("h"));
        CHECK_FALSE(store.take_login(sha256("a")));
        // On a connection that works.
        CHECK(comes_true([&] { return store.ping().has_value(); }));
    }
}

TEST_CASE("L20 a Redis that is none to write to is looked for anew, others are asked again") {
    const std::pair<const char*, int> rows[] = {
        {"-READONLY You can't write against a read only replica.\r\n",   1},
        {"-MASTERDOWN Link with MASTER is down\r\n",                     1},
        {"-NOAUTH Authentication required.\r\n",                         1},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", 0},
        {"-LOADING Redis is loading the dataset in memory\r\n",          0},
    };
    for (const auto& [said, connections] : rows) {
        CAPTURE(std::string(said));
        FakeRedis fake(said);
        RedisStore store(fake.url(), at_noon());
        CHECK_FALSE(store.erase(sha256("a")));
        const int before = fake.connections();
        CHECK_FALSE(store.erase(sha256("a")));
        CHECK(fake.connections() - before == connections);
    }
}

TEST_CASE("L27 a connection that closes early, and an answer without end, are failures") {
    {
        FakeRedis fake("$100\r\nab", true);
        RedisStore store(fake.url(), at_noon());
        const auto found = store.find(sha256("a"));
        REQUIRE_FALSE(found);
        CHECK(found.error().kind == ErrorKind::unavailable);
        CHECK_FALSE(store.erase(sha256("a")));
    }
    FakeRedis fake("$200000000\r\n" + std::string(70 * 1024 * 1024, 'x'));
    RedisStore store(fake.url(), at_noon());
    const auto ended = store.erase(sha256("a"));
    REQUIRE_FALSE(ended);
    CHECK(contains(ended.error().detail, "too long"));
}

TEST_CASE("L20 a Redis without memory, or one that may not write, refuses changes and answers") {
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.insert(session_row("a")));
    const auto refuses = [&](const char* words) {
        const auto added = store.insert(session_row("b"));
        REQUIRE_FALSE(added);
        CHECK(added.error().kind == ErrorKind::unavailable);
        CHECK(contains(added.error().detail, words));
        CHECK(store.find(sha256("a"))->has_value());
        CHECK_FALSE(store.find(sha256("b"))->has_value());
    };
    SUBCASE("out of memory") {
        (void)server.ask({"CONFIG", "SET", "maxmemory", "1"});
        refuses("no memory left");
        (void)server.ask({"CONFIG", "SET", "maxmemory", "0"});
    }
    SUBCASE("a read-only replica") {
        (void)server.ask({"REPLICAOF", "127.0.0.1", "1"});
        refuses("read-only replica");
        (void)server.ask({"REPLICAOF", "NO", "ONE"});
    }
    SUBCASE("a snapshot that failed") {
        (void)server.ask({"CONFIG", "SET", "save", "3600 1"});
        (void)server.ask({"CONFIG", "SET", "rdbcompression", "no"});
        std::filesystem::create_directory(server.file("dump.rdb"));
        (void)server.ask({"BGSAVE"});
        REQUIRE(comes_true([&] {
            return contains(std::string(server.ask({"INFO", "persistence"}).view().text()),
                            "rdb_last_bgsave_status:err");
        }));
        refuses("cannot write to its disk");
        (void)server.ask({"CONFIG", "SET", "save", ""});
    }
    CHECK(store.insert(session_row("b")));
}

TEST_CASE("L21 a Redis that may lose sessions is warned of at start") {
    RedisServer careless({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
    const RedisStore store(careless.url(), at_noon());
    REQUIRE(store.warnings().size() == 2);
    CHECK(contains(store.warnings()[0], "allkeys-lru"));
    CHECK(contains(store.warnings()[1], "appendonly"));
    RedisServer careful(
        {"--maxmemory", "100mb", "--maxmemory-policy", "noeviction", "--appendonly", "yes"});
    CHECK(RedisStore(careful.url(), at_noon()).warnings().empty());
}

TEST_CASE("L22 after FLUSHALL nobody is logged in, and nothing fails") {
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.insert(session_row("a")));
    REQUIRE(store.put_login(login_row("state")));
    (void)server.ask({"FLUSHALL"});
    (void)server.ask({"SCRIPT", "FLUSH"});
    CHECK_FALSE(store.find(sha256("a"))->has_value());
    CHECK_FALSE(*store.update(session_row("a")));
    CHECK_FALSE(*store.touch(sha256("a"), noon + 1s));
    CHECK_FALSE(*store.erase(sha256("a")));
    CHECK_FALSE(store.find_handle("handle-a")->has_value());
    CHECK_FALSE(store.take_login(sha256("state"))->has_value());
    CHECK(store.list("", "", 10)->rows.empty());
    CHECK(*store.purge({noon + 48h, noon, noon}, 10) == 0);
    CHECK(server.keys().empty());
    CHECK(store.insert(session_row("a")));
    CHECK(store.find_handle("handle-a")->has_value());
}

TEST_CASE("L24 a key of ours that others wrote is no session, and counted") {
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.insert(session_row("sound")));
    const auto name = RedisStore::prefix + ("s:" + sha256("a"));
    const std::vector<redis::Words> damages = {
        {"SET", name,      "garbage"},
        {      "LPUSH", name, "garbage"         },
        { "HSET",  name,        "h",          "x"},
        { "HSET",  name,        "h",       "x", "u", "1", "c", "x", "l", "", "e", "x", "s", ""},
        {   "HSET",  name,        "other",               "field"},
    };
    for (const auto& damage : damages) {
        (void)server.ask({"DEL", name});
        (void)server.ask(damage);
        // Of ours that no key opens: the log is told how often.
        const bool is_ours = damage[2] != "other";
        const auto found = store.find(sha256("a"));
        REQUIRE(found);
        CHECK(found->has_value() == is_ours);
        SealedSessions sessions(std::make_unique<RedisStore>(server.url(), at_noon()),
                                {Secret(std::string(32, 'k'))}, 0s);
        const auto session = sessions.find(sha256("a"), noon);
        REQUIRE(session);
        CHECK_FALSE(session->has_value());
        CHECK_FALSE(sessions.find(sha256("nobody"), noon)->has_value());
        CHECK(sessions.unreadable() == (is_ours ? 1 : 0));
        (void)store.touch(sha256("a"), noon);
        (void)store.update(session_row("a"));
        (void)store.erase(sha256("a"));
        CHECK(store.find(sha256("sound"))->has_value());
    }
    // An index that is of another type: no changes, but look-ups go on.
    (void)server.ask({"SET", std::string(RedisStore::prefix) + "expires", "garbage"});
    const auto added = store.insert(session_row("b"));
    REQUIRE_FALSE(added);
    CHECK(added.error().kind == ErrorKind::malformed_reply);
    CHECK_FALSE(store.find(sha256("b"))->has_value());
    CHECK(store.find(sha256("sound"))->has_value());
    // It ended all the same.
    CHECK_FALSE(store.erase(sha256("sound")));
    CHECK_FALSE(store.find(sha256("sound"))->has_value());
}

TEST_CASE("L25 oauth2-proxy #17 every key has a time to live, and indexes end with the sessions") {
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    for (int i = 0; i < 6; ++i) {
        REQUIRE(store.insert(session_row(std::to_string(i), std::to_string(i % 2))));
        REQUIRE(store.put_login(login_row(std::to_string(i), std::to_string(i % 3))));
        REQUIRE(store.try_lease(std::to_string(i), "holder", 60s));
    }
    REQUIRE(store.touch(sha256("1"), noon + 1h));
    auto longer = session_row("2", "0");
    longer.expires = noon + 100h;
    REQUIRE(*store.update(longer));
    const auto life = [&](const std::string& name) {
        return std::chrono::milliseconds(server.ask({"PTTL", name}).view().integer().value_or(-9));
    };
    const std::string p = RedisStore::prefix;
    for (const auto& name : server.keys()) {
        CAPTURE(name);
        CHECK(life(name) > 0ms);
        CHECK(life(name) <= 101h);
    }
    for (const auto* index : {"handles", "expires", "seen", "u:0"}) {
        CHECK(life(p + index) > 100h);
    }
    CHECK(life(p + "u:1") <= 25h);
    CHECK(life(p + "s:" + sha256("3")) <= 25h);

    SUBCASE("nothing but a number is left when all has ended") {
        for (int i = 0; i < 6; ++i) {
            CHECK(*store.erase(sha256(std::to_string(i))));
            CHECK(store.take_login(sha256(std::to_string(i)))->has_value());
            CHECK(*store.release_lease(std::to_string(i), "holder"));
        }
        CHECK(server.keys() == std::vector<std::string>{p + "login-number"});
    }
    SUBCASE("nor when all was purged") {
        CHECK(*store.purge({noon + 100h, noon + 100h, noon + 100h}, 1000) == 12);
        for (int i = 0; i < 6; ++i) REQUIRE(*store.release_lease(std::to_string(i), "holder"));
        CHECK(server.keys() == std::vector<std::string>{p + "login-number"});
    }
    SUBCASE("what Redis dropped by itself is out of every answer, and purged from the indexes") {
        for (int i = 0; i < 6; ++i) {
            (void)server.ask({"DEL", p + "s:" + sha256(std::to_string(i))});
            (void)server.ask({"DEL", p + "l:" + sha256(std::to_string(i))});
        }
        CHECK(store.list("0", "", 10)->rows.empty());
        CHECK_FALSE(store.find_handle("handle-5")->has_value());
        CHECK(store.list("", "", 2)->rows.empty());
        CHECK_FALSE(*store.has_sessions());
        CHECK(store.erase_user("1", TimePoint::max())->empty());
        REQUIRE(store.purge({noon + 100h, noon + 100h, noon + 100h}, 1000));
        for (const auto* index : {"handles", "expires", "seen", "u:0", "u:1", "logins"}) {
            CAPTURE(index);
            CHECK(server.ask({"EXISTS", p + index}).view().integer() == 0);
        }
    }
}

TEST_CASE("L29 an hour that Redis' clock is wrong ends nothing early") {
    // Our clock says noon, two years and more before Redis'.
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    REQUIRE(store.insert(session_row("a")));
    CHECK(store.find(sha256("a"))->has_value());
    // Its time to live is counted from our noon.
    const auto left = server.ask({"PTTL", RedisStore::prefix + ("s:" + sha256("a"))});
    CHECK(std::chrono::milliseconds(left.view().integer().value_or(-1)) > 24h);
    auto expired = session_row("b");
    expired.expires = noon - 1h;
    REQUIRE(store.insert(expired));
    CHECK(store.find(sha256("b"))->has_value());  // that is not the store's to judge
    CHECK(*store.purge({noon, TimePoint::min(), TimePoint::min()}, 10) == 1);
}

TEST_CASE("L26 users, passwords, databases and ports work, and wrong ones are clear errors") {
    const auto port = free_port();
    RedisServer server(
        {"--port", std::to_string(port), "--bind", "127.0.0.1", "--requirepass", "p@ss:word/?#"});
    auto url = server.url();
    CHECK(contains(why_refused(url), "needs a password"));
    url.password = Secret("hunter2");
    CHECK(contains(why_refused(url), "check user and password"));
    CHECK_FALSE(contains(why_refused(url), "hunter2"));
    url.password = Secret("p@ss:word/?#");
    CHECK(why_refused(url) == "");
    (void)server.ask({"ACL", "SETUSER", "gate", "on", ">secret", "~cordgate:*", "&cordgate:*",
                      "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+info"},
                     url);

    const auto by_text = [&](const std::string& text) {
        const auto parsed = RedisUrl::parse(text);
        REQUIRE(parsed);
        return *parsed;
    };
    const auto place = "@127.0.0.1:" + std::to_string(port);
    const auto as_default = by_text("redis://:p%40ss%3aword%2f%3f%23" + place + "/0");
    const auto as_gate = by_text("redis://gate:secret" + place + "/3");
    RedisStore one(as_default, at_noon());
    RedisStore three(as_gate, at_noon());
    REQUIRE(three.insert(session_row("a")));
    CHECK(three.warnings().size() == 1);  // appendonly; INFO was allowed
    CHECK_FALSE(one.find(sha256("a"))->has_value());
    CHECK(RedisStore(by_text("redis+unix://gate:secret@" + server.socket() + "?db=3"), at_noon())
              .find(sha256("a"))
              ->has_value());
    RedisEvents events(as_gate);
    CHECK(comes_true([&] { return events.heard_since(SteadyClock::now()).has_value(); }));
    CHECK(three.put_login(login_row("state")));
    CHECK(three.take_login(sha256("state"))->has_value());
    CHECK(*three.erase(sha256("a")));
    CHECK(*three.purge({noon, noon, noon}, 10) == 0);

    CHECK(contains(why_refused(by_text("redis://gate:secret" + place + "/99")), "out of range"));
    (void)server.ask({"ACL", "SETUSER", "gate", "-@scripting"}, url);
    const auto refused = three.insert(session_row("b"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::unavailable);
    CHECK(contains(refused.error().detail, "may not do that"));
}

TEST_CASE("L28 G14 two replicas on one Redis are one store") {
    RedisServer server;
    RedisStore one(server.url(), at_noon());
    RedisStore two(server.url(), at_noon());
    REQUIRE(one.insert(session_row("a")));
    CHECK(two.find(sha256("a"))->has_value());
    CHECK_FALSE(two.insert(session_row("a")));
    for (int round = 0; round < 20; ++round) {
        REQUIRE(one.put_login(login_row("state")));
        std::atomic<int> winners{0};
        std::atomic<int> failures{0};
        const auto take = [&](RedisStore& store) {
            const auto taken = store.take_login(sha256("state"));
            if (!taken) ++failures;
            if (taken && *taken) ++winners;
        };
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] { take(one); });
            threads.emplace_back([&] { take(two); });
        }
        for (auto& thread : threads) thread.join();
        CHECK(winners == 1);
        CHECK(failures == 0);
    }
    CHECK(*one.try_lease("grant", "one", 60s));
    CHECK_FALSE(*two.try_lease("grant", "two", 60s));
    CHECK(*two.erase(sha256("a")));
    CHECK_FALSE(*one.update(session_row("a")));
}

TEST_CASE("L28 what one replica ends the others hear within a second, by every way of ending") {
    RedisServer server;
    RedisStore ending(server.url(), at_noon());
    RedisEvents events(server.url());
    std::mutex mutex;
    std::vector<std::string> heard;
    const auto subscription = events.subscribe([&](const std::string& digest) {
        const std::lock_guard lock(mutex);
        heard.push_back(digest);
    });
    REQUIRE(comes_true([&] { return events.heard_since(SteadyClock::now()).has_value(); }));
    for (const auto* name : {"a", "b", "c", "d", "e"}) {
        REQUIRE(ending.insert(session_row(name, std::string(1, static_cast<char>(name[0] + 1)))));
    }
    REQUIRE(ending.erase(sha256("a")));
    REQUIRE(ending.erase_handle("handle-b"));
    REQUIRE(ending.erase_user("d", noon));
    REQUIRE(ending.erase_many({sha256("d")}));
    REQUIRE(ending.touch(sha256("e"), noon + 1s));
    CHECK(comes_true_within(1s, [&] {
        const std::lock_guard lock(mutex);
        return heard.size() == 4;
    }));
    CHECK(heard == std::vector{sha256("a"), sha256("b"), sha256("c"), sha256("d")});
}

TEST_CASE("L28 it is known within a second that ends may be missed, and since when they are not") {
    RedisServer server;
    RedisEvents events(server.url());
    std::optional<SteadyClock::time_point> since;  // the newest that was told
    const auto hears = [&] {
        const auto told = events.heard_since(SteadyClock::now());
        if (told) since = told;
        return told.has_value();
    };
    const auto hears_nothing = [&] { return !hears(); };
    REQUIRE(comes_true(hears));

    SUBCASE("when Redis is gone") {
        server.kill();
        CHECK(comes_true_within(600ms, hears_nothing));
        const auto gone = SteadyClock::now();
        server.start();
        CHECK(comes_true_within(2s, hears));
        CHECK(*since > gone);
    }
    SUBCASE("when Redis hangs; what was only late is not missed") {
        // What is silent for two seconds is given up, which a machine that stands still may be.
        CHECK(comes_true([&] {
            REQUIRE(comes_true(hears));
            const auto before = since;
            const auto hung = SteadyClock::now();
            server.pause();
            CHECK(comes_true_within(900ms, hears_nothing));
            server.go_on();
            CHECK(comes_true_within(2s, hears));
            if (SteadyClock::now() - hung > 1500ms) return false;
            CHECK(since == before);
            return true;
        }));
    }
    SUBCASE("when only its connection is cut") {
        const auto before = since;
        (void)server.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        CHECK(comes_true([&] { return hears() && since > before; }));
    }
    SUBCASE("and it says nothing when there was no Redis") {
        RedisUrl nowhere;
        nowhere.unix_path = server.file("nothing.sock");
        const RedisEvents deaf(nowhere);
        CHECK_FALSE(deaf.heard_since(SteadyClock::now()));
    }
}

TEST_CASE("D14 G3 a Redis dump holds no token, no cookie, no state and nothing of the visitor") {
    RedisServer server(
        {"--appendonly", "yes", "--rdbcompression", "no", "--aof-use-rdb-preamble", "no"});
    const auto token = SessionToken::make();
    const auto state = random_token();
    const auto text = "redis+unix:" + server.socket();
    const Secret key(std::string(32, 'k'));
    const Secret newer(std::string(32, 'n'));
    CHECK(contains(complaint([&] { open_sessions(text, {}, 0s); }), "session.keys"));
    {
        const auto opened = open_sessions(text, {key}, 1h);
        CHECK(contains(opened.description, server.socket()));
        REQUIRE(opened.sessions->create(token, a_session()));
        PendingLogin login;
        login.browser = sha256("browser");
        login.verifier = Secret("very-secret-verifier");
        login.return_to = "/private/page";
        login.data = "login-data";
        login.created_at = Clock::now();
        REQUIRE(opened.sessions->begin_login(state, login));
        const auto found = opened.sessions->find(token.digest(), Clock::now());
        REQUIRE(found);
        CHECK((*found)->grant.access_token.reveal() == "very-secret-access-token");
    }
    (void)server.ask({"SAVE"});
    auto dump = read_file(server.file("dump.rdb"));
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(server.directory().path())) {
        if (entry.is_regular_file()) dump += read_file(entry.path().string());
    }
    REQUIRE(contains(dump, token.digest()));  // it is the right dump
    for (const auto& secret :
         {token.secret().reveal(), *base64url_decode(token.secret().reveal()), state.reveal(),
          *base64url_decode(state.reveal()), std::string("very-secret"), std::string("nelly"),
          std::string("secret agent"), std::string("192.0.2.77"), std::string("/private"),
          std::string("login-data"), key.reveal()}) {
        CHECK_FALSE(contains(dump, secret));
    }
    // Rotation: opened by the old key, sealed by the new one once it was used.
    {
        const auto both = open_sessions(text, {newer, key}, 1h);
        REQUIRE(both.sessions->touch(token.digest(), Clock::now()));
    }
    const auto after = open_sessions(text, {newer}, 1h);
    CHECK(after.sessions->find(token.digest(), Clock::now())->has_value());
    CHECK_FALSE(
        open_sessions(text, {key}, 1h).sessions->find(token.digest(), Clock::now())->has_value());
}

TEST_CASE("G24 purging much is many short steps, so that others get in between") {
    RedisServer server;
    RedisStore store(server.url(), at_noon());
    for (int i = 0; i < 3000; ++i) REQUIRE(store.insert(session_row(std::to_string(i))));
    const auto before = server.calls("evalsha");
    while (*store.purge({noon + 24h, noon, noon}, 1000) > 0) continue;
    CHECK(server.calls("evalsha") - before >= 30);
    CHECK_FALSE(*store.has_sessions());
}
