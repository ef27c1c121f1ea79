#pragma once

#include <memory>
#include <string>

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// The second listener, for operators and the application: an event loop on a thread of
/// its own, so that nobody who is slow holds a thread, and pools for what blocks.
/// internal_connection.hpp reads and writes, internal_access.hpp says who may ask,
/// internal_call.hpp what is answered.
class InternalApi {
public:
    explicit InternalApi(Gate& gate);
    ~InternalApi();

    /// Binds and starts, or goes on with the socket of `predecessor` where that listens on
    /// the same address. Throws std::runtime_error that names the address.
    void start(const InternalApi* predecessor = nullptr);
    /// No new connections; what is asked is answered.
    void retire(const InternalApi& successor);
    /// Whether a retired one has no connection any more.
    bool has_ended() const;
    std::string address() const;
    /// Ends every connection; returns when no call is under way.
    void stop();

private:
    struct Impl;
    Gate& gate_;
    std::unique_ptr<Impl> impl_;  ///< null while it does not run
};

}  // namespace cordgate::proxy
