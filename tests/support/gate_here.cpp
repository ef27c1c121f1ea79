#include "tests/support/gate_here.hpp"

#include <csignal>
#include <stdexcept>
#include <utility>

#include "config/load.hpp"

namespace cordgate::test {
namespace {

config::Settings settings_in(const std::filesystem::path& folder, const std::string& file) {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
    auto loaded = config::load({(folder / file).string(), {}, {}});
    if (loaded.settings) return *std::move(loaded.settings);
    std::string why = "the configuration is wrong:";
    for (const auto& problem : loaded.problems) why += "\n" + problem.to_string();
    throw std::runtime_error(why);
}

}  // namespace

GateHere::GateHere(const std::filesystem::path& folder, const std::string& file,
                   const TestClock& clock, std::shared_ptr<OpenedStore> opened)
    : settings_(settings_in(folder, file)),
      house_(
          settings_, [&] { return clock.now(); }, [&] { return clock.ticks(); },
          std::move(opened)) {
    house_.server.start();
}

GateHere::~GateHere() {
    house_.server.stop();
}

int GateHere::internal_port() const {
    const auto address = house_.server.internal_address();
    return std::stoi(address.substr(address.rfind(':') + 1));
}

}  // namespace cordgate::test
