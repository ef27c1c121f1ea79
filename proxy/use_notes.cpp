#include "proxy/use_notes.hpp"

#include <chrono>

#include "proxy/access_log.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::chrono::seconds pause{1};

}  // namespace

void UseNotes::tell(const std::string& digest, TimePoint when) {
    calls_.run([this, digest, when] { note(digest, when); });
}

void UseNotes::note(const std::string& digest, TimePoint when) {
    if (SteadyClock::now().time_since_epoch().count() < dropping_until_) return;
    const auto done = sessions_.touch(digest, when);
    if (done) return;
    dropping_until_ = (SteadyClock::now() + pause).time_since_epoch().count();
    log_debug("touch", describe_error(done.error()));
}

}  // namespace cordgate::proxy
