#include "proxy/io/event_loop.hpp"

#include <stdexcept>
#include <thread>
#include <vector>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

/// Something to wait for that somebody else brings about.
struct Signal {
    std::coroutine_handle<> waiting;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) noexcept { waiting = caller; }
    void await_resume() const noexcept {}
    void happen(EventLoop& loop) { loop.resume_soon(std::exchange(waiting, nullptr)); }
};

/// Tells when it dies.
struct Mourned {
    explicit Mourned(int& count) : deaths(count) {}
    Mourned(const Mourned&) = delete;
    Mourned& operator=(const Mourned&) = delete;
    ~Mourned() { ++deaths; }
    int& deaths;
};

Task<int> count_down(int n) {
    if (n == 0) co_return 0;
    co_return co_await count_down(n - 1) + 1;
}

Task<int> wait_and_return(Signal& signal, int value) {
    co_await signal;
    co_return value;
}

Task<void> wait_and_throw(Signal& signal) {
    co_await signal;
    throw std::runtime_error("thrown");
}

Task<void> wait_for(Signal& signal, int& ended) {
    co_await signal;
    ++ended;
}

}  // namespace

TEST_CASE("a task returns what it returns, whether it waited or not") {
    EventLoop loop;
    CHECK(run(loop, count_down(1000)) == 1000);
    Signal signal;
    Pending<int> pending;
    start(loop, wait_and_return(signal, 7), pending);
    CHECK_FALSE(pending.value.has_value());
    signal.happen(loop);
    CHECK(finish(loop, pending) == 7);
}

TEST_CASE("a loop of tasks that need not wait does not use up the stack") {
    EventLoop loop;
    const auto many = []() -> Task<int> {
        int sum = 0;
        for (int i = 0; i < 200000; ++i) sum += co_await count_down(1);
        co_return sum;
    };
    CHECK(run(loop, many()) == 200000);
}

TEST_CASE("what a task throws comes out where it is awaited") {
    EventLoop loop;
    Signal signal;
    const auto caught = [](Signal& from) -> Task<std::string> {
        try {
            co_await wait_and_throw(from);
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing";
    };
    Pending<std::string> pending;
    start(loop, caught(signal), pending);
    signal.happen(loop);
    CHECK(finish(loop, pending) == "thrown");
}

TEST_CASE("both waits for the later of two, in either order, and for none that are over") {
    EventLoop loop;
    const auto two = [](Signal& a, Signal& b, int& ended) -> Task<int> {
        co_await both(wait_for(a, ended), wait_for(b, ended));
        co_return ended;
    };
    for (const bool swap : {false, true}) {
        CAPTURE(swap);
        Signal first, second;
        int ended = 0;
        Pending<int> pending;
        start(loop, two(first, second, ended), pending);
        (swap ? second : first).happen(loop);
        loop.run_once(0ms);
        CHECK(ended == 1);
        CHECK_FALSE(pending.value.has_value());
        (swap ? first : second).happen(loop);
        CHECK(finish(loop, pending) == 2);
    }
    const auto nothing = []() -> Task<void> { co_return; };
    const auto at_once = [&nothing]() -> Task<int> {
        co_await both(nothing(), nothing());
        co_return 1;
    };
    CHECK(run(loop, at_once()) == 1);
}

TEST_CASE("a loop that dies takes what it spawned along, once") {
    int deaths = 0;
    Signal signal;
    const auto mourned = [](Signal& forever, int& count) -> Task<void> {
        const Mourned self(count);
        co_await forever;
    };
    {
        EventLoop loop;
        for (int i = 0; i < 3; ++i) loop.spawn(mourned(signal, deaths));
        loop.run_once(0ms);
        CHECK(deaths == 0);
    }
    CHECK(deaths == 3);
}

TEST_CASE("what other threads post is called on the loop's thread, all of it and in order") {
    EventLoop loop;
    constexpr int count = 2000;
    std::vector<int> seen[2];
    std::thread::id where;
    std::thread loop_thread([&] { loop.run(); });
    std::thread posters[2];
    for (int p = 0; p < 2; ++p) {
        posters[p] = std::thread([&, p] {
            for (int i = 0; i < count; ++i) loop.post([&, p, i] { seen[p].push_back(i); });
        });
    }
    for (auto& poster : posters) poster.join();
    loop.post([&] { where = std::this_thread::get_id(); });
    loop.stop();
    const auto expected = loop_thread.get_id();
    loop_thread.join();
    CHECK(where == expected);
    for (const auto& numbers : seen) {
        REQUIRE(numbers.size() == count);
        for (int i = 0; i < count; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("a watcher that dies in the same pass as its event is not called") {
    EventLoop loop;
    struct Killer final : Watcher {
        void on_events(std::uint32_t) override {
            ++called;
            if (victim) loop->forget(*victim);
            if (victim) victim->victim = nullptr;
            victim = nullptr;
        }
        EventLoop* loop = nullptr;
        Killer* victim = nullptr;
        int called = 0;
    };
    const auto a = connect_tcp();
    const auto b = connect_tcp();
    const Descriptor near_a(a.near), near_b(b.near);
    const Peer far_a(a.far), far_b(b.far);
    Killer first, second;
    first.loop = second.loop = &loop;
    first.victim = &second;
    second.victim = &first;
    REQUIRE(loop.watch(near_a.get(), first));
    REQUIRE(loop.watch(near_b.get(), second));
    loop.run_once(100ms);  // both are writable: two events in one pass
    CHECK(first.called + second.called == 1);
}

}  // namespace cordgate::proxy::test
