#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/exchange.hpp"
#include "proxy/gate.hpp"
#include "proxy/http/head.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/upstream_pool.hpp"
#include "proxy/workspace.hpp"

namespace cordgate::proxy {

/// A client's connection between two requests, on its way to another server.
struct IdleClient {
    Descriptor socket;
    std::unique_ptr<TlsSession> tls;  ///< null: plain
    bool was_used = false;            ///< had a request
};
using HandOver = std::function<void(IdleClient)>;

/// What the connections of one worker share.
struct WorkerContext {
    Gate& gate;
    EventLoop& loop;
    UpstreamPool& upstreams;
    RunningExchanges& running;
    WorkspacePool workspaces = {};
    HandOver hand_over = {};  ///< set once the server is retired
};

/// One client's connection: request after request until either side has enough.
/// Lives on its worker's thread, for as long as `run` does.
class Connection {
public:
    Connection(WorkerContext& worker, IdleClient client, const std::optional<IpAddress>& peer);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// `tls` may be null: plain HTTP. Returns when the connection is closed.
    Task<void> run(TlsContext tls);

    /// No further request: an idle connection ends now, a tunnel gets its close
    /// frame, a request under way is finished.
    void drain();
    /// Goes to the successor before its next request, at once if it is idle.
    void retire();
    /// Ends it if it waits for a further request of which no byte has come; false if not.
    bool end_if_idle();
    /// Ends it, whatever is under way.
    void cut() { stream_.abort(); }

private:
    enum class Next { again, close, linger, abort };

    Task<bool> secure(TlsContext tls);
    Task<void> refuse_plain_http();
    void hand_over();
    Task<Next> serve_one();
    void keep_behind(std::string_view here, std::size_t size);
    Task<std::optional<http::Refusal>> read_head(Workspace& workspace, bool& gone);
    Task<Next> refuse(Workspace& workspace, http::Refusal refusal);
    Task<void> linger();
    Next after(const Exchange& exchange) const;

    WorkerContext& worker_;
    Stream stream_;
    Buffer input_;  ///< what was read and not yet used
    Peer peer_;
    RecentToken recent_token_;
    Exchange* exchange_ = nullptr;  ///< the one under way
    bool was_used_;                 ///< had a request
    bool waits_ = false;            ///< for the first byte of a request
};

}  // namespace cordgate::proxy
