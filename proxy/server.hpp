#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/connection.hpp"
#include "proxy/gate.hpp"

namespace cordgate::proxy {

class Server;

/// Who serves the clients of retired servers from now on. Any thread.
class Succession {
public:
    /// Null: nobody, they are closed. Whom it was before is not referred to any more.
    void pass_to(Server* server);
    void hand_over(IdleClient client);

private:
    std::mutex mutex_;
    Server* current_ = nullptr;
};

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
    /// Where `predecessor` listens on the same address its sockets are taken over.
    void start(const Server* predecessor = nullptr);
    /// From now on `succession` has the clients, that is `successor`: this one takes no new
    /// ones and hands over those that it has before their next request. What is under way
    /// is finished, and tunnels go on. Both must outlive this one's `stop`.
    void retire(const Server& successor, Succession& succession);
    /// Settings that were to replace these could not be taken up: /metrics says so.
    void note_failed_reload();
    /// Whether a retired server has nothing to do any more.
    bool has_ended() const;
    /// A client of a retired server, between two requests.
    void adopt(IdleClient client);
    /// Where it listens, with the ports that the kernel chose.
    std::vector<std::string> addresses() const;
    std::string internal_address() const;

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
