#include "proxy/io/deadlines.hpp"

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

class Alarm final : private Deadline {
public:
    explicit Alarm(Deadlines& owner, std::function<void()> act = {})
        : Deadline(owner), act_(std::move(act)) {}
    using Deadline::expires_after;
    using Deadline::expires_never;

    int fired = 0;

private:
    void on_expiry() override {
        ++fired;
        // May destroy this alarm, and the function with it.
        if (const auto act = act_) act();
    }

    std::function<void()> act_;
};

}  // namespace

TEST_CASE("a deadline fires once, and not before its time") {
    EventLoop loop;
    auto& deadlines = loop.deadlines();
    Alarm alarm(deadlines);
    Alarm never(deadlines);
    const auto begin = SteadyClock::now();
    alarm.expires_after(150ms);
    REQUIRE(run_until(loop, [&] { return alarm.fired > 0; }));
    CHECK(SteadyClock::now() - begin >= 150ms);
    run_for_ticks(loop, 3);
    CHECK(alarm.fired == 1);
    CHECK(never.fired == 0);
    alarm.expires_after(0ms);
    REQUIRE(run_until(loop, [&] { return alarm.fired > 1; }));
    CHECK(alarm.fired == 2);
}

TEST_CASE("a sweep survives the destruction of any of its items by any other") {
    constexpr std::size_t count = 5;
    struct Scene {
        std::unique_ptr<Deadlines> deadlines;
        std::vector<std::unique_ptr<Alarm>> alarms;
        std::vector<int> fired;
        std::size_t destroyer = 0, victim = 0;
    };
    std::vector<std::unique_ptr<Scene>> scenes;
    for (std::size_t n = 0; n < count * count; ++n) {
        scenes.push_back(std::make_unique<Scene>());
        auto& scene = *scenes.back();
        scene.destroyer = n / count;
        scene.victim = n % count;
        scene.deadlines = std::make_unique<Deadlines>();
        scene.fired.resize(count);
        for (std::size_t i = 0; i < count; ++i) {
            scene.alarms.push_back(std::make_unique<Alarm>(*scene.deadlines, [&scene, i] {
                ++scene.fired[i];
                if (i == scene.destroyer) scene.alarms[scene.victim].reset();
            }));
            scene.alarms.back()->expires_after(0ms);
        }
    }
    // Each is due a tick after it was set; the third sweep finds nothing more.
    for (int sweeps = 0; sweeps < 3; ++sweeps) {
        std::this_thread::sleep_for(Deadlines::tick + 1ms);
        for (auto& scene : scenes) {
            scene->deadlines->read_clock();
            scene->deadlines->sweep_if_due();
        }
    }
    for (const auto& scene : scenes) {
        CAPTURE(scene->destroyer);
        CAPTURE(scene->victim);
        for (std::size_t i = 0; i < count; ++i) {
            // The newest is swept first: the victim may have had its turn.
            const bool spared = i != scene->victim || i >= scene->destroyer;
            CHECK(scene->fired[i] == (spared ? 1 : 0));
        }
        scene->alarms.clear();
    }
}

TEST_CASE("a sweep survives the destruction of all of its items, and new ones wait for the next") {
    EventLoop loop;
    auto& deadlines = loop.deadlines();
    std::vector<std::unique_ptr<Alarm>> alarms;
    std::unique_ptr<Alarm> born;
    int fired = 0;
    for (int i = 0; i < 3; ++i) {
        alarms.push_back(std::make_unique<Alarm>(deadlines, [&] {
            ++fired;
            auto doomed = std::move(alarms);
            born = std::make_unique<Alarm>(deadlines);
            born->expires_after(0ms);
        }));
        alarms.back()->expires_after(0ms);
    }
    REQUIRE(run_until(loop, [&] { return fired > 0; }));
    CHECK(born->fired == 0);
    REQUIRE(run_until(loop, [&] { return born->fired > 0; }));
    CHECK(fired == 1);
}

}  // namespace cordgate::proxy::test
