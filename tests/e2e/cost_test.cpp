#include <doctest/doctest.h>
#include <sys/syscall.h>

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
};

/// What the gate calls while it answers `request` so often, one after the other.
Calls calls_of(Stage& stage, const std::string& request, int times, int status) {
    Wire wire(stage.port());
    const auto ask = [&] {
        wire.send(request);
        REQUIRE(wire.read_response().status() == status);
    };
    for (int i = 0; i < 20; ++i) ask();
    SystemCalls counter(stage.gate().process().pid());
    for (int i = 0; i < 20; ++i) ask();
    counter.forget();
    for (int i = 0; i < times; ++i) ask();
    Calls calls;
    for (const auto& [number, count] : counter.stop()) {
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
    // One more in fifty: ticks, and what a connection sees of its end.
    constexpr int some = times / 50;
    CHECK(cached.in <= 2 * times + some);
    CHECK(cached.out <= 2 * times + some);
    CHECK(cached.polls <= 2 * times + times / 10);
    // Under a sanitizer no memory is kept for the next request: mmap and madvise for each.
    CHECK(cached.others <= some + (proxy::is_sanitized ? 2 * times : 0));
    // So it would show: a session that the store is asked for.
    const auto asked = calls_of(stage, cookie(std::string(43, 'A')), times, 401);
    MESSAGE("asking the store: others ", asked.others);
    CHECK(asked.others > times);
}
