#include <array>
#include <thread>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

std::string text_of(const Error& error) {
    return std::string(to_string(error.kind)) + " " + std::string(to_string(error.source));
}

Task<Result<std::string>> read_once(Stream& stream) {
    std::array<char, 64> into;
    const auto size = co_await stream.read_some(into);
    if (!size) co_return size.error();
    co_return std::string(into.data(), *size);
}

std::string what_reads(Pair& pair) {
    const auto got = run(pair.loop, read_once(pair.stream));
    return got ? *got : text_of(got.error());
}

Task<Result<void>> wait_readable(Stream& stream) {
    co_return co_await stream.wait_readable();
}

Task<Result<void>> write(Stream& stream, std::span<const std::string_view> parts) {
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
        start(pair.loop, read_once(pair.stream), waiting);
        REQUIRE_FALSE(waiting.value.has_value());
        c.happens(pair);
        const auto got = finish(pair.loop, waiting);
        CHECK((got ? *got : text_of(got.error())) == c.outcome);
    }
}

TEST_CASE("wait_readable returns for bytes and for the end, and fails like a read") {
    Pair pair;
    pair.peer.send("x");
    CHECK(run(pair.loop, wait_readable(pair.stream)));
    CHECK(what_reads(pair) == "x");
    Pending<Result<void>> waiting;
    start(pair.loop, wait_readable(pair.stream), waiting);
    CHECK_FALSE(waiting.value.has_value());
    pair.peer.finish();
    CHECK(finish(pair.loop, waiting));

    Pair silent;
    silent.stream.expires_after(0ms);
    const auto late = run(silent.loop, wait_readable(silent.stream));
    REQUIRE_FALSE(late);
    CHECK(text_of(late.error()) == "timed_out client");
}

TEST_CASE("a deadline that passes while nothing waits is forgotten, J10") {
    Pair pair;
    pair.stream.expires_after(0ms);
    run_for_ticks(pair.loop, 3);
    pair.peer.send("x");
    CHECK(what_reads(pair) == "x");
    Pending<Result<std::string>> waiting;
    start(pair.loop, read_once(pair.stream), waiting);
    run_for_ticks(pair.loop, 3);
    CHECK_FALSE(waiting.value.has_value());
    pair.peer.send("y");
    CHECK(*finish(pair.loop, waiting) == "y");
}

TEST_CASE("a deadline that is moved or taken back does not fire, J8") {
    Pair pair;
    Pending<Result<std::string>> waiting;
    start(pair.loop, read_once(pair.stream), waiting);
    pair.stream.expires_after(0ms);
    pair.stream.expires_never();
    run_for_ticks(pair.loop, 3);
    CHECK_FALSE(waiting.value.has_value());
    pair.stream.expires_after(0ms);
    pair.stream.expires_after(1h);
    run_for_ticks(pair.loop, 3);
    CHECK_FALSE(waiting.value.has_value());
    pair.stream.close();
    CHECK_FALSE(finish(pair.loop, waiting));
}

TEST_CASE("a peer that does not read meets the deadline of a write, J9") {
    Pair pair;
    const std::string much(64 << 20, 'x');
    const std::array<std::string_view, 1> parts{much};
    pair.stream.expires_after(0ms);
    const auto sent = run(pair.loop, write(pair.stream, parts));
    REQUIRE_FALSE(sent);
    CHECK(text_of(sent.error()) == "timed_out client");
}

TEST_CASE("a deadline ends the read and the write that wait, both") {
    Pair pair;
    const std::string much(64 << 20, 'x');
    const std::array<std::string_view, 1> parts{much};
    Pending<Result<std::string>> reading;
    start(pair.loop, read_once(pair.stream), reading);
    Pending<Result<void>> writing;
    start(pair.loop, write(pair.stream, parts), writing);
    pair.stream.expires_after(0ms);
    const auto got = finish(pair.loop, reading);
    const auto sent = finish(pair.loop, writing);
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
    CHECK(run(pair.loop, write(pair.stream, parts)));
    reader.join();
    CHECK(received == whole);
    CHECK(run(pair.loop, write(pair.stream, {})));
}

namespace {

/// Two streams of one loop; whoever hears something says so, answers and says so.
struct Company {
    Task<void> answer(Stream& stream, std::string name, Stream* victim = nullptr) {
        const auto heard = co_await read_once(stream);
        REQUIRE(heard);
        log += name + " heard, ";
        if (victim) victim->close();
        const auto sent = co_await stream.write(name);
        log += name + (sent ? " answered, " : " was closed, ");
        ++ended;
    }
    void run(Stream* victim) {
        loop.spawn(answer(a, "a"));
        loop.spawn(answer(b, "b", victim));
        for (const auto* peer : {&peer_a, &peer_b}) peer->send("x");
        REQUIRE(run_until(loop, [&] { return ended == 2; }));
    }

    EventLoop loop;
    TcpHandles one = connect_tcp(), two = connect_tcp();
    Peer peer_a{one.far}, peer_b{two.far};
    Stream a{loop, Descriptor(one.near), ErrorSource::client};
    Stream b{loop, Descriptor(two.near), ErrorSource::client};
    std::string log;
    int ended = 0;
};

}  // namespace

TEST_CASE(
    "what is written with more to follow arrives in order, and arrives when nothing follows") {
    Pair pair;
    const auto write_all = [](Stream& stream) -> Task<Result<void>> {
        const std::array<std::string_view, 2> begin{"be", "gin "};
        const std::array<std::string_view, 1> end{"end"};
        const auto begun = co_await stream.write(begin, Stream::More::follows);
        if (!begun) co_return begun.error();
        co_return co_await stream.write(end, Stream::More::follows);
    };
    CHECK(run(pair.loop, write_all(pair.stream)));
    CHECK(pair.peer.receive(9) == "begin end");
}

TEST_CASE("what comes of one round of events is written when all have been dealt with") {
    Company two;
    two.loop.run_once(0ms);
    two.run(nullptr);
    CHECK(two.log == "a heard, b heard, b answered, a answered, ");
    CHECK(two.peer_a.receive(1) == "a");
    CHECK(two.peer_b.receive(1) == "b");
}

TEST_CASE("a stream that is closed before its round ends writes nothing more") {
    Company two;
    two.loop.run_once(0ms);
    two.run(&two.a);
    CHECK(two.log == "a heard, b heard, b answered, a was closed, ");
    CHECK(two.peer_a.receive(1).empty());
    CHECK(two.peer_b.receive(1) == "b");
}

TEST_CASE("a stream that never has to wait has its share of a round, and no more, J21") {
    Pair pair;
    pair.peer.send(std::string(100, 'x'));
    int done = 0;
    const auto echo = [&]() -> Task<void> {
        std::array<char, 1> into;
        while (done < 100) {
            const auto size = co_await pair.stream.read_some(into);
            REQUIRE(size);
            const auto sent = co_await pair.stream.write({into.data(), *size});
            REQUIRE(sent);
            ++done;
        }
    };
    pair.loop.spawn(echo());
    int before = 0;
    int rounds = 0;
    for (; done < 100 && rounds < 100; ++rounds) {
        pair.loop.run_once(100ms);
        CHECK(done - before <= 9);  // sixteen operations, and the one that was put off
        before = done;
    }
    CHECK(done == 100);
    CHECK(rounds > 10);
    CHECK(pair.peer.receive(100) == std::string(100, 'x'));
}

TEST_CASE("a write to a peer that has gone fails and raises no signal") {
    Pair pair;
    pair.peer.reset();
    const std::array<std::string_view, 1> parts{"x"};
    for (int i = 0; i < 2; ++i) {
        const auto sent = run(pair.loop, write(pair.stream, parts));
        REQUIRE_FALSE(sent);
        CHECK(text_of(sent.error()) == "unavailable client");
    }
}

TEST_CASE("a cancelled stream can still be written, a closed one cannot") {
    Pair pair;
    Pending<Result<std::string>> waiting;
    start(pair.loop, read_once(pair.stream), waiting);
    pair.stream.cancel_waiting();
    CHECK_FALSE(finish(pair.loop, waiting));
    const std::array<std::string_view, 1> parts{"bye"};
    CHECK(run(pair.loop, write(pair.stream, parts)));
    CHECK(pair.peer.receive(3) == "bye");
    pair.stream.close();
    const auto sent = run(pair.loop, write(pair.stream, parts));
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
    pair.stream.shutdown_send();
    CHECK(pair.peer.ending() == 0);
    pair.peer.send("x");
    CHECK(what_reads(pair) == "x");
}

TEST_CASE("only a silent and open connection is quiet, A59 A60") {
    for (const auto is_quiet : {&Stream::is_quiet, &Stream::is_quiet_now}) {
        const auto quiet = [&](Pair& pair) {
            pair.loop.run_once(0ms);
            return (pair.stream.*is_quiet)();
        };
        Pair pair;
        CHECK(quiet(pair));
        pair.peer.send("x");
        CHECK_FALSE(quiet(pair));
        CHECK(what_reads(pair) == "x");
        CHECK(quiet(pair));
        pair.peer.finish();
        CHECK_FALSE(quiet(pair));
        Pair reset;
        reset.peer.reset();
        CHECK_FALSE(quiet(reset));
        Pair closed;
        closed.stream.close();
        CHECK_FALSE(quiet(closed));
    }
}

TEST_CASE("a read of just what is there leaves a quiet stream, however large the room for it was") {
    Pair pair;
    pair.peer.send(std::string(64, 'x'));
    CHECK(what_reads(pair) == std::string(64, 'x'));
    CHECK(pair.stream.is_quiet());
    Pending<Result<void>> waiting;
    start(pair.loop, wait_readable(pair.stream), waiting);
    CHECK_FALSE(waiting.value.has_value());
    pair.peer.send("y");
    CHECK(finish(pair.loop, waiting));
}

TEST_CASE("a resting stream is closed by whatever comes over it, and by nothing else, A60") {
    struct Case {
        std::string_view name;
        void (*happens)(Pair&);
        bool open;
    };
    // clang-format off
    const Case cases[] = {
        {"nothing", [](Pair&) {}, true},
        {"a byte", [](Pair& p) { p.peer.send("x"); }, false},
        {"the end", [](Pair& p) { p.peer.finish(); }, false},
        {"a reset", [](Pair& p) { p.peer.reset(); }, false},
        {"a byte once it works again", [](Pair& p) { p.stream.set_resting(false); p.peer.send("x"); }, true},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Pair pair;
        pair.stream.set_resting(true);
        c.happens(pair);
        pair.loop.run_once(0ms);
        CHECK(pair.stream.is_open() == c.open);
    }
}

TEST_CASE("what is not polled yet is found by asking the kernel, A60") {
    Pair pair;
    pair.peer.send("x");
    CHECK(pair.stream.is_quiet());
    CHECK_FALSE(pair.stream.is_quiet_now());
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
        if (c.told) {
            CHECK(run_until(pair.loop, [&] { return told > 0; }));
        } else {
            constexpr int ticks = Stream::half_close_grace / Deadlines::tick;
            run_for_ticks(pair.loop, ticks + 5);
        }
        CHECK(told == (c.told ? 1 : 0));
    }
}

}  // namespace cordgate::proxy::test
