#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "core/snowflake.hpp"

namespace cordgate::proxy {

/// Who has documents of Discord's fetched for them right now. Each holds a thread, for ten
/// seconds where Discord is silent: nobody gets more than a few. Thread-safe.
class VisitorShare {
public:
    static constexpr int most = 2;

    /// Counts as long as it lives.
    class [[nodiscard]] Place {
    public:
        Place(VisitorShare& share, Snowflake user) : share_(&share), user_(user) {}
        Place(Place&& other) noexcept
            : share_(std::exchange(other.share_, nullptr)), user_(other.user_) {}
        Place& operator=(Place&&) = delete;
        ~Place() {
            if (share_) share_->leave(user_);
        }

    private:
        VisitorShare* share_;
        Snowflake user_;
    };

    /// nullopt: the visitor has as many as one may.
    std::optional<Place> enter(Snowflake user) {
        const std::lock_guard lock(mutex_);
        auto& count = counts_[user];
        if (count == most) return std::nullopt;
        ++count;
        return Place(*this, user);
    }

private:
    void leave(Snowflake user) {
        const std::lock_guard lock(mutex_);
        const auto it = counts_.find(user);
        if (--it->second == 0) counts_.erase(it);
    }

    std::mutex mutex_;
    std::map<Snowflake, int> counts_;
};

}  // namespace cordgate::proxy
