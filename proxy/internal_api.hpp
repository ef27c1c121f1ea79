#pragma once

#include <memory>
#include <string>

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// The second listener, for operators and the application: cpp-httplib, some threads
/// of its own. This class knows HTTP and who may ask; what is answered is in
/// internal_call.hpp.
///
/// Everything but /healthz and /readyz needs `internal.token` where one is set. What a
/// browser sends is refused in any case: a page elsewhere must not reach an API that
/// listens on its visitor's own machine (CSRF, DNS rebinding).
class InternalApi {
public:
    explicit InternalApi(Gate& gate);
    ~InternalApi();

    /// Binds and starts. Throws std::runtime_error that names the address.
    void start();
    std::string address() const;
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cordgate::proxy
