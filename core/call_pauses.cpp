#include "core/call_pauses.hpp"

#include <algorithm>
#include <chrono>
#include <random>

#include "core/discord/failure.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds first_pause = 2s;
constexpr milliseconds longest_pause = 60s;
constexpr milliseconds longest_silence = 15s;
constexpr milliseconds longest_told_pause = 1h;
// Behind a pause. Who comes less often than that storms nobody.
constexpr milliseconds memory = 10min;
// So many calls in a row without an answer, whoever made them: the target is away.
constexpr int silent_target = 5;
// So many of each of two kinds: Discord is.
constexpr int silent_kind = 3;
constexpr std::size_t most_pauses = 20000;
constexpr CallTarget first_target{CallTarget::Kind::grant, {}};

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

bool CallPauses::Run::counts(TimePoint now) const {
    return Span{span.from, span.until + memory}.holds(now);
}

void CallPauses::Run::add(TimePoint now, const Error& failure, milliseconds longest) {
    length = counts(now) ? length + 1 : 1;
    span = {now, now + pause_after(length, failure, longest)};
    error = failure;
}

std::optional<CallPauses::Pause> CallPauses::held(const std::string& who, CallTarget target) const {
    const std::lock_guard lock(mutex_);
    const auto now = now_();
    if (auto pause = own_pause(who, target, now)) return pause;
    const auto* const silence = silence_before(target, now);
    if (!silence || !silence->span.holds(now)) return std::nullopt;
    return silence->pause();
}

std::optional<CallPauses::Pause> CallPauses::enter(const std::string& who, CallTarget target) {
    const std::lock_guard lock(mutex_);
    const auto now = now_();
    if (auto pause = own_pause(who, target, now)) return pause;
    const auto* const silence = silence_before(target, now);
    if (!silence) return std::nullopt;
    if (silence->span.holds(now)) return silence->pause();
    // This one sees whether it is back; the others wait for what it finds.
    const Span look{now, now + longest_silence};
    if (const auto it = targets_.find(target); it != targets_.end()) it->second.span = look;
    if (const auto it = kinds_.find(target.kind); it != kinds_.end()) it->second.span = look;
    return std::nullopt;
}

TimePoint CallPauses::failed(const std::string& who, CallTarget target, const Error& error) {
    const std::lock_guard lock(mutex_);
    const auto now = now_();
    sweep(now);
    auto& own = own_[{who, target}];
    own.add(now, error, longest_pause);
    if (discord::is_silence(error)) {
        targets_[target].add(now, error, longest_silence);
        kinds_[target.kind].add(now, error, longest_silence);
    } else if (error.refusal) {
        targets_.erase(target);
        kinds_.erase(target.kind);
    }
    return own.span.until;
}

void CallPauses::succeeded(const std::string& who, CallTarget target) {
    const std::lock_guard lock(mutex_);
    own_.erase({who, target});
    targets_.erase(target);
    kinds_.erase(target.kind);
}

void CallPauses::postpone(const std::string& who, CallTarget target, const Error& error) {
    const std::lock_guard lock(mutex_);
    const auto now = now_();
    auto& own = own_[{who, target}];
    if (!own.counts(now)) own = {};
    own.span = {now, std::max(own.span.until, now + with_jitter(first_pause))};
    own.error = error;
}

void CallPauses::forget(const std::string& who) {
    const std::lock_guard lock(mutex_);
    auto it = own_.lower_bound({who, first_target});
    while (it != own_.end() && it->first.first == who) it = own_.erase(it);
}

std::optional<CallPauses::Pause> CallPauses::own_pause(const std::string& who, CallTarget target,
                                                       TimePoint now) const {
    if (!is_discord_away(now)) {
        const auto it = own_.find({who, target});
        if (it == own_.end() || !it->second.span.holds(now)) return std::nullopt;
        return it->second.pause();
    }
    // Another thing would fare no better: one call of this user is enough.
    const Run* longest = nullptr;
    for (auto it = own_.lower_bound({who, first_target});
         it != own_.end() && it->first.first == who; ++it) {
        const auto& run = it->second;
        const bool is_longer = !longest || run.span.until > longest->span.until;
        if (run.span.holds(now) && is_longer) longest = &run;
    }
    if (!longest) return std::nullopt;
    return longest->pause();
}

bool CallPauses::is_discord_away(TimePoint now) const {
    return std::count_if(kinds_.begin(), kinds_.end(), [now](const auto& kind) {
               return kind.second.length >= silent_kind && kind.second.counts(now);
           }) >= 2;
}

// The longest there is for who asks now.
const CallPauses::Run* CallPauses::silence_before(CallTarget target, TimePoint now) const {
    const Run* found = nullptr;
    const auto own = targets_.find(target);
    if (own != targets_.end() && own->second.length >= silent_target && own->second.counts(now)) {
        found = &own->second;
    }
    if (!is_discord_away(now)) return found;
    const auto kind = kinds_.find(target.kind);
    if (kind == kinds_.end() || !kind->second.counts(now)) return found;
    const bool is_longer = !found || kind->second.span.until > found->span.until;
    return is_longer ? &kind->second : found;
}

void CallPauses::sweep(TimePoint now) {
    if (own_.size() <= most_pauses) return;
    std::erase_if(own_, [&](const auto& entry) { return !entry.second.span.holds(now); });
}

}  // namespace cordgate
