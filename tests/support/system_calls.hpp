#pragma once

#include <atomic>
#include <map>
#include <thread>

namespace cordgate::test {

/// Counts the system calls of a process that this one started, of all threads that it has.
class SystemCalls {
public:
    /// Counts from now on. Throws std::runtime_error when the process cannot be traced.
    explicit SystemCalls(int process);
    ~SystemCalls() { (void)stop(); }
    SystemCalls(const SystemCalls&) = delete;
    SystemCalls& operator=(const SystemCalls&) = delete;

    /// Forgets what was counted: at first, threads are disturbed in what they wait for.
    void forget();
    /// Lets it go; how often each call was made, by its number (SYS_read).
    const std::map<long, int>& stop();

private:
    void trace(int process);

    enum class State { starting, counting, failed };

    std::atomic<State> state_{State::starting};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> forgetting_{false};
    std::map<long, int> counts_;
    std::thread thread_;
};

}  // namespace cordgate::test
