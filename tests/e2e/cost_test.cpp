#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <functional>
#include <thread>

#include "proxy/io/sanitizers.hpp"
#include "tests/support/stage.hpp"
#include "tests/support/system_calls.hpp"

// What a request costs in system calls, which no figure of time can blur.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

struct Calls {
    int in = 0;
    int out = 0;
    int polls = 0;
    int others = 0;
    std::chrono::duration<double> time{};  ///< that it took, by the machine's clock
};

/// What the gate calls in the time of `work`, once `settle` is done.
Calls calls_in(Stage& stage, const std::function<void()>& settle,
               const std::function<void()>& work) {
    SystemCalls counter(stage.gate().process().pid());
    settle();
    counter.forget();
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto& counts = counter.stop();
    Calls calls{.time = std::chrono::steady_clock::now() - begin};
    for (const auto& [number, count] : counts) {
        switch (number) {
            case SYS_read:
            case SYS_readv:
            case SYS_recvfrom:
            case SYS_recvmsg: calls.in += count; break;
            case SYS_write:
            case SYS_writev:
            case SYS_sendto:
            case SYS_sendmsg: calls.out += count; break;
            case SYS_epoll_wait:
            case SYS_epoll_pwait: calls.polls += count; break;
            default: calls.others += count;
        }
    }
    return calls;
}

/// While it answers `request` so often, one after the other.
Calls calls_of(Stage& stage, const std::string& request, int times, int status) {
    Wire wire(stage.port());
    const auto ask = [&](int count) {
        for (int i = 0; i < count; ++i) {
            wire.send(request);
            REQUIRE(wire.read_response().status() == status);
        }
    };
    ask(20);
    return calls_in(
        stage, [&] { ask(20); }, [&] { ask(times); });
}

}  // namespace

TEST_CASE("G8 a request with a session in the cache is four system calls and its polls") {
    Script script;
    script.log = "access: false";
    Stage stage(script);
    auto fern = stage.browser_of(demo::fern);
    constexpr int times = 400;
    const auto cookie = [&](const std::string& value) {
        return stage.request("GET /inbox",
                             "Accept: application/json\r\nCookie: cordgate=" + value + "\r\n");
    };
    const auto cached = calls_of(stage, cookie(fern.cookie("cordgate")), times, 200);
    MESSAGE("in ", cached.in, ", out ", cached.out, ", polls ", cached.polls, ", others ",
            cached.others, " in ", times, " requests");
    // Nobody asks: what its clocks cost, which is more where the requests take longer.
    const auto rest = [] { std::this_thread::sleep_for(std::chrono::seconds(1)); };
    const auto idle = calls_in(stage, rest, rest);
    const auto clocks = [&](int Calls::*kind) {
        return static_cast<int>(2 * (idle.*kind) * (cached.time / idle.time));
    };
    // One more in fifty: what a connection sees of its end.
    constexpr int some = times / 50;
    CHECK(cached.in <= 2 * times + some + clocks(&Calls::in));
    CHECK(cached.out <= 2 * times + some + clocks(&Calls::out));
    CHECK(cached.polls <= 2 * times + times / 10 + clocks(&Calls::polls));
    // Under a sanitizer no memory is kept for the next request: mmap and madvise for each.
    const int of_sanitizer = proxy::is_sanitized ? 2 * times : 0;
    CHECK(cached.others <= some + of_sanitizer + clocks(&Calls::others));
    // So it would show: a session that the store is asked for.
    const auto asked = calls_of(stage, cookie(std::string(43, 'A')), times, 401);
    MESSAGE("asking the store: others ", asked.others);
    CHECK(asked.others > times);
}
