#pragma once

#include <memory>
#include <string>

#include "config/settings.hpp"
#include "core/result.hpp"

namespace cordgate {

struct InternalAnswer {
    int status = 0;
    std::string body;
};

/// The internal API of a daemon on this machine, as its configuration says where it
/// listens and what token it wants. Fails with `unavailable` when nobody answers.
class InternalClient {
public:
    explicit InternalClient(const config::Internal& settings);
    ~InternalClient();

    Result<InternalAnswer> get(const std::string& target);
    Result<InternalAnswer> remove(const std::string& target);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cordgate
