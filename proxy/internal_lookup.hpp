#pragma once

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// The session under `handle`, which is anybody's text; nullopt when there is none.
Result<std::optional<KnownSession>> find_known(Gate& gate, const std::string& handle);

}  // namespace cordgate::proxy
