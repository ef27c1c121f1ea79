#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/login/flow.hpp"
#include "proxy/server.hpp"
#include "store/open.hpp"

namespace cordgate {

/// The object graph of a gate, each part built on those before it.
///
/// `opened`: a store to share with another gate; null: its own is opened.
/// `now` is what sessions, grants and freshness are reckoned in, `ticks` what Discord's
/// limits are. Throws std::runtime_error when a part cannot be made, with a message
/// for people.
struct GateHouse {
    using Ticks = std::function<std::chrono::steady_clock::time_point()>;

    explicit GateHouse(const config::Settings& settings, const Now& now = Clock::now,
                       const Ticks& ticks = std::chrono::steady_clock::now,
                       std::shared_ptr<OpenedStore> opened = nullptr);

    std::shared_ptr<OpenedStore> shared_store;
    OpenedStore& store;
    std::unique_ptr<discord::Api> discord;
    LoginFlow login;
    proxy::Server server;
};

}  // namespace cordgate
