#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "tests/support/contains.hpp"
#include "tests/support/manual_upstream.hpp"
#include "tests/support/resident.hpp"
#include "tests/support/stage.hpp"

// Bodies on their way, both directions: group I. The test plays client and
// application, so that the order of events is its own.

using namespace cordgate;
using namespace cordgate::test;

namespace {

struct Scene {
    explicit Scene(Script script = {}) : stage(with(std::move(script))) {}

    /// A client with this request on its way, and the application that has its head.
    std::pair<Wire, Wire> open(const std::string& bytes) {
        Wire client(stage.port());
        client.send(bytes);
        auto upstream = app.accept();
        return {std::move(client), std::move(upstream)};
    }
    std::string get(const std::string& fields = "", const char* version = "HTTP/1.1") const {
        return std::string("GET /public/x ") + version + "\r\nHost: a\r\n" + fields + "\r\n";
    }

    ManualUpstream app;
    Stage stage;

private:
    Script with(Script script) const {
        script.upstreams = app.setting();
        return script;
    }
};

std::string chunk(const std::string& data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + data + "\r\n";
}

const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string chunked_post =
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Reads up to an empty line.
std::string head_of(Wire& wire) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
        const auto byte = wire.read_bytes(1);
        if (byte.empty()) break;
        head += byte;
    }
    return head;
}

/// Reads chunks until their data is as long as `size`.
std::string data_of(Wire& wire, std::size_t size) {
    std::string out;
    while (out.size() < size) {
        std::string line;
        while (!line.ends_with("\r\n")) line += wire.read_bytes(1);
        const auto length = std::strtoul(line.c_str(), nullptr, 16);
        if (length == 0) break;
        out += wire.read_bytes(length);
        wire.read_bytes(2);
    }
    return out;
}

std::string noise(std::size_t size) {
    std::mt19937 random(4180);
    std::string out(size, '\0');
    for (auto& c : out) c = static_cast<char>(random());
    for (std::size_t i = 0; i < 256 && i < size; ++i) out[i] = static_cast<char>(i);
    return out;
}

}  // namespace

TEST_CASE(
    "I1 I2 an event reaches the client before the next one is made, and idling cuts nothing") {
    Scene scene({.server = "timeouts: {upstream: 3s}"});
    auto [client, upstream] = scene.open(scene.get("Accept: text/event-stream\r\n"));
    upstream.read_request();
    upstream.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    const auto head = head_of(client);
    CHECK(contains(head, "Content-Type: text/event-stream"));
    CHECK_FALSE(contains(head, "Content-Length"));
    const auto begin = std::chrono::steady_clock::now();
    // In all longer than the time-out, which runs from byte to byte.
    while (std::chrono::steady_clock::now() - begin < std::chrono::seconds(4)) {
        const std::string event = "data: 1\n\n";
        upstream.send(chunk(event));
        REQUIRE(data_of(client, event.size()) == event);
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
    upstream.send("0\r\n\r\n");
    CHECK(client.read_bytes(5) == "0\r\n\r\n");
}

TEST_CASE("I3 I4 a long body takes no memory, in chunks, either way") {
    Scene scene;
    const std::string piece(1 << 20, 'x');
    constexpr int pieces = 96;
    const MemoryGrowth growth(scene.stage.gate().process().pid());

    SUBCASE("I3 down") {
        auto [client, upstream] = scene.open(scene.get());
        upstream.read_request();
        std::thread writer([&, &up = upstream] {
            up.send(chunked_head);
            for (int i = 0; i < pieces; ++i) up.send(chunk(piece));
        });
        head_of(client);
        std::size_t size = 0;
        for (int i = 0; i < pieces; ++i) size += data_of(client, 1).size();
        while (size < pieces * piece.size()) size += data_of(client, 1).size();
        writer.join();
        CHECK(size == pieces * piece.size());
        CHECK(growth.stays_below(32));
        // The end comes with the application's end, and not before.
        upstream.send("0\r\n\r\n");
        CHECK(client.read_bytes(5) == "0\r\n\r\n");
    }
    SUBCASE("I4 up") {
        auto [client, upstream] = scene.open(chunked_post);
        CHECK(contains(head_of(upstream), "Transfer-Encoding: chunked\r\n"));
        std::thread writer([&, &out = client] {
            for (int i = 0; i < pieces; ++i) out.send(chunk(piece));
        });
        std::size_t size = 0;
        while (size < pieces * piece.size()) size += data_of(upstream, 1).size();
        writer.join();
        CHECK(size == pieces * piece.size());
        CHECK(growth.stays_below(32));
        client.send("0\r\n\r\n");
        CHECK(upstream.read_bytes(5) == "0\r\n\r\n");
        upstream.send(response("200 OK", "", "ok"));
        CHECK(client.read_response().body == "ok");
    }
}

TEST_CASE("I3 I4 I31 a long body of known length passes unchanged, and takes no memory") {
    Scene scene;
    const auto piece = noise(1 << 20);
    constexpr int pieces = 96;
    const auto length = "Content-Length: " + std::to_string(pieces * piece.size()) + "\r\n\r\n";
    const MemoryGrowth growth(scene.stage.gate().process().pid());
    const auto pass = [&](Wire& from, Wire& to) {
        std::thread writer([&] {
            for (int i = 0; i < pieces; ++i) from.send(piece);
        });
        int unchanged = 0;
        for (int i = 0; i < pieces; ++i) unchanged += to.read_bytes(piece.size()) == piece;
        writer.join();
        CHECK(unchanged == pieces);
        CHECK(growth.stays_below(16));
    };
    auto [client, upstream] = scene.open("PUT /public/x HTTP/1.1\r\nHost: a\r\n" + length);
    head_of(upstream);
    pass(client, upstream);
    upstream.send("HTTP/1.1 200 OK\r\n" + length);
    head_of(client);
    pass(upstream, client);
    // Both connections are where the bodies ended.
    client.send(scene.get());
    CHECK(upstream.read_request().start_line.starts_with("GET "));
    upstream.send(response("200 OK", "", "next"));
    CHECK(client.read_response().body == "next");
}

TEST_CASE("I5 an answer and the body that it answers pass each other") {
    Scene scene;
    auto [client, upstream] = scene.open(chunked_post + chunk("one"));
    head_of(upstream);
    CHECK(data_of(upstream, 3) == "one");
    upstream.send(chunked_head + chunk("ONE"));
    head_of(client);
    CHECK(data_of(client, 3) == "ONE");
    client.send(chunk("two"));
    CHECK(data_of(upstream, 3) == "two");
    upstream.send(chunk("TWO"));
    CHECK(data_of(client, 3) == "TWO");
    client.send("0\r\n\r\n");
    CHECK(upstream.read_bytes(5) == "0\r\n\r\n");
    upstream.send("0\r\n\r\n");
    CHECK(client.read_bytes(5) == "0\r\n\r\n");
}

TEST_CASE("I6 an application that refuses a long body early is heard") {
    Scene scene;
    auto [client, upstream] =
        scene.open("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" +
                   std::string(1000, 'x'));
    head_of(upstream);
    upstream.read_bytes(1000);
    upstream.send(response("413 Content Too Large", "Connection: close\r\n", "too much"));
    upstream.finish_sending();
    const auto answer = client.read_response();
    CHECK(answer.status() == 413);
    CHECK(answer.body == "too much");
    CHECK(answer.complete);
    CHECK_MESSAGE(answer.field("Connection") == "close", "or the client would go on with it");
    // The rest of the body is no request.
    client.send(std::string(1000, 'x'));
    CHECK(client.is_closed());
}

TEST_CASE("I7-I10 what the application breaks off is never whole for the client") {
    Scene scene;
    SUBCASE("I7 Content-Length") {
        for (const char* length : {"1000", "1000000"}) {
            auto [client, upstream] = scene.open(scene.get());
            upstream.read_request();
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) +
                          "\r\n\r\nhalf");
            upstream.shut_down();
            const auto answer = client.read_response();
            CHECK(answer.body == "half");
            CHECK_FALSE(answer.complete);
        }
    }
    SUBCASE("I7 I8 by a reset") {
        for (const auto& head :
             {std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), chunked_head}) {
            CAPTURE(head);
            auto [client, upstream] = scene.open(scene.get());
            upstream.read_request();
            upstream.send(head + (head == chunked_head ? chunk("half") : "half"));
            CHECK(contains(head_of(client), "200 OK"));
            CHECK((head == chunked_head ? data_of(client, 4) : client.read_bytes(4)) == "half");
            upstream.reset();
            CHECK(client.read_until_close().empty());
        }
    }
    SUBCASE("I8 chunks") {
        auto [client, upstream] = scene.open(scene.get());
        upstream.read_request();
        upstream.send(chunked_head + chunk("half"));
        upstream.shut_down();
        const auto answer = client.read_response();
        CHECK(answer.body == "half");
        CHECK_FALSE(answer.complete);
    }
    SUBCASE("I9 chunks, to HTTP/1.0") {
        auto [client, upstream] = scene.open(scene.get("", "HTTP/1.0"));
        upstream.read_request();
        upstream.send(chunked_head + chunk("half"));
        CHECK(contains(head_of(client), "200 OK"));
        CHECK(client.read_bytes(4) == "half");
        upstream.shut_down();
        CHECK(client.read_until_close().empty());
        CHECK_MESSAGE(client.was_reset(), "an end would look like the whole");
    }
    SUBCASE("I10 in the head") {
        auto [client, upstream] =
            scene.open("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        upstream.read_request();
        upstream.send("HTTP/1.1 200 OK\r\nX-Partial: 1\r\nContent-Le");
        upstream.shut_down();
        const auto answer = client.read_response();
        CHECK(answer.status() == 502);
        CHECK_FALSE(answer.has("X-Partial"));
    }
}

TEST_CASE("I11 I12 I13 a client that goes is no reason to go on, one that only stops talking is") {
    Scene scene;
    SUBCASE("I11 in a download") {
        auto pair = std::make_unique<std::pair<Wire, Wire>>(scene.open(scene.get()));
        auto upstream = std::move(pair->second);
        upstream.read_request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" +
                      std::string(1000, 'x'));
        head_of(pair->first);
        pair.reset();
        CHECK(upstream.is_closed());
    }
    SUBCASE("I11 in a download, by an end or a reset, and nobody else is served by it") {
        for (const bool by_reset : {false, true}) {
            CAPTURE(by_reset);
            auto [client, upstream] = scene.open(scene.get());
            upstream.read_request();
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" +
                          std::string(1000, 'x'));
            head_of(client);
            CHECK(client.read_bytes(1000).size() == 1000);
            if (by_reset) {
                client.reset();
            } else {
                client.finish_sending();
                client.shut_down();
            }
            CHECK(upstream.is_closed());
            Wire other(scene.stage.port());
            other.send(scene.get());
            auto fresh = scene.app.accept();
            fresh.read_request();
            fresh.send(response("200 OK", "Connection: close\r\n", "mine"));
            CHECK(other.read_response().body == "mine");
        }
    }
    SUBCASE("I12 in an upload") {
        auto pair =
            std::make_unique<std::pair<Wire, Wire>>(scene.open(chunked_post + chunk("one")));
        auto upstream = std::move(pair->second);
        head_of(upstream);
        CHECK(data_of(upstream, 3) == "one");
        pair.reset();
        CHECK_MESSAGE(upstream.read_until_close().empty(), "no last chunk");
    }
    SUBCASE("I12 in an upload of known length, by an end instead of a reset") {
        for (const char* length : {"1000", "1000000"}) {
            auto [client, upstream] = scene.open(
                "PUT /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::string(length) +
                "\r\n\r\nhalf");
            head_of(upstream);
            CHECK(upstream.read_bytes(4) == "half");
            client.finish_sending();
            CHECK_MESSAGE(upstream.read_until_close().empty(), "no padding");
            CHECK(client.read_response().status() != 200);
        }
    }
    SUBCASE("I13 half-closed behind a whole request") {
        auto [client, upstream] = scene.open(scene.get());
        client.finish_sending();
        upstream.read_request();
        upstream.send(response("200 OK", "", "for you"));
        CHECK(client.read_response().body == "for you");
    }
}

TEST_CASE("I14 I15 I16 I19 I20 every framing of an answer comes out right for every client") {
    struct Row {
        std::string id;
        std::string answer;
        bool ends = false;  ///< by the end of the connection
    };
    // clang-format off
    const Row rows[] = {
        {"length", response("200 OK", "", "hello")},
        {"I14 until the end", "HTTP/1.1 200 OK\r\n\r\nhello", true},
        {"I14 HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", true},
        {"I15 chunks", chunked_head + chunk("hel") + chunk("lo") + "0\r\n\r\n"},
        {"I16 trailers", "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
                             chunk("hello") + "0\r\nX-Sum: 1\r\nX-Discord-User-Id: 1\r\n\r\n"},
        {"I19 interim", "HTTP/1.1 102 Processing\r\n\r\n" + response("200 OK", "", "hello")},
        {"I20 early hints", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" +
                                response("200 OK", "", "hello")},
    };
    // clang-format on
    Scene scene;
    for (const auto& row : rows) {
        for (const char* version : {"HTTP/1.1", "HTTP/1.0"}) {
            CAPTURE(row.id);
            CAPTURE(version);
            auto [client, upstream] = scene.open(scene.get("Connection: close\r\n", version));
            upstream.read_request();
            upstream.send(row.answer);
            if (row.ends) upstream.finish_sending();
            auto answer = client.read_response();
            if (version == std::string("HTTP/1.1")) {
                if (row.id.starts_with("I20")) {
                    CHECK(answer.status() == 103);
                    CHECK(answer.field("Link") == "</a.css>; rel=preload");
                }
                while (answer.status() < 200 && answer.status() != 0)
                    answer = client.read_response();
                // I14: a cut would not look like the end.
                CHECK((answer.has("Content-Length") || answer.has("Transfer-Encoding")));
            }
            CHECK(answer.status() == 200);
            CHECK(answer.body == "hello");
            CHECK(answer.complete);
            CHECK_FALSE(answer.has("(trailer)"));
            CHECK_FALSE(answer.has("X-Sum"));
            if (version == std::string("HTTP/1.0")) CHECK_FALSE(answer.has("Transfer-Encoding"));
            CHECK(client.is_closed());
        }
    }
}

TEST_CASE("I16 A49 B15 trailers reach a client that reads them, but for those that must not be") {
    Scene scene;
    const auto open = [&](const std::string& te) {
        auto [client, upstream] = scene.open(scene.get(te + "Connection: close\r\n"));
        CHECK_FALSE(upstream.read_request().has("TE"));
        upstream.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
                      chunk("hello") +
                      "0\r\nX-Sum: 1\r\nX-Discord-User-Id: 1\r\nContent-Length: 3\r\nSet-Cookie: "
                      "a=b\r\nTransfer-Encoding: x\r\nContent-Type: text/html\r\n\r\n");
        return client.read_until_close();
    };
    const auto told = open("TE: trailers, deflate;q=0.5\r\n");
    CHECK(contains(told, "Trailer: X-Sum\r\n"));
    CHECK(told.ends_with("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"));
    const auto untold = open("");
    CHECK_FALSE(contains(untold, "X-Sum"));
    CHECK(untold.ends_with("5\r\nhello\r\n0\r\n\r\n"));
}

TEST_CASE("A60 what an application says behind its answer is nobody's, however late it comes") {
    Scene scene;
    const auto answer = [](const std::string& body) {
        return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               body;
    };
    for (int i = 0; i < 20; ++i) {
        CAPTURE(i);
        auto [first, upstream] = scene.open(scene.get());
        upstream.read_request();
        upstream.send(answer("first"));
        CHECK(first.read_response().body == "first");
        // The connection rests in the pool; this may not become anybody's answer.
        upstream.send(answer("poison"));
        Wire second(scene.stage.port());
        second.send(scene.get());
        auto fresh = scene.app.accept();
        CHECK(fresh.read_request().target() == "/public/x");
        fresh.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecond");
        CHECK(second.read_response().body == "second");
        CHECK(upstream.is_closed());
    }
}

TEST_CASE("A52 I6 an answer never crosses the 100 that comes before it") {
    Scene scene;
    // A client that reads nothing fills its side until the 100 has to wait.
    const std::string asks =
        "POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    auto [client, upstream] = scene.open(asks);
    CHECK(client.read_response().status() == 100);
    upstream.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    upstream.send(response("413 Content Too Large", "", "no"));
    auto answer = client.read_response();
    while (answer.status() == 103) answer = client.read_response();
    CHECK(answer.status() == 413);
    CHECK(client.is_closed());
    // Sent without being told: no 100, which nobody waits for.
    auto [hasty, second] = scene.open(asks + chunk("hello") + "0\r\n\r\n");
    CHECK(second.read_request().body == "hello");
    second.send(response("200 OK", "", "yes"));
    CHECK(hasty.read_response().status() == 200);
}

TEST_CASE("J8 a client that pauses its upload is not the application's delay") {
    Scene scene({.server = "timeouts: {upstream: 2s, body: 20s}"});
    auto [client, upstream] =
        scene.open("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    // Longer than the application would be given.
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
    client.send("world");
    CHECK(upstream.read_request().body == "helloworld");
    upstream.send(response("200 OK", "", "all"));
    CHECK(client.read_response().body == "all");
    // And the application's own silence is still its own.
    client.send(scene.get());
    CHECK(client.read_response().status() == 504);
}

TEST_CASE("A55 I13 the end of a long answer reaches a client that has more to say") {
    Scene scene;
    const std::string big = noise(2'000'000);
    auto [client, upstream] = scene.open(scene.get("Connection: close\r\n"));
    upstream.read_request();
    std::thread application([&wire = upstream, &big] {
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(big.size()) + "\r\n\r\n" +
                  big);
    });
    client.send("\r\nGET /public/next HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = client.read_response();
    application.join();
    CHECK(answer.complete);
    CHECK(answer.body == big);
    CHECK_FALSE(client.was_reset());
}

TEST_CASE("I21 an application that sends the body of a HEAD answers nobody else with it") {
    Scene scene;
    auto [client, upstream] = scene.open("HEAD /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.read_request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    CHECK(client.read_response("HEAD").status() == 200);
    client.send(scene.get());
    auto fresh = scene.app.accept();
    CHECK(upstream.is_closed());
    fresh.read_request();
    fresh.send(response("200 OK", "", "mine"));
    CHECK(client.read_response().body == "mine");
}

TEST_CASE("I17 I18 who asks first is told to go on once the request is allowed, and not before") {
    Scene scene({.limits = "body_bytes: 1MiB"});
    const auto head = [](const std::string& path, const std::string& length) {
        return "POST " + path +
               " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " + length +
               "\r\n\r\n";
    };
    SUBCASE("I17 I18 allowed, whatever the application says") {
        Wire client(scene.stage.port());
        client.send(head("/public/x", "5"));
        auto upstream = scene.app.accept();
        CHECK(client.read_response().status() == 100);
        client.send("hello");
        CHECK(upstream.read_request().body == "hello");
        upstream.send(response("200 OK", "", "ok"));
        CHECK(client.read_response().status() == 200);
    }
    SUBCASE("I17 refused") {
        for (const auto& [path, length, status] : {
                 std::tuple{"/private",  "5",       401},
                 std::tuple{"/public/x", "1048577", 413}
        }) {
            Wire client(scene.stage.port());
            client.send(head(path, length));
            CHECK(client.read_response().status() == status);
            CHECK_FALSE(scene.app.has_another());
        }
    }
}

TEST_CASE("I21 I22 an answer that has no body takes none, whatever stands there") {
    struct Row {
        std::string id;
        std::string method;
        std::string answer;
        int status;
        std::string kept;  ///< Content-Length for the client
    };
    // clang-format off
    const Row rows[] = {
        {"I21 HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "5"},
        {"I21 HEAD with a body", "HEAD", response("200 OK", "", "extra"), 200, "5"},
        {"I22 204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"I22 204 with a body", "GET", response("204 No Content", "", "extra"), 204, ""},
        {"I22 304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
         304, "5"},
        {"I22 304 with a body", "GET", response("304 Not Modified", "ETag: \"a\"\r\n", "extra"), 304,
         "5"},
        {"I22 204 with chunks", "GET",
         "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("extra") +
             "0\r\n\r\n",
         204, ""},
        {"I22 304 with chunks", "GET",
         "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("extra") +
             "0\r\n\r\n",
         304, ""},
        {"I22 205", "GET", response("205 Reset Content", "", ""), 205, "0"},
        {"I22 205 with a body", "GET", response("205 Reset Content", "", "extra"), 205, "0"},
        {"I22 205 with chunks", "GET",
         "HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("extra") +
             "0\r\n\r\n",
         205, "0"},
        {"I22 205 of no length", "GET", "HTTP/1.1 205 Reset Content\r\n\r\nextra", 205, "0"},
    };
    // clang-format on
    Scene scene;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        Wire client(scene.stage.port());
        client.send(row.method + " /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
        auto upstream = scene.app.accept();
        upstream.read_request();
        upstream.send(row.answer);
        const auto answer = client.read_response(row.method);
        CHECK(answer.status() == row.status);
        CHECK(answer.body.empty());
        if (row.status != 200) CHECK_FALSE(answer.has("Transfer-Encoding"));
        CHECK(answer.field("Content-Length") == row.kept);
        // What stood there too many is not the next answer.
        client.send("GET /public/next HTTP/1.1\r\nHost: a\r\n\r\n");
        // Nor may it be, of an application that announces a body and sends it late.
        const bool clean = row.answer.ends_with("\r\n\r\n") &&
                           row.answer.find("Length: 5") == std::string::npos &&
                           row.answer.find("chunked") == std::string::npos;
        auto next = clean ? std::move(upstream) : scene.app.accept();
        CHECK(next.read_request().target() == "/public/next");
        next.send(response("200 OK", "", "next"));
        CHECK(client.read_response().body == "next");
    }
}

TEST_CASE("I23 I24 I25 I26 I31 I32 requests and answers pass unchanged") {
    struct Row {
        std::string id;
        std::string fields;  ///< of the request
        std::string body;
        std::string status, answer_fields, answer_body;
    };
    const std::string all = noise(1 << 20);
    // clang-format off
    const Row rows[] = {
        {"I23 Range", "Range: bytes=0-9\r\n", "", "206 Partial Content",
         "Content-Range: bytes 0-9/100\r\n", "0123456789"},
        {"I23 several ranges", "Range: bytes=0-1,4-5\r\n", "", "206 Partial Content",
         "Content-Type: multipart/byteranges; boundary=x\r\n", "--x\r\n\r\n01\r\n--x--"},
        {"I23 out of range", "Range: bytes=900-\r\n", "", "416 Range Not Satisfiable",
         "Content-Range: bytes */100\r\n", ""},
        {"I24 If-None-Match", "If-None-Match: \"a\", W/\"b\"\r\n", "", "200 OK", "ETag: \"c\"\r\n",
         "c"},
        {"I24 If-Modified-Since", "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n", "",
         "200 OK", "Last-Modified: Sat, 29 Oct 1994 19:43:32 GMT\r\n", "c"},
        {"I24 If-Range", "If-Range: \"a\"\r\nRange: bytes=0-\r\n", "", "200 OK", "", "c"},
        {"I25 Content-Encoding", "Accept-Encoding: br, gzip\r\n", "", "200 OK",
         "Content-Encoding: x-unknown\r\n", "\x1f\x8b not gzip"},
        {"I26 empty", "Content-Length: 0\r\n", "", "200 OK", "", ""},
        {"I31 a compressed body", "Content-Encoding: gzip\r\nContent-Length: 4\r\n",
         "\x1f\x8b\x08\xff", "200 OK", "", "ok"},
        {"I32 every byte", "Content-Length: " + std::to_string(all.size()) + "\r\n", all, "200 OK",
         "", all},
    };
    // clang-format on
    Scene scene;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        Wire client(scene.stage.port());
        std::thread writer([&] {
            client.send("PUT /public/x HTTP/1.1\r\nHost: a\r\n" + row.fields + "\r\n" + row.body);
        });
        auto upstream = scene.app.accept();
        const auto seen = upstream.read_request();
        writer.join();
        CHECK(contains(seen.head, row.fields));
        CHECK((seen.body == row.body));
        std::thread answerer(
            [&] { upstream.send(response(row.status, row.answer_fields, row.answer_body)); });
        const auto answer = client.read_response();
        answerer.join();
        CHECK(answer.start_line == "HTTP/1.1 " + row.status);
        CHECK(contains(answer.head, row.answer_fields));
        CHECK((answer.body == row.answer_body));
        CHECK(answer.field("Content-Length") == std::to_string(row.answer_body.size()));
    }
}

TEST_CASE(
    "I27 a request that meets an application just hanging up is asked again, when it may be") {
    struct Row {
        std::string id;
        std::string request;
        bool again;
    };
    // clang-format off
    const Row rows[] = {
        {"I27 GET", "GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"I27 POST", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", false},
    };
    // clang-format on
    Scene scene;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        auto [client, upstream] = scene.open(scene.get());
        upstream.read_request();
        upstream.send(response("200 OK", "", "first"));
        CHECK(client.read_response().body == "first");
        client.send(row.request);
        REQUIRE_FALSE(upstream.read_request().start_line.empty());
        upstream.shut_down();
        if (!row.again) {
            CHECK(client.read_response().status() == 502);
            CHECK_FALSE(scene.app.has_another());
            continue;
        }
        auto second = scene.app.accept();
        CHECK(second.read_request().target() == "/public/x");
        second.shut_down();
        CHECK_MESSAGE(client.read_response().status() == 502, "once, and no more");
    }
}

TEST_CASE("I28 I29 applications that close after each answer cost no client an answer") {
    const std::string answers[] = {
        response("200 OK", "Connection: close\r\n", "ok"),
        response("200 OK", "", "ok"),
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    for (const auto& answer_of_app : answers) {
        CAPTURE(answer_of_app);
        Scene scene;
        constexpr int requests = 200;
        std::thread application([&] {
            for (int i = 0; i < requests; ++i) {
                auto wire = scene.app.accept();
                // A connection may have been opened for a request that went elsewhere.
                wire.read_request();
                wire.send(answer_of_app);
            }
        });
        Wire client(scene.stage.port());
        int good = 0;
        for (int i = 0; i < requests; ++i) {
            client.send(scene.get());
            const auto answer = client.read_response();
            good += answer.status() == 200 && !answer.has("Connection");
        }
        application.join();
        CHECK(good == requests);
    }
}

TEST_CASE(
    "I30 many cookies and a large head pass, and one beyond the limit is a 502 with a line in the "
    "log") {
    Scene scene;
    const auto asked = [&](const std::string& fields) {
        auto [client, upstream] = scene.open(scene.get());
        upstream.read_request();
        upstream.send(response("200 OK", fields, "ok"));
        return client.read_response();
    };
    std::string cookies;
    for (int i = 0; i < 200; ++i) cookies += "Set-Cookie: c" + std::to_string(i) + "=1\r\n";
    const auto many = asked(cookies);
    CHECK(many.status() == 200);
    CHECK(many.count("Set-Cookie") == 200);
    const auto large = std::string(64 << 10, 'x');
    CHECK(asked("X-Large: " + large + "\r\n").field("X-Large") == large);
    CHECK(asked("X-Large: " + std::string(10 << 20, 'x') + "\r\n").status() == 502);
    CHECK(scene.stage.gate().process().says("upstream: header too large"));
}
