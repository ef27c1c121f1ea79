#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/net.hpp"

namespace cordgate::test {

/// The application behind the gate: keeps every request that reaches it, byte for
/// byte, and answers as it was told. Any thread may use it.
class Upstream {
public:
    /// Says "secret of the application", so that a test can tell where an answer is from.
    static constexpr std::string_view marker = "secret of the application";

    Upstream();
    ~Upstream();
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;

    int port() const { return port_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

    /// These very bytes answer requests for `path` (without query).
    Upstream& answers(const std::string& path, std::string bytes);
    /// Requests for `path` wait until release().
    Upstream& holds(const std::string& path);
    void release();
    /// Handshakes for `path` get a 101, and whatever follows comes back.
    Upstream& echoes(const std::string& path);

    std::size_t count() const;
    std::size_t connections() const { return accepted_; }
    Message last() const;
    std::vector<Message> requests() const;
    /// Waits until so many requests have come.
    void wait_for(std::size_t requests);
    void forget();

private:
    enum class Habit { answer, hold, echo };
    struct Behaviour {
        Habit habit = Habit::answer;
        std::string bytes;
    };
    struct Visit {
        explicit Visit(Wire w) : wire(std::move(w)) {}
        Wire wire;
        std::thread thread;
    };

    void accept_all();
    void serve(Wire& wire);

    int listener_ = -1;
    int port_ = 0;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Behaviour> behaviours_;
    std::vector<Message> requests_;
    std::atomic<std::size_t> accepted_ = 0;
    bool released_ = false;
    bool stopping_ = false;
    std::list<Visit> visits_;
    std::thread thread_;
};

/// A whole response with a Content-Length.
std::string response(std::string_view status_line, std::string_view fields, std::string_view body);

}  // namespace cordgate::test
