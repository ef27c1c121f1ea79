#include "core/session_events.hpp"

namespace cordgate {

SessionEvents::Subscription::~Subscription() {
    if (!events_) return;
    const std::lock_guard lock(events_->mutex_);
    events_->subscribers_.erase(number_);
}

SessionEvents::Subscription SessionEvents::subscribe(Ended ended) {
    const std::lock_guard lock(mutex_);
    subscribers_.emplace(++last_number_, std::move(ended));
    return {this, last_number_};
}

void SessionEvents::publish_ended(const std::string& digest) {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, ended] : subscribers_) ended(digest);
}

std::optional<SessionEvents::SteadyTime> SessionEvents::heard_since(SteadyTime) const {
    return SteadyTime::min();
}

}  // namespace cordgate
