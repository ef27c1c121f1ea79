#pragma once

#include <string>

namespace cordgate {

/// "0.1.0"
std::string version();
/// Version, commit, compiler and the libraries built against, a line each.
std::string version_report();

}  // namespace cordgate
