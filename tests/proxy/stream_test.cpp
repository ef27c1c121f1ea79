#include <array>
#include <thread>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

std::string text_of(const Error& error) {
    return std::string(to_string(error.kind)) + " " + std::string(to_string(error.source));
}

Awaitable<Result<std::string>> read_once(Stream& stream) {
    std::array<char, 64> into;
    const auto size = co_await stream.read_some(into);
    if (!size) co_return size.error();
    co_return std::string(into.data(), *size);
}

std::string what_reads(Pair& pair) {
    const auto got = run(pair.io, read_once(pair.stream));
    return got ? *got : text_of(got.error());
}

Awaitable<Result<void>> wait_readable(Stream& stream) {
    co_return co_await stream.wait_readable();
}

Awaitable<Result<void>> write(Stream& stream, std::span<const std::string_view> parts) {
    co_return co_await stream.write(parts);
}

}  // namespace

TEST_CASE("a stream reads what came, then the end, and a reset is no end") {
    Pair pair;
    pair.peer.send("hello");
    CHECK(what_reads(pair) == "hello");
    pair.peer.finish();
    CHECK(what_reads(pair).empty());
    CHECK(what_reads(pair).empty());

    Pair other(ErrorSource::upstream);
    other.peer.reset();
    CHECK(what_reads(other) == "unavailable upstream");
}

TEST_CASE("a read that waits ends in every way there is") {
    struct Case {
        std::string_view name;
        void (*happens)(Pair&);
        std::string_view outcome;
    };
    // clang-format off
    const Case cases[] = {
        {"bytes come", [](Pair& p) { p.peer.send("x"); }, "x"},
        {"the peer finishes", [](Pair& p) { p.peer.finish(); }, ""},
        {"the peer resets", [](Pair& p) { p.peer.reset(); }, "unavailable client"},
        {"the deadline passes", [](Pair& p) { p.stream.expires_after(0ms); }, "timed_out client"},
        {"we cancel", [](Pair& p) { p.stream.cancel_waiting(); }, "closed client"},
        {"we close", [](Pair& p) { p.stream.close(); }, "closed client"},
        {"we abort", [](Pair& p) { p.stream.abort(); }, "closed client"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Pair pair;
        Pending<Result<std::string>> waiting;
        start(pair.io, read_once(pair.stream), waiting);
        REQUIRE_FALSE(waiting.value.has_value());
        c.happens(pair);
        const auto got = finish(pair.io, waiting);
        CHECK((got ? *got : text_of(got.error())) == c.outcome);
    }
}

TEST_CASE("wait_readable returns for bytes and for the end, and fails like a read") {
    Pair pair;
    pair.peer.send("x");
    CHECK(run(pair.io, wait_readable(pair.stream)));
    CHECK(what_reads(pair) == "x");
    Pending<Result<void>> waiting;
    start(pair.io, wait_readable(pair.stream), waiting);
    CHECK_FALSE(waiting.value.has_value());
    pair.peer.finish();
    CHECK(finish(pair.io, waiting));

    Pair silent;
    silent.stream.expires_after(0ms);
    const auto late = run(silent.io, wait_readable(silent.stream));
    REQUIRE_FALSE(late);
    CHECK(text_of(late.error()) == "timed_out client");
}

TEST_CASE("a deadline that passes while nothing waits is forgotten, J10") {
    Pair pair;
    pair.stream.expires_after(0ms);
    pair.io.run_for(3 * Deadlines::tick);
    pair.peer.send("x");
    CHECK(what_reads(pair) == "x");
    Pending<Result<std::string>> waiting;
    start(pair.io, read_once(pair.stream), waiting);
    pair.io.run_for(3 * Deadlines::tick);
    CHECK_FALSE(waiting.value.has_value());
    pair.peer.send("y");
    CHECK(*finish(pair.io, waiting) == "y");
}

TEST_CASE("a deadline that is moved or taken back does not fire, J8") {
    Pair pair;
    Pending<Result<std::string>> waiting;
    start(pair.io, read_once(pair.stream), waiting);
    pair.stream.expires_after(0ms);
    pair.stream.expires_never();
    pair.io.run_for(3 * Deadlines::tick);
    CHECK_FALSE(waiting.value.has_value());
    pair.stream.expires_after(0ms);
    pair.stream.expires_after(1h);
    pair.io.run_for(3 * Deadlines::tick);
    CHECK_FALSE(waiting.value.has_value());
    pair.stream.close();
    CHECK_FALSE(finish(pair.io, waiting));
}

TEST_CASE("a peer that does not read meets the deadline of a write, J9") {
    Pair pair;
    const std::string much(64 << 20, 'x');
    const std::array<std::string_view, 1> parts{much};
    pair.stream.expires_after(0ms);
    const auto sent = run(pair.io, write(pair.stream, parts));
    REQUIRE_FALSE(sent);
    CHECK(text_of(sent.error()) == "timed_out client");
}

TEST_CASE("a deadline ends the read and the write that wait, both") {
    Pair pair;
    const std::string much(64 << 20, 'x');
    const std::array<std::string_view, 1> parts{much};
    Pending<Result<std::string>> reading;
    start(pair.io, read_once(pair.stream), reading);
    Pending<Result<void>> writing;
    start(pair.io, write(pair.stream, parts), writing);
    pair.stream.expires_after(0ms);
    const auto got = finish(pair.io, reading);
    const auto sent = finish(pair.io, writing);
    REQUIRE_FALSE(got);
    REQUIRE_FALSE(sent);
    CHECK(got.error().kind == ErrorKind::timed_out);
    CHECK(sent.error().kind == ErrorKind::timed_out);
}

TEST_CASE("write sends every part in order, empty ones and many, however slowly they go") {
    Pair pair;
    std::vector<std::string> texts;
    for (int i = 0; i < 20; ++i) {
        texts.push_back(i % 3 == 1 ? "" : std::string(i % 5 == 0 ? 300000 : 3, 'a' + (i % 26)));
    }
    std::vector<std::string_view> parts(texts.begin(), texts.end());
    std::string whole;
    for (const auto& text : texts) whole += text;

    std::string received;
    std::thread reader([&] { received = pair.peer.receive(whole.size()); });
    CHECK(run(pair.io, write(pair.stream, parts)));
    reader.join();
    CHECK(received == whole);
    CHECK(run(pair.io, write(pair.stream, {})));
}

TEST_CASE("a write to a peer that has gone fails and raises no signal") {
    Pair pair;
    pair.peer.reset();
    const std::array<std::string_view, 1> parts{"x"};
    for (int i = 0; i < 2; ++i) {
        const auto sent = run(pair.io, write(pair.stream, parts));
        REQUIRE_FALSE(sent);
        CHECK(text_of(sent.error()) == "unavailable client");
    }
}

TEST_CASE("a cancelled stream can still be written, a closed one cannot") {
    Pair pair;
    Pending<Result<std::string>> waiting;
    start(pair.io, read_once(pair.stream), waiting);
    pair.stream.cancel_waiting();
    CHECK_FALSE(finish(pair.io, waiting));
    const std::array<std::string_view, 1> parts{"bye"};
    CHECK(run(pair.io, write(pair.stream, parts)));
    CHECK(pair.peer.receive(3) == "bye");
    pair.stream.close();
    const auto sent = run(pair.io, write(pair.stream, parts));
    REQUIRE_FALSE(sent);
    CHECK(text_of(sent.error()) == "closed client");
    CHECK_FALSE(pair.stream.is_open());
}

TEST_CASE("close and abort look different to the peer, so that a cut is no end, A47 J18") {
    Pair closed;
    closed.stream.close();
    CHECK(closed.peer.ending() == 0);
    Pair aborted;
    aborted.stream.abort();
    CHECK(aborted.peer.ending() == ECONNRESET);
}

TEST_CASE("shutdown_send ends our half only") {
    Pair pair;
    const auto shut = [](Stream& stream) -> Awaitable<bool> {
        co_await stream.shutdown_send();
        co_return true;
    };
    CHECK(run(pair.io, shut(pair.stream)));
    CHECK(pair.peer.ending() == 0);
    pair.peer.send("x");
    CHECK(what_reads(pair) == "x");
}

TEST_CASE("only a silent and open connection is quiet, A59 A60") {
    Pair pair;
    CHECK(pair.stream.is_quiet());
    pair.peer.send("x");
    CHECK_FALSE(pair.stream.is_quiet());
    CHECK(what_reads(pair) == "x");
    CHECK(pair.stream.is_quiet());
    pair.peer.finish();
    CHECK_FALSE(pair.stream.is_quiet());
    Pair reset;
    reset.peer.reset();
    CHECK_FALSE(reset.stream.is_quiet());
    Pair closed;
    closed.stream.close();
    CHECK_FALSE(closed.stream.is_quiet());
}

TEST_CASE("a watched peer that resets or finishes is told of once, one that only waits is not") {
    struct Case {
        std::string_view name;
        void (*happens)(Pair&);
        bool told;
    };
    // clang-format off
    const Case cases[] = {
        {"the peer resets", [](Pair& p) { p.peer.reset(); }, true},
        {"the peer finishes", [](Pair& p) { p.peer.finish(); }, true},
        {"the peer waits", [](Pair&) {}, false},
        {"the peer sends the next request", [](Pair& p) { p.peer.send("GET"); }, false},
        {"we stop watching", [](Pair& p) { p.peer.reset(); p.stream.unwatch_peer(); }, false},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Pair pair;
        int told = 0;
        pair.stream.watch_peer([&] { ++told; });
        c.happens(pair);
        // A busy machine may tick late; only what must not happen is waited for in full.
        const auto enough = Stream::half_close_grace + 5 * Deadlines::tick;
        const auto end = SteadyClock::now() + (c.told ? 10 * enough : enough);
        while (SteadyClock::now() < end && !(c.told && told > 0)) pair.io.run_one_until(end);
        CHECK(told == (c.told ? 1 : 0));
    }
}

}  // namespace cordgate::proxy::test
