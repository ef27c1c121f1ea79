#include "proxy/io/offload.hpp"

#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

template <class Work>
Task<std::invoke_result_t<Work&>> ask(BlockingPool& pool, Work& work) {
    co_return co_await offload(pool, [&work] { return work(); });
}

template <class Work>
auto call(EventLoop& loop, BlockingPool& pool, Work& work) {
    return run(loop, ask(pool, work));
}

}  // namespace

TEST_CASE("offload brings back values and errors, and works on another thread") {
    EventLoop loop;
    BlockingPool pool(2, 10);
    std::thread::id worker;
    const auto value = [&]() -> Result<std::unique_ptr<int>> {
        worker = std::this_thread::get_id();
        return std::make_unique<int>(7);
    };
    const auto got = call(loop, pool, value);
    REQUIRE(got);
    CHECK(**got == 7);
    CHECK(worker != std::this_thread::get_id());

    const auto error = []() -> Result<void> {
        return Error{ErrorKind::timed_out, ErrorSource::store, "slow"};
    };
    const auto failed = call(loop, pool, error);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().kind == ErrorKind::timed_out);
    CHECK(failed.error().source == ErrorSource::store);
    pool.join();
}

TEST_CASE("offload turns what is thrown into an internal error, and the pool goes on") {
    EventLoop loop;
    BlockingPool pool(1, 1);
    const auto throwing = []() -> Result<int> { throw std::runtime_error("broken"); };
    const auto odd = []() -> Result<int> { throw 7; };
    const auto fine = []() -> Result<int> { return 1; };
    for (int i = 0; i < 3; ++i) {
        const auto failed = call(loop, pool, throwing);
        REQUIRE_FALSE(failed);
        CHECK(failed.error().kind == ErrorKind::internal);
        CHECK(failed.error().source == ErrorSource::gate);
        CHECK(failed.error().detail == "broken");
        const auto strange = call(loop, pool, odd);
        REQUIRE_FALSE(strange);
        CHECK(strange.error().kind == ErrorKind::internal);
        CHECK(call(loop, pool, fine));
    }
    pool.join();
}

TEST_CASE("a full pool refuses at once, and takes work again when there is room") {
    EventLoop loop;
    BlockingPool pool(1, 2);
    std::promise<void> gate;
    const auto opened = gate.get_future().share();
    std::promise<void> done;
    pool.run([opened] { opened.wait(); });
    pool.run([&done] { done.set_value(); });
    bool ran = false;
    pool.run([&ran] { ran = true; });  // dropped

    const auto work = []() -> Result<int> { return 1; };
    const auto refused = call(loop, pool, work);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::unavailable);
    CHECK(refused.error().source == ErrorSource::gate);

    gate.set_value();
    done.get_future().wait();
    // The last task has said so, but may not have left yet.
    Result<int> taken = Error{};
    for (int i = 0; i < 1000000 && !taken; ++i) taken = call(loop, pool, work);
    CHECK(taken);
    pool.join();
    CHECK_FALSE(ran);
}

TEST_CASE("M15 who waited too long for a thread is told so, and nothing is done in vain") {
    EventLoop loop;
    BlockingPool pool(1, 10, 1ms);
    std::promise<void> gate;
    const auto opened = gate.get_future().share();
    pool.run([opened] { opened.wait(); });
    bool ran = false;
    const auto work = [&ran]() -> Result<int> {
        ran = true;
        return 1;
    };
    Pending<Result<int>> waiting;
    start(loop, ask(pool, work), waiting);
    for (const auto end = SteadyClock::now() + 2ms; SteadyClock::now() < end;) continue;
    gate.set_value();
    const auto late = finish(loop, waiting);
    REQUIRE_FALSE(late);
    CHECK(late.error().kind == ErrorKind::unavailable);
    CHECK(late.error().source == ErrorSource::gate);
    CHECK_FALSE(ran);
    pool.join();
}

TEST_CASE("a detached task that throws takes neither the process nor its place in the pool") {
    EventLoop loop;
    BlockingPool pool(1, 1);
    const auto work = []() -> Result<int> { return 1; };
    for (int i = 0; i < 3; ++i) {
        pool.run([] { throw std::runtime_error("broken"); });
        Result<int> taken = Error{};
        for (int n = 0; n < 1000000 && !taken; ++n) taken = call(loop, pool, work);
        CHECK(taken);
    }
    pool.join();
}

TEST_CASE("many offloaded calls at once each get their own answer, CVE-2026-33544 CVE-2026-71326") {
    EventLoop loop;
    BlockingPool pool(4, 1000);
    constexpr int count = 500;
    std::vector<int> answers(count, -1);
    int left = count;
    const auto ask_one = [&left](BlockingPool& blocking, int n, int& answer) -> Task<void> {
        const auto work = [n]() -> Result<int> { return n; };
        const auto got = co_await offload(blocking, work);
        if (got) answer = *got;
        --left;
    };
    for (int i = 0; i < count; ++i) {
        loop.spawn(ask_one(pool, i, answers[static_cast<std::size_t>(i)]));
    }
    CHECK(run_until(loop, [&] { return left == 0; }));
    for (int i = 0; i < count; ++i) CHECK(answers[static_cast<std::size_t>(i)] == i);
    pool.join();
}

}  // namespace cordgate::proxy::test
