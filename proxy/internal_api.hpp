#pragma once

#include <memory>
#include <string>

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// The second listener, for operators and the application: cpp-httplib, a few
/// threads of its own. /healthz says that the process lives; /readyz that it can
/// serve: the store answers and nothing drains.
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
