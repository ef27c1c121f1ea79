#pragma once

#include <memory>
#include <utility>

#include "tests/support/redis_server.hpp"
#include "tests/support/stage.hpp"

namespace cordgate::test {

/// With its sessions in `redis`.
inline Script over(const RedisServer& redis, Script script = {}) {
    script.store = "redis+unix:" + redis.socket();
    if (!script.session.empty()) script.session += ", ";
    script.session += "keys: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]";
    return script;
}

/// Two gates that share a Redis, each a process.
struct Replicas {
    explicit Replicas(Script script = {})
        : stage(over(redis, std::move(script))), twin(stage.start_twin(port)) {}

    /// The same visitor, who meets the second gate.
    Browser there(const Browser& visitor) const { return visitor.at(port.number()); }

    RedisServer redis{
        {"--appendonly", "yes"}
    };
    ReservedPort port;  ///< of the second
    Stage stage;
    std::unique_ptr<Daemon> twin;
};

}  // namespace cordgate::test
