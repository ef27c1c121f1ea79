#pragma once

#include <cstdint>
#include <memory>

namespace cordgate {

/// The application behind `cordgate demo`: a small web site that knows nothing
/// of Discord but what the X-Discord-* header fields of a request tell it.
///
/// It listens on a free port of 127.0.0.1 and runs on one thread of its own. It
/// trusts those fields blindly, so nothing but Cordgate may reach it. `start` and
/// `stop` are called from one thread; `start` throws when it cannot listen.
class SampleApp {
public:
    SampleApp();
    ~SampleApp();
    SampleApp(const SampleApp&) = delete;
    SampleApp& operator=(const SampleApp&) = delete;

    /// Begins to serve; returns the port. At most once.
    std::uint16_t start();
    /// Cuts every connection and joins the thread. May be called again.
    void stop();

private:
    class Server;
    std::unique_ptr<Server> server_;
};

}  // namespace cordgate
