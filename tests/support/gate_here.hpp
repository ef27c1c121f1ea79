#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "cmd/cordgate/gate_house.hpp"
#include "tests/support/test_clock.hpp"

namespace cordgate::test {

/// A gate in this process, on a clock that the test moves and that outlives it.
/// Throws std::runtime_error with what is wrong with the configuration.
class GateHere {
public:
    /// `file`: the configuration, as seen from `folder`. `opened`: a store in place of what
    /// that names.
    GateHere(const std::filesystem::path& folder, const std::string& file, const TestClock& clock,
             std::shared_ptr<OpenedStore> opened = nullptr);
    ~GateHere();
    GateHere(const GateHere&) = delete;
    GateHere& operator=(const GateHere&) = delete;

    int internal_port() const;
    SessionRepository& sessions() { return *house_.store.sessions; }
    proxy::Server& server() { return house_.server; }

private:
    config::Settings settings_;
    GateHouse house_;
};

}  // namespace cordgate::test
