#include "core/discord/client.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base64.hpp"
#include "core/discord/calls.hpp"
#include "core/discord/failure.hpp"
#include "tests/support/fair_time.hpp"

using namespace cordgate;
using namespace cordgate::discord;
using cordgate::test::FairTime;
using namespace std::chrono_literals;

namespace {

constexpr auto json_type = "application/json";
const std::string user_json = R"({"id":"7","username":"nelly"})";
const std::string grant_json =
    R"({"access_token":"new-at","refresh_token":"new-rt","token_type":"Bearer",)"
    R"("expires_in":604800,"scope":"identify"})";

ClientOptions options_for(int port) {
    ClientOptions options;
    options.api_url = "http://127.0.0.1:" + std::to_string(port) + "/api/v10";
    options.client_id = "1234";
    options.client_secret = Secret("the-client-secret");
    options.version = "9.8.7";
    return options;
}

/// Discord on loopback: `answer` serves every request.
class FakeDiscord {
public:
    using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

    explicit FakeDiscord(Handler handler) : answer(std::move(handler)) {
        const auto serve = [this](const httplib::Request& request, httplib::Response& response) {
            ++requests;
            {
                const std::lock_guard lock(mutex);
                last = request;
                ports.insert(request.remote_port);
            }
            answer(request, response);
        };
        server.Get(".*", serve);
        server.Post(".*", serve);
        server.Put(".*", serve);
        server.Patch(".*", serve);
        server.Delete(".*", serve);
        server.set_tcp_nodelay(true);
        port = server.bind_to_any_port("127.0.0.1");
        REQUIRE(port > 0);
        thread = std::thread([this] { server.listen_after_bind(); });
        server_is_up();
        client = make_client(options());
    }
    ~FakeDiscord() {
        client.reset();  // or the server would wait for its idle connections
        server.stop();
        thread.join();
    }

    ClientOptions options() {
        auto options = options_for(port);
        options.now = [this] { return now.load(); };
        options.ticks = [this] {
            return std::chrono::steady_clock::time_point(now.load().time_since_epoch());
        };
        return options;
    }
    Result<User> user(const char* token = "at") {
        auto fetched = fetch_user(*client, Secret(token));
        if (!fetched) return fetched.error();
        return std::move(fetched->value);
    }

    Handler answer;
    httplib::Server server;
    std::atomic<int> requests{0};
    std::mutex mutex;
    httplib::Request last;
    std::set<int> ports;
    std::atomic<TimePoint> now{TimePoint(std::chrono::hours(24 * 365 * 55))};
    int port = 0;
    std::thread thread;
    std::unique_ptr<Api> client;

private:
    // stop() before listen_after_bind() has begun would be lost.
    void server_is_up() {
        while (!server.is_running()) std::this_thread::yield();
    }
};

FakeDiscord::Handler fixed(int status, std::string type, std::string body,
                           httplib::Headers headers = {}) {
    return [=](const httplib::Request&, httplib::Response& response) {
        response.status = status;
        for (const auto& [name, value] : headers) response.set_header(name.c_str(), value.c_str());
        response.set_content(body, type.c_str());
    };
}

/// A peer that speaks no HTTP library: for each connection, `talk` gets the
/// socket after the request's head was read.
class RawPeer {
public:
    explicit RawPeer(std::function<void(int)> talk) : talk_(std::move(talk)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listener_, generic, size) == 0);
        REQUIRE(::listen(listener_, 16) == 0);
        REQUIRE(::getsockname(listener_, generic, &size) == 0);
        port = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~RawPeer() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

    int port = 0;
    std::atomic<int> connections{0};

private:
    void run() {
        while (!stopping_) {
            const int socket = ::accept(listener_, nullptr, nullptr);
            if (socket < 0) return;
            ++connections;
            std::string head;
            char byte = 0;
            while (head.find("\r\n\r\n") == head.npos && ::recv(socket, &byte, 1, 0) == 1) {
                head += byte;
            }
            talk_(socket);
            ::close(socket);
        }
    }

    std::function<void(int)> talk_;
    int listener_ = -1;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

bool say(int socket, std::string_view text) {
    return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

// Returns when the client has given up.
void until_closed(int socket) {
    char byte = 0;
    while (::recv(socket, &byte, 1, 0) > 0) continue;
}

}  // namespace

TEST_CASE(
    "quartcord client: M26 B12 each call has our User-Agent, our credentials and asks for no "
    "compression") {
    FakeDiscord discord(fixed(200, json_type, user_json));
    const auto user = discord.user();
    REQUIRE(user);
    CHECK(user->id == Snowflake(7));
    CHECK(discord.last.path == "/api/v10/users/@me");
    CHECK(discord.last.get_header_value("User-Agent") ==
          "DiscordBot (https://github.com/cordgate/cordgate, 9.8.7)");
    CHECK(discord.last.get_header_value("Authorization") == "Bearer at");
    CHECK(discord.last.get_header_value("Accept-Encoding") == "identity");
}

TEST_CASE("client: the token endpoint gets a form and Basic authentication (F20)") {
    FakeDiscord discord(fixed(200, json_type, grant_json));
    const auto grant = discord.client->exchange_code(Secret("c+d e"), Secret("v"),
                                                     "https://app.example.com/callback");
    REQUIRE(grant);
    CHECK(grant->access_token.equals("new-at"));
    CHECK(grant->issued_at == discord.now.load());
    CHECK(grant->expires_at == discord.now.load() + 168h);
    CHECK(discord.last.path == "/api/v10/oauth2/token");
    CHECK(discord.last.get_header_value("Content-Type") == "application/x-www-form-urlencoded");
    CHECK(discord.last.get_header_value("Authorization") ==
          "Basic " + base64_encode("1234:the-client-secret"));
    CHECK(discord.last.body ==
          "grant_type=authorization_code&code=c%2Bd%20e&redirect_uri="
          "https%3A%2F%2Fapp.example.com%2Fcallback&code_verifier=v");

    REQUIRE(discord.client->exchange_code(Secret("c"), Secret(), "r"));
    CHECK(discord.last.body.find("code_verifier") == std::string::npos);
    REQUIRE(discord.client->refresh(Secret("rt")));
    CHECK(discord.last.body == "grant_type=refresh_token&refresh_token=rt");
    REQUIRE(discord.client->revoke(Secret("rt")));
    CHECK(discord.last.path == "/api/v10/oauth2/token/revoke");
    CHECK(discord.last.body == "token=rt");
}

TEST_CASE("quartcord client: B12 calls one after the other share a connection") {
    FakeDiscord discord(fixed(200, json_type, user_json));
    for (int i = 0; i < 5; ++i) REQUIRE(discord.user());
    CHECK(discord.ports.size() == 1);
}

TEST_CASE("client: M8 M9 M10 M11 M14 M19 M21 what an answer to a GET means") {
    struct Row {
        int status;
        const char* type;
        const char* body;
        ErrorKind kind;
    };
    const Row rows[] = {
        {200, "text/html",  "<html>captive portal</html>",                          ErrorKind::malformed_reply},
        {200, "text/plain", R"({"id":"7","username":"nelly"})",                     ErrorKind::malformed_reply},
        {200, json_type,    "<html>",                                               ErrorKind::malformed_reply},
        {200, json_type,    "[]",                                                   ErrorKind::malformed_reply},
        {200, json_type,    R"({"id":7,"username":"nelly"})",                       ErrorKind::malformed_reply},
        {204, json_type,    "",                                                     ErrorKind::malformed_reply},
        {302, json_type,    "",                                                     ErrorKind::malformed_reply},
        {400, json_type,    R"({"message":"bad","code":50035})",                    ErrorKind::bad_request    },
        {401, json_type,    R"({"message":"401: Unauthorized","code":0})",          ErrorKind::unauthorized   },
        {401, "text/html",  "<html>",                                               ErrorKind::unauthorized   },
        {403, json_type,    R"({"message":"x","code":50014})",                      ErrorKind::unauthorized   },
        {403, json_type,    R"({"message":"internal network error","code":40333})",
         ErrorKind::unavailable                                                                               },
        {403, json_type,    R"({"message":"Missing Access","code":50001})",         ErrorKind::forbidden      },
        {404, json_type,    R"({"message":"404: Not Found","code":0})",             ErrorKind::not_found      },
        {404, "text/html",  "<html>",                                               ErrorKind::malformed_reply},
        {500, json_type,    R"({"message":"500: Internal Server Error","code":0})",
         ErrorKind::unavailable                                                                               },
    };
    for (const auto& row : rows) {
        CAPTURE(row.status);
        CAPTURE(row.body);
        FakeDiscord discord(fixed(row.status, row.type, row.body));
        const auto user = discord.user("secret-at");
        REQUIRE_FALSE(user);
        CHECK(user.error().kind == row.kind);
        CHECK(user.error().source == ErrorSource::discord);
        CHECK(user.error().detail.find("secret-at") == std::string::npos);
    }

    FakeDiscord charset(fixed(200, "Application/JSON; charset=utf-8", user_json));
    CHECK(charset.user());
    FakeDiscord zipped(fixed(200, json_type, user_json,
                             {
                                 {"Content-Encoding", "gzip"}
    }));
    CHECK(zipped.user().error().kind == ErrorKind::malformed_reply);
}

TEST_CASE(
    "quartcord client: M20 B7 B20 what an error of the token endpoint means, and that it is asked "
    "once") {
    struct Row {
        int status;
        const char* type;
        const char* body;
        ErrorKind kind;
    };
    const Row rows[] = {
        {400, json_type,   R"({"error":"invalid_grant"})",                           ErrorKind::unauthorized   },
        {400, json_type,   R"({"error":"invalid_request","error_description":"x"})",
         ErrorKind::unauthorized                                                                               },
        {401, json_type,   R"({"error":"invalid_client"})",                          ErrorKind::forbidden      },
        {400, json_type,   R"({"error":"invalid_client"})",                          ErrorKind::forbidden      },
        {401, json_type,   R"({"message":"401: Unauthorized","code":0})",            ErrorKind::forbidden      },
        {400, json_type,   R"({"error":"unsupported_grant_type"})",                  ErrorKind::malformed_reply},
        {400, "text/html", "<html>",                                                 ErrorKind::malformed_reply},
        {404, json_type,   R"({"message":"404: Not Found","code":0})",               ErrorKind::malformed_reply},
        {200, "text/html", "<html>",                                                 ErrorKind::malformed_reply},
        {200, json_type,   "{}",                                                     ErrorKind::malformed_reply},
        {307, "text/html", "",                                                       ErrorKind::malformed_reply},
        {429, json_type,   R"({"message":"m","retry_after":1.5})",                   ErrorKind::rate_limited   },
        {500, json_type,   R"({"message":"500","code":0})",                          ErrorKind::unavailable    },
        {502, "text/html", "<html>",                                                 ErrorKind::unavailable    },
        {522, "text/html", "<html>",                                                 ErrorKind::unavailable    },
    };
    for (const auto& row : rows) {
        CAPTURE(row.status);
        CAPTURE(row.body);
        FakeDiscord discord(fixed(row.status, row.type, row.body));
        const auto grant =
            discord.client->exchange_code(Secret("the-code"), Secret("the-verifier"), "r");
        REQUIRE_FALSE(grant);
        CHECK(grant.error().kind == row.kind);
        CHECK(discord.requests == 1);
        for (const auto secret : {"the-code", "the-verifier", "the-client-secret"}) {
            CHECK(grant.error().detail.find(secret) == std::string::npos);
        }
    }
}

TEST_CASE("client: M23 only a 404 of Discord's own says that somebody is no member") {
    struct Row {
        int status;
        const char* type;
        const char* body;
        bool absent;
    };
    const Row rows[] = {
        {404, json_type,   R"({"message":"Unknown Guild","code":10004})",  true },
        {404, json_type,   R"({"message":"Unknown Member","code":10007})", true },
        {404, json_type,   R"({"message":"404: Not Found","code":0})",     false},
        {404, json_type,   R"({"code":10004})",                            false},
        {404, json_type,   "",                                             false},
        {404, "text/html", R"({"message":"Unknown Guild","code":10004})",  false},
        {403, json_type,   R"({"message":"Unknown Guild","code":10004})",  false},
        {200, json_type,   "null",                                         false},
        {500, json_type,   R"({"message":"Unknown Guild","code":10004})",  false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.status);
        CAPTURE(row.body);
        FakeDiscord discord(fixed(row.status, row.type, row.body));
        const auto member = fetch_member(*discord.client, Secret("at"), Snowflake(5));
        CHECK(discord.last.path == "/api/v10/users/@me/guilds/5/member");
        CHECK(member.has_value() == row.absent);
        if (member) CHECK_FALSE(*member);
    }
    FakeDiscord discord(fixed(200, json_type, R"({"roles":["8"]})"));
    const auto member = fetch_member(*discord.client, Secret("at"), Snowflake(5));
    REQUIRE(member);
    CHECK((*member)->value.roles == std::vector{Snowflake(8)});
}

TEST_CASE(
    "quartcord client: M1 M2 M3 M4 B15 a 429 in every form stops what it names, for as long as it "
    "says") {
    struct Row {
        const char* type;
        const char* body;
        httplib::Headers headers;
        std::chrono::milliseconds wait;
        bool everything;
    };
    const Row rows[] = {
        {json_type,
         R"({"message":"m","retry_after":64.57,"global":false})",                  {{"Retry-After", "65"}},
         64570ms,                                                                                                              false},
        {json_type,    R"({"message":"m","retry_after":64.57,"global":true})",     {},                                64570ms, true },
        {json_type,
         R"({"message":"m","retry_after":64.57})",                                 {{"X-RateLimit-Global", "true"}},
         64570ms,                                                                                                              true },
        {json_type,
         R"({"message":"m","retry_after":64.57})",                                 {{"X-RateLimit-Scope", "global"}},
         64570ms,                                                                                                              true },
        {json_type,
         R"({"message":"m","retry_after":64.57})",                                 {{"X-RateLimit-Scope", "shared"}},
         64570ms,                                                                                                              false},
        {json_type,    R"({"message":"m","retry_after":1e9})",                     {},                                1h,      false},
        {json_type,    R"({"message":"m","retry_after":"5"})",                     {{"Retry-After", "7"}},            7s,      false},
        {json_type,    R"({"message":"m","retry_after":"5"})",                     {},                                10min,   true },
        {json_type,    R"({"message":"m","retry_after":NaN})",                     {},                                10min,   true },
 // A ban of Discord's own, of its edge as text, and as a page.
        {json_type,
         R"({"code":0,"message":"You are being blocked from accessing our API"})", {},
         10min,                                                                                                                true },
        {"text/plain", "error code: 1015",                                         {},                                10min,   true },
        {"text/plain", "error code: 1015",                                         {{"Retry-After", "3600"}},         1h,      true },
        {"text/plain", "error code: 1015",                                         {{"Retry-After", "30"}},           30s,     true },
        {"text/html",  "<title>Access denied</title>",                             {{"Retry-After", "x"}},            10min,   true },
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        FakeDiscord discord(fixed(429, row.type, row.body, row.headers));
        const auto limited = discord.user();
        REQUIRE_FALSE(limited);
        CHECK(limited.error().kind == ErrorKind::rate_limited);
        CHECK(limited.error().retry_after == row.wait);
        CHECK(discord.requests == 1);

        discord.answer = fixed(200, json_type, user_json);
        discord.now = discord.now.load() + row.wait - 6s;
        CHECK(discord.user().error().kind == ErrorKind::rate_limited);
        CHECK(discord.user("other-at").has_value() == !row.everything);
        CHECK(discord.requests == (row.everything ? 1 : 2));
        discord.now = discord.now.load() + 6s;
        CHECK(discord.user());
    }
}

TEST_CASE("client: a 403 page of the edge is a ban, whatever its status says") {
    FakeDiscord discord(fixed(403, "text/html", "<title>Access denied | discord.com</title>"));
    const auto banned = discord.user();
    REQUIRE_FALSE(banned);
    CHECK(banned.error().kind == ErrorKind::rate_limited);
    CHECK(banned.error().retry_after == 10min);
    CHECK_FALSE(discord.user("other-at"));
    CHECK(discord.requests == 1);
}

TEST_CASE("client: M4 a 429 that names no sensible time never becomes a busy loop") {
    for (const auto seconds : {"-1", "0", "1e-300"}) {
        FakeDiscord discord(
            fixed(429, json_type, R"({"message":"m","retry_after":)" + std::string(seconds) + "}"));
        auto options = discord.options();
        options.ticks = std::chrono::steady_clock::now;
        options.total_timeout = 2s;
        discord.client = make_client(options);
        const auto limited = discord.user();
        REQUIRE_FALSE(limited);
        CHECK(limited.error().kind == ErrorKind::rate_limited);
        CHECK(limited.error().retry_after >= 1s);
        CHECK(discord.requests <= 2);
    }
}

TEST_CASE("client: M5 Remaining 0 holds the next call of that user and route back") {
    FakeDiscord discord(
        fixed(200, json_type, user_json,
              {
                  {"X-RateLimit-Remaining",   "0" },
                  {"X-RateLimit-Reset-After", "60"}
    }));
    REQUIRE(discord.user());
    const auto limited = discord.user();
    REQUIRE_FALSE(limited);
    CHECK(limited.error().kind == ErrorKind::rate_limited);
    CHECK(limited.error().retry_after == 60s);
    CHECK(discord.user("other-at"));
    CHECK(discord.requests == 2);
    discord.now = discord.now.load() + 60s;
    CHECK(discord.user());
}

TEST_CASE("client: M5 M25 a short limit is waited for") {
    FakeDiscord discord(
        fixed(200, json_type, user_json,
              {
                  {"X-RateLimit-Remaining",   "0"  },
                  {"X-RateLimit-Reset-After", "0.2"}
    }));
    auto options = discord.options();
    options.ticks = std::chrono::steady_clock::now;
    discord.client = make_client(options);
    REQUIRE(discord.user());
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(discord.user());
    CHECK(std::chrono::steady_clock::now() - begin >= 150ms);
    CHECK(discord.requests == 2);
}

TEST_CASE("client: M6 after a thousand refusals in ten minutes nothing is asked") {
    FakeDiscord discord(fixed(401, json_type, R"({"message":"401: Unauthorized","code":0})"));
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(discord.user().error().kind == ErrorKind::unauthorized);
    }
    CHECK(discord.requests == 1000);
    CHECK(discord.user().error().kind == ErrorKind::unavailable);
    CHECK(discord.client->refresh(Secret("rt")).error().kind == ErrorKind::unavailable);
    CHECK(discord.requests == 1000);
    discord.now = discord.now.load() + 10min;
    CHECK(discord.user().error().kind == ErrorKind::unauthorized);
}

TEST_CASE("client: M7 a GET is tried twice on 5xx, and a good second answer counts") {
    for (const int status : {500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526}) {
        CAPTURE(status);
        FakeDiscord discord(fixed(status, "text/html", "<html>"));
        CHECK(discord.user().error().kind == ErrorKind::unavailable);
        CHECK(discord.requests == 2);
    }
    FakeDiscord discord([](const auto&, auto&) {});
    discord.answer = [&](const httplib::Request& request, httplib::Response& response) {
        fixed(discord.requests == 1 ? 502 : 200, json_type, user_json)(request, response);
    };
    CHECK(discord.user());
}

TEST_CASE(
    "client: J24 M12 CVE-2026-26998 a body beyond the cap is cut, with and without a length") {
    const std::string large(3 << 20, ' ');
    FakeDiscord sized(fixed(200, json_type, large));
    const auto user = sized.user();
    REQUIRE_FALSE(user);
    CHECK(user.error().kind == ErrorKind::malformed_reply);
    CHECK(sized.requests == 1);

    std::atomic<std::size_t> sent{0};
    RawPeer endless([&](int socket) {
        say(socket,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
        while (say(socket, "400\r\n" + std::string(1024, ' ') + "\r\n")) sent += 1024;
    });
    const auto client = make_client(options_for(endless.port));
    CHECK(fetch_user(*client, Secret("at")).error().kind == ErrorKind::malformed_reply);
    CHECK(sent < 64 << 20);
}

TEST_CASE(
    "quartcord client: M15 B13 silence and drops of bytes end at the deadline, wherever they "
    "happen") {
    const auto drip = [](int socket, std::string_view first) {
        if (!say(socket, first)) return;
        while (say(socket, "x")) std::this_thread::sleep_for(10ms);
    };
    const std::vector<std::function<void(int)>> peers = {
        until_closed,
        [](int socket) {
            say(socket, "HTTP/1.1 200 OK\r\n");
            until_closed(socket);
        },
        [](int socket) {
            say(socket,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Content-Length: 100\r\n\r\n{");
            until_closed(socket);
        },
        [drip](int socket) { drip(socket, ""); },
        [drip](int socket) { drip(socket, "HTTP/1.1 200 OK\r\nX-Long: "); },
        [drip](int socket) {
            drip(socket,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Content-Length: 100000\r\n\r\n");
        },
    };
    std::vector<std::future<void>> cases;
    std::atomic<int> timed_out{0}, in_time{0}, asked_once{0};
    for (const auto& talk : peers) {
        cases.push_back(std::async(std::launch::async, [&, talk] {
            RawPeer peer(talk);
            auto options = options_for(peer.port);
            options.total_timeout = 1s;
            const auto client = make_client(options);
            const FairTime since;
            const auto user = fetch_user(*client, Secret("at"));
            if (since.passed() < 2s) ++in_time;
            if (!user && user.error().kind == ErrorKind::timed_out) ++timed_out;
            if (peer.connections == 1) ++asked_once;
        }));
    }
    for (auto& each : cases) each.get();
    CHECK(timed_out == static_cast<int>(peers.size()));
    CHECK(in_time == static_cast<int>(peers.size()));
    CHECK(asked_once == static_cast<int>(peers.size()));
}

TEST_CASE("client: M16 a peer that refuses, hangs up or cuts its answer is unavailable") {
    int closed_port = 0;
    {
        closed_port = RawPeer([](int) {}).port;
    }
    const auto nobody = make_client(options_for(closed_port));
    CHECK(fetch_user(*nobody, Secret("at")).error().kind == ErrorKind::unavailable);

    for (const std::string_view before : {"", "HTTP/1.1 200",
                                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                          "Content-Length: 100\r\n\r\n{\"id\""}) {
        CAPTURE(before);
        RawPeer peer([before](int socket) { say(socket, before); });
        const auto client = make_client(options_for(peer.port));
        CHECK(fetch_user(*client, Secret("at")).error().kind == ErrorKind::unavailable);
        CHECK(peer.connections == 2);
        CHECK(client->exchange_code(Secret("c"), Secret("v"), "r").error().kind ==
              ErrorKind::unavailable);
        CHECK(peer.connections == 3);  // a code is never sent twice
    }
}

TEST_CASE("client: M19 a redirect is not followed, so secrets go nowhere else") {
    FakeDiscord thief(fixed(200, json_type, grant_json));
    const std::string target = "http://127.0.0.1:" + std::to_string(thief.port) + "/stolen";
    for (const int status : {301, 302, 303, 307, 308}) {
        FakeDiscord discord(fixed(status, "text/html", "",
                                  {
                                      {"Location", target}
        }));
        CHECK(discord.client->exchange_code(Secret("c"), Secret("v"), "r").error().kind ==
              ErrorKind::malformed_reply);
        CHECK(discord.user().error().kind == ErrorKind::malformed_reply);
        CHECK(discord.requests == 2);
    }
    CHECK(thief.requests == 0);
}

TEST_CASE("client: M28 options that cannot be used fail at the start") {
    for (const auto url : {"http://discord.com/api/v10", "ftp://discord.com", "discord.com", "",
                           "http://127.0.0.1.evil.example/", "https://discord.com/api?x=1",
                           "https://user@discord.com/api"}) {
        CAPTURE(url);
        ClientOptions options;
        options.api_url = url;
        CHECK_THROWS_AS(make_client(options), std::invalid_argument);
    }
    ClientOptions options;
    CHECK_NOTHROW(make_client(options));
    options.ca_file = "/nonexistent/ca.pem";
    CHECK_THROWS_AS(make_client(options), std::invalid_argument);
}

TEST_CASE(
    "client: many threads at once each get their own answer (CVE-2026-33544 CVE-2026-71326)") {
    FakeDiscord discord([](const httplib::Request& request, httplib::Response& response) {
        const auto token = request.get_header_value("Authorization").substr(7);
        response.set_content(R"({"id":")" + token + R"(","username":"u"})", json_type);
    });
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const auto id = std::to_string(1 + t * 50 + i);
                const auto user = discord.user(id.c_str());
                if (!user || user->id.to_string() != id) ++wrong;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
}
