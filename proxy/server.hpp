#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// The daemon's listeners, workers and internal API, from start to drain.
///
/// `start` and `stop...` may come from any thread. Throws std::runtime_error from
/// the constructor and from `start`, with a message for people.
class Server {
public:
    explicit Server(const Parts& parts);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Binds everything, then starts the threads: after it returns, clients are served.
    void start();
    /// Where it listens, with the ports that the kernel chose.
    std::vector<std::string> addresses() const;
    std::string internal_address() const;

    /// Reads server.tls's files again, for the connections to come; throws
    /// std::runtime_error when they cannot be used, and the old ones stay.
    void reload_certificates();
    /// What is to be done now and then; does not block.
    void upkeep();
    /// No new connections; what is under way is finished, up to timeouts.drain.
    void drain();
    /// Whether a drain has come to its end.
    bool drained() const;
    /// Ends everything now, and joins the threads.
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cordgate::proxy
