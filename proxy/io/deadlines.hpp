#pragma once

#include <chrono>

namespace cordgate::proxy {

using SteadyClock = std::chrono::steady_clock;

class Deadlines;

/// Something that has to be finished in time. Not thread-safe: lives and dies
/// on its worker's thread; the Deadlines it belongs to must outlive it.
class Deadline {
public:
    explicit Deadline(Deadlines& owner);
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    virtual ~Deadline();

    /// From now on `on_expiry` is called once, `after` from now (within a tick).
    void expires_after(std::chrono::milliseconds after);
    void expires_never() {
        expiry_ = SteadyClock::time_point::max();
        after_ = std::chrono::milliseconds(0);
    }
    /// As long again as was given last: there was progress.
    void renew() {
        if (after_.count() > 0) expires_after(after_);
    }

protected:
    virtual void on_expiry() = 0;
    /// Called at every tick while `set_ticking(true)`.
    virtual void on_tick() {}
    void set_ticking(bool ticking) { ticking_ = ticking; }

private:
    friend class Deadlines;

    Deadlines& owner_;
    Deadline* next_ = nullptr;
    Deadline* previous_ = nullptr;
    SteadyClock::time_point expiry_ = SteadyClock::time_point::max();
    std::chrono::milliseconds after_{0};
    bool ticking_ = false;
};

/// The deadlines of one event loop, which looks at all of them ten times a
/// second: a timer per operation would cost a system call each, this costs a
/// comparison. The clock is read once per poll.
class Deadlines {
public:
    static constexpr std::chrono::milliseconds tick{100};

    Deadlines() : now_(SteadyClock::now()), swept_(now_) {}
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;

    /// The time, as of the last poll.
    SteadyClock::time_point now() const { return now_; }
    void read_clock() { now_ = SteadyClock::now(); }

    /// How long until the next sweep is due, rounded up; 0 when it is.
    std::chrono::milliseconds until_tick() const;
    void sweep_if_due() {
        if (now_ - swept_ >= tick) sweep();
    }

private:
    friend class Deadline;

    void sweep();

    SteadyClock::time_point now_;
    SteadyClock::time_point swept_;
    Deadline* first_ = nullptr;
    Deadline* cursor_ = nullptr;  ///< next one of a sweep under way
};

}  // namespace cordgate::proxy
