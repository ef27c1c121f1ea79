#include "proxy/body_reader.hpp"

#include <functional>
#include <utility>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

using http::Framing;

http::MessageFields framed(Framing framing, std::uint64_t length = 0) {
    http::MessageFields head;
    head.framing = framing;
    head.content_length = length;
    return head;
}

struct Body {
    std::string data;
    std::optional<ErrorKind> failed;
    std::optional<ErrorSource> source;
};

Task<Body> read_all(BodyReader& reader) {
    Body body;
    for (;;) {
        const auto piece = co_await reader.next();
        if (!piece) {
            body.failed = piece.error().kind;
            body.source = piece.error().source;
            co_return body;
        }
        if (piece->empty()) co_return body;
        body.data += *piece;
    }
}

struct Message {
    std::string_view name;
    Framing framing;
    std::uint64_t length;
    std::string_view bytes;
    std::string_view data;
};

// clang-format off
constexpr Message messages[] = {
    {"length", Framing::length, 11, "hello world", "hello world"},
    {"chunked", Framing::chunked, 0, "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: 1\r\n\r\n",
     "hello world"},
    {"until close", Framing::until_close, 0, "hello world", "hello world"},
};
// clang-format on

enum class Ending { finish, reset, silence };

/// Reads a message of which `first` bytes were there before, `then` came by the
/// wire, and after which something happened.
Body read_cut(const Message& message, std::size_t first, std::size_t cut, Ending ending) {
    Pair pair(ErrorSource::upstream);
    Buffer buffer;
    buffer.append(message.bytes.substr(0, first));
    pair.peer.send(message.bytes.substr(first, cut - first));
    if (ending == Ending::finish) pair.peer.finish();
    if (ending == Ending::reset) pair.peer.reset();
    const auto head = framed(message.framing, message.length);
    BodyReader reader(pair.stream, buffer, head, ErrorSource::upstream, 0ms);
    return run(pair.loop, read_all(reader));
}

}  // namespace

TEST_CASE("a body is read whole wherever it was cut on its way") {
    for (const auto& message : messages) {
        CAPTURE(message.name);
        for (std::size_t cut = 0; cut <= message.bytes.size(); ++cut) {
            CAPTURE(cut);
            const auto body = read_cut(message, cut, message.bytes.size(), Ending::finish);
            CHECK_FALSE(body.failed);
            CHECK(body.data == message.data);
        }
    }
}

TEST_CASE("a body that stops at any byte is never taken for a whole one, A47 J18 CVE-2026-71324") {
    for (const auto& message : messages) {
        CAPTURE(message.name);
        for (std::size_t cut = 0; cut < message.bytes.size(); ++cut) {
            CAPTURE(cut);
            for (const auto ending : {Ending::finish, Ending::reset}) {
                const auto body = read_cut(message, cut / 2, cut, ending);
                CHECK(message.data.starts_with(body.data));
                CHECK_FALSE((body.data == message.data && !body.failed));
                if (message.framing == Framing::until_close && ending == Ending::finish) {
                    CHECK_FALSE(body.failed);  // all that this framing can tell
                    continue;
                }
                REQUIRE(body.failed.has_value());
                CHECK(*body.source == ErrorSource::upstream);
                CHECK(*body.failed ==
                      (ending == Ending::finish ? ErrorKind::closed : ErrorKind::unavailable));
            }
        }
        const auto silent = read_cut(message, 0, 4, Ending::silence);
        CHECK(silent.failed == ErrorKind::timed_out);
    }
}

TEST_CASE("the time-out of a body runs from its last byte, J8") {
    // Each byte comes well within the limit, all of them together behind it.
    struct Drip final : Deadline {
        explicit Drip(Pair& p) : Deadline(p.loop.deadlines()), pair(p) { expires_after(300ms); }
        void on_expiry() override {
            const auto last = std::exchange(sent_at, SteadyClock::now());
            is_late = is_late || sent_at - last > 900ms;
            pair.peer.send("x");
            if (++sent < 4) expires_after(300ms);
        }
        Pair& pair;
        SteadyClock::time_point sent_at = SteadyClock::now();
        bool is_late = false;  ///< the machine stood still
        int sent = 0;
    };
    bool is_late = true;
    for (int i = 0; i < 10 && is_late; ++i) {
        Pair pair;
        Buffer buffer;
        const auto head = framed(Framing::length, 4);
        BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 1s);
        Drip drip(pair);
        const auto body = run(pair.loop, read_all(reader));
        is_late = body.failed && drip.is_late;
        if (is_late) continue;
        CHECK_FALSE(body.failed);
        CHECK(body.data == "xxxx");
    }
    CHECK_FALSE(is_late);
}

TEST_CASE("a body may have exactly the size of its limit, J4-J6") {
    struct Case {
        std::string_view name;
        Framing framing;
        std::uint64_t length;
        std::string_view bytes;
        std::uint64_t limit;
        bool passes;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"no limit", Framing::length, 5, "hello", 0, true},
        {"J6 length of the limit", Framing::length, 5, "hello", 5, true},
        {"J4 length above it", Framing::length, 5, "hello", 4, false},
        {"J6 chunks of the limit", Framing::chunked, 0, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 5,
         true},
        {"J5 chunks above it", Framing::chunked, 0, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 4, false},
        {"J5 one chunk above it", Framing::chunked, 0, "5\r\nhello\r\n0\r\n\r\n", 4, false},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Pair pair;
        Buffer buffer;
        buffer.append(c.bytes);
        const auto head = framed(c.framing, c.length);
        BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 0ms, c.limit);
        const auto body = run(pair.loop, read_all(reader));
        CHECK(body.failed.has_value() == !c.passes);
        if (body.failed) CHECK(*body.failed == ErrorKind::too_large);
        if (c.passes) CHECK(reader.size() == 5);
    }
}

TEST_CASE("broken chunks are the sender's fault, A42-A46") {
    for (const std::string_view bytes : {"x\r\n", "5\r\nhello!", "5\nhello", "0\r\nX\r\n\r\n"}) {
        CAPTURE(bytes);
        Pair pair;
        Buffer buffer;
        pair.peer.send(bytes);
        const auto head = framed(Framing::chunked);
        BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 1h);
        const auto body = run(pair.loop, read_all(reader));
        REQUIRE(body.failed.has_value());
        CHECK(*body.failed == ErrorKind::bad_request);
    }
}

TEST_CASE("what follows a body stays in the buffer, A50 A57 A60") {
    const std::string next = "GET /next HTTP/1.1\r\n";
    for (const auto& message : messages) {
        if (message.framing == Framing::until_close) continue;
        CAPTURE(message.name);
        Pair pair;
        Buffer buffer;
        buffer.append(std::string(message.bytes) + next);
        const auto head = framed(message.framing, message.length);
        BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 1h);
        CHECK_FALSE(reader.done());
        const auto body = run(pair.loop, read_all(reader));
        CHECK(body.data == message.data);
        CHECK(reader.done());
        CHECK_FALSE(reader.needs_reading());
        CHECK(reader.leftover().view() == next);
    }
    Pair pair;
    Buffer buffer;
    buffer.append(next);
    const auto head = framed(Framing::none);
    BodyReader none(pair.stream, buffer, head, ErrorSource::client, 1h);
    CHECK(none.done());
    CHECK(run(pair.loop, read_all(none)).data.empty());
    CHECK(none.leftover().view() == next);
}

TEST_CASE(
    "a piece that filled its room has more behind it, the last one and a short one have not") {
    Pair pair;
    Buffer buffer;
    const std::string full(BlockCache::block_size, 'x');
    const auto head = framed(Framing::length, full.size() + 2);
    BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 10s);
    const auto next = [&]() -> std::string_view {
        const auto piece = run(pair.loop, reader.next());
        return piece ? *piece : "failed";
    };
    pair.peer.send(full);
    pair.loop.run_once(0ms);
    CHECK(next().size() == full.size());
    CHECK(reader.more() == Stream::More::follows);
    pair.peer.send("y");
    CHECK(next() == "y");
    CHECK(reader.more() == Stream::More::comes_later);
    pair.peer.send("z");
    CHECK(next() == "z");
    CHECK(reader.more() == Stream::More::comes_later);
}

TEST_CASE("next_buffered never waits, and needs_reading says whether next would") {
    Pair pair;
    Buffer buffer;
    const auto head = framed(Framing::length, 10);
    BodyReader reader(pair.stream, buffer, head, ErrorSource::client, 1h);
    CHECK_FALSE(reader.next_buffered());
    CHECK(reader.needs_reading());
    buffer.append("hello");
    CHECK(reader.needs_reading());
    auto piece = reader.next_buffered();
    REQUIRE(piece);
    REQUIRE(*piece);
    CHECK(**piece == "hello");
    CHECK(reader.needs_reading());
    CHECK_FALSE(reader.next_buffered());
    buffer.append("world");
    CHECK_FALSE(reader.needs_reading());
    piece = reader.next_buffered();
    REQUIRE(piece);
    CHECK(**piece == "world");
    CHECK(reader.done());
    piece = reader.next_buffered();
    REQUIRE(piece);
    CHECK((*piece)->empty());

    Buffer chunks;
    const auto coded = framed(Framing::chunked);
    BodyReader chunked(pair.stream, chunks, coded, ErrorSource::client, 1h);
    chunks.append("5\r\nhello\r\n0\r\n");
    piece = chunked.next_buffered();
    REQUIRE(piece);
    CHECK(**piece == "hello");
    CHECK_FALSE(chunked.next_buffered());
    CHECK(chunked.needs_reading());
    chunks.append("\r\n");
    piece = chunked.next_buffered();
    REQUIRE(piece);
    CHECK((*piece)->empty());
    CHECK(chunked.done());
}

TEST_CASE("a buffer keeps its contents while it moves, grows and is cut") {
    Buffer buffer;
    CHECK(buffer.empty());
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
        const std::string piece(static_cast<std::size_t>(i % 37), static_cast<char>('a' + i % 26));
        buffer.append(piece);
        expected += piece;
        const auto eaten = std::min<std::size_t>(expected.size(), static_cast<std::size_t>(i % 29));
        buffer.consume(eaten);
        expected.erase(0, eaten);
        REQUIRE(buffer.view() == expected);
    }
    buffer.truncate(5);
    CHECK(buffer.view() == expected.substr(0, 5));
    buffer.release();
    CHECK(buffer.empty());
    CHECK(buffer.prepare(10).size() >= 10);
    buffer.append("");
    CHECK(buffer.empty());
}

}  // namespace cordgate::proxy::test
