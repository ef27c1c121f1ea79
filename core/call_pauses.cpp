#include "core/call_pauses.hpp"

#include <algorithm>
#include <chrono>
#include <random>

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds first_pause = 2s;
constexpr milliseconds longest_pause = 60s;
constexpr milliseconds longest_silence = 15s;
constexpr milliseconds longest_told_pause = 1h;
// So many calls in a row without an answer, whoever made them: the target is away.
constexpr int silent_target = 5;
// So many of each of two kinds: Discord is.
constexpr int silent_kind = 3;
constexpr std::size_t most_pauses = 20000;
constexpr CallTarget first_target{CallTarget::Kind::grant, {}};

// Nobody answered, as opposed to somebody who said no.
bool is_silence(const Error& error) {
    return error.source == ErrorSource::discord &&
           (error.kind == ErrorKind::timed_out || error.kind == ErrorKind::unavailable);
}

// Between three and five quarters of it, so that those who failed together do not
// come back together.
milliseconds with_jitter(milliseconds pause) {
    thread_local std::minstd_rand generator{std::random_device{}()};
    return pause * std::uniform_int_distribution<int>(75, 125)(generator) / 100;
}

milliseconds pause_after(int failures, const Error& error, milliseconds longest) {
    // Our own id or secret is wrong: nothing to hope for soon.
    const bool is_hopeless = error.kind == ErrorKind::forbidden;
    const auto grown = is_hopeless ? longest : first_pause * (1 << std::clamp(failures - 1, 0, 10));
    const auto told = std::min(error.retry_after.value_or(0ms), longest_told_pause);
    return std::max(with_jitter(std::min(grown, longest)), told);
}

}  // namespace

std::optional<CallPauses::Pause> CallPauses::held(const std::string& who, CallTarget target) const {
    const std::lock_guard lock(mutex_);
    if (auto pause = own_pause(who, target)) return pause;
    const auto* const silence = silence_before(target);
    if (!silence || now_() >= silence->pause.until) return std::nullopt;
    return silence->pause;
}

std::optional<CallPauses::Pause> CallPauses::enter(const std::string& who, CallTarget target) {
    const std::lock_guard lock(mutex_);
    if (auto pause = own_pause(who, target)) return pause;
    const auto* const silence = silence_before(target);
    if (!silence) return std::nullopt;
    const auto now = now_();
    if (now < silence->pause.until) return silence->pause;
    // This one sees whether it is back; the others wait for what it finds.
    const auto until = now + longest_silence;
    if (const auto it = targets_.find(target); it != targets_.end()) it->second.pause.until = until;
    if (const auto it = kinds_.find(target.kind); it != kinds_.end()) {
        it->second.pause.until = until;
    }
    return std::nullopt;
}

TimePoint CallPauses::failed(const std::string& who, CallTarget target, const Error& error) {
    const std::lock_guard lock(mutex_);
    const auto now = now_();
    sweep(now);
    auto& own = own_[{who, target}];
    own.pause = {now + pause_after(++own.failures, error, longest_pause), error};
    if (is_silence(error)) {
        for (auto* const silence : {&targets_[target], &kinds_[target.kind]}) {
            const auto pause = pause_after(++silence->length, error, longest_silence);
            silence->pause = {now + pause, error};
        }
    } else if (error.refusal) {
        targets_.erase(target);
        kinds_.erase(target.kind);
    }
    return own.pause.until;
}

void CallPauses::succeeded(const std::string& who, CallTarget target) {
    const std::lock_guard lock(mutex_);
    own_.erase({who, target});
    targets_.erase(target);
    kinds_.erase(target.kind);
}

void CallPauses::postpone(const std::string& who, CallTarget target, const Error& error) {
    const std::lock_guard lock(mutex_);
    auto& own = own_[{who, target}];
    own.pause = {std::max(own.pause.until, now_() + with_jitter(first_pause)), error};
}

void CallPauses::forget(const std::string& who) {
    const std::lock_guard lock(mutex_);
    auto it = own_.lower_bound({who, first_target});
    while (it != own_.end() && it->first.first == who) it = own_.erase(it);
}

std::optional<CallPauses::Pause> CallPauses::own_pause(const std::string& who,
                                                       CallTarget target) const {
    const auto now = now_();
    if (!is_discord_away()) {
        const auto it = own_.find({who, target});
        if (it == own_.end() || now >= it->second.pause.until) return std::nullopt;
        return it->second.pause;
    }
    // Another thing would fare no better: one call of this user is enough.
    std::optional<Pause> longest;
    for (auto it = own_.lower_bound({who, first_target});
         it != own_.end() && it->first.first == who; ++it) {
        const auto& pause = it->second.pause;
        if (now < pause.until && (!longest || pause.until > longest->until)) longest = pause;
    }
    return longest;
}

bool CallPauses::is_discord_away() const {
    return std::count_if(kinds_.begin(), kinds_.end(),
                         [](const auto& kind) { return kind.second.length >= silent_kind; }) >= 2;
}

// The longest there is for who asks now.
const CallPauses::Silence* CallPauses::silence_before(CallTarget target) const {
    const Silence* found = nullptr;
    if (const auto it = targets_.find(target);
        it != targets_.end() && it->second.length >= silent_target) {
        found = &it->second;
    }
    if (!is_discord_away()) return found;
    const auto kind = kinds_.find(target.kind);
    if (kind == kinds_.end()) return found;
    const bool is_longer = !found || kind->second.pause.until > found->pause.until;
    return is_longer ? &kind->second : found;
}

void CallPauses::sweep(TimePoint now) {
    if (own_.size() <= most_pauses) return;
    std::erase_if(own_, [&](const auto& entry) { return entry.second.pause.until < now; });
}

}  // namespace cordgate
