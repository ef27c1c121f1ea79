#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/discord/http.hpp"

namespace cordgate::discord {

/// Addresses of host names, within a deadline: getaddrinfo has none of its own,
/// so it runs on a thread that callers can stop waiting for. Answers are kept for
/// a minute, and serve on when the next look-up fails. Thread-safe; may be
/// destroyed while a look-up is on its way.
class Resolver {
public:
    explicit Resolver(Resolve resolve);
    ~Resolver();

    /// unavailable: there is no such host. timed_out: no answer in time.
    Result<std::vector<std::string>> find(const std::string& host,
                                          std::chrono::steady_clock::time_point deadline);
    /// `address` answered: the others come behind it.
    void prefer(const std::string& host, const std::string& address);
    /// Nobody answered under the kept addresses: look it up anew.
    void forget(const std::string& host);

    static bool is_address(std::string_view host);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace cordgate::discord
