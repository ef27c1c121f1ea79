#include "cmd/cordgate/version.hpp"

namespace cordgate {

std::string version() {
    return CORDGATE_VERSION;
}

std::string version_report() {
    return "cordgate " CORDGATE_VERSION
           "\n"
           "commit    " CORDGATE_COMMIT
           "\n"
           "compiler  " CORDGATE_COMPILER
           "\n"
           "libraries " CORDGATE_LIBRARIES "\n";
}

}  // namespace cordgate
