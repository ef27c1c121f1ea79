#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace cordgate {

/// Addresses of a host name, best first. May block; called from a thread of its own.
using Resolve = std::function<Result<std::vector<std::string>>(const std::string& host)>;
/// getaddrinfo.
Result<std::vector<std::string>> resolve_host(const std::string& host);

/// Addresses of host names, within a deadline: getaddrinfo has none of its own,
/// so it runs on a thread that callers can stop waiting for. Answers are kept for
/// a minute, and serve on when the next look-up fails; of those who ask for a name at
/// once, one looks it up. Thread-safe; may be destroyed while a look-up is on its way.
class Resolver {
public:
    /// `source`: whose failure it is when there is no answer.
    Resolver(Resolve resolve, ErrorSource source);
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

}  // namespace cordgate
