#pragma once

#include <string>

#include "tests/support/net.hpp"

namespace cordgate::test {

/// An application whose every byte the test sends itself: accept() hands over the
/// gate's next connection. For what depends on order, which Upstream cannot say.
class ManualUpstream {
public:
    ManualUpstream();
    ~ManualUpstream();
    ManualUpstream(const ManualUpstream&) = delete;
    ManualUpstream& operator=(const ManualUpstream&) = delete;

    int port() const { return port_; }
    /// As `upstreams:` takes it.
    std::string setting(const std::string& host = "127.0.0.1") const {
        return "[{url: 'http://" + host + ":" + std::to_string(port_) + "'}]";
    }
    /// The next connection; throws std::runtime_error when none comes in time.
    Wire accept();
    /// Whether one waits to be accepted.
    bool has_another();

private:
    int fd_ = -1;
    int port_ = 0;
};

}  // namespace cordgate::test
