#include "proxy/io/deadlines.hpp"

#include <algorithm>

namespace cordgate::proxy {

Deadline::Deadline(Deadlines& owner) : owner_(owner), next_(owner.first_) {
    if (next_) next_->previous_ = this;
    owner.first_ = this;
}

Deadline::~Deadline() {
    if (owner_.cursor_ == this) owner_.cursor_ = next_;
    if (next_) next_->previous_ = previous_;
    (previous_ ? previous_->next_ : owner_.first_) = next_;
}

void Deadline::expires_after(std::chrono::milliseconds after) {
    // The owner's clock may be a poll behind: never expire early.
    after_ = after;
    expiry_ = owner_.now_ + after + Deadlines::tick;
}

std::chrono::milliseconds Deadlines::until_tick() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(swept_ + tick - now_);
    return std::max(left, std::chrono::milliseconds(0));
}

void Deadlines::sweep() {
    swept_ = now_;
    for (auto* item = first_; item; item = cursor_) {
        cursor_ = item->next_;  // what is called may destroy any of them
        if (item->expiry_ <= now_) {
            item->expires_never();
            item->on_expiry();
        } else if (item->ticking_) {
            item->on_tick();
        }
    }
    cursor_ = nullptr;
}

}  // namespace cordgate::proxy
