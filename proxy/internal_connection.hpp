#pragma once

#include <optional>
#include <string>

#include "proxy/gate.hpp"
#include "proxy/http/head.hpp"
#include "proxy/internal_call.hpp"
#include "proxy/io/offload.hpp"
#include "proxy/io/stream.hpp"

namespace cordgate::proxy {

/// What the connections of the internal API share: the gate, and threads for what
/// blocks. None of the pools makes another one wait.
struct InternalContext {
    Gate& gate;
    EventLoop& loop;
    bool retired = false;  ///< each connection ends with its answer
    BlockingPool pings{2, 64};
    BlockingPool store{16, 256};
    // A Discord that hangs holds them all; whoever comes then is told at once.
    BlockingPool discord{24, 24};
};

/// One connection to the internal API: request after request, each whole before it is
/// answered. Lives on the loop's thread, for as long as `run` does.
class InternalConnection {
public:
    InternalConnection(InternalContext& context, Descriptor socket);
    InternalConnection(const InternalConnection&) = delete;
    InternalConnection& operator=(const InternalConnection&) = delete;

    /// Returns when the connection is closed.
    Task<void> run();
    /// Whether no request of it is being answered, so that it may give way to others.
    bool is_waiting() const { return stage_ != Stage::answering; }
    /// Ends it if it is between two requests.
    void end_if_idle();
    /// Ends it, whatever is under way.
    void cut();

private:
    enum class Next { again, close, linger };
    enum class Stage { between, receiving, answering, sending };
    struct Received;

    Task<Next> serve_one();
    Task<bool> receive(Received& request, Reply& refusal);
    Task<std::optional<http::Refusal>> read_head(Received& request);
    Task<std::optional<http::Refusal>> read_body(Received& request);
    Task<Reply> answer(const Received& request);
    Task<bool> write(const Received& request, const Reply& reply, bool keep_alive);
    Task<void> linger();

    InternalContext& context_;
    Stream stream_;
    Buffer input_;  ///< what was read and not yet used
    Stage stage_ = Stage::between;
};

}  // namespace cordgate::proxy
