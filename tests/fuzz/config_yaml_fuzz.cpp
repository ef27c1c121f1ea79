// Any file is settings or a list of problems, never an exception, and a problem
// says where it is.

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "config/load.hpp"
#include "support.hpp"

namespace {

/// A file of this process, made once.
class Scratch {
public:
    Scratch() : name_("/tmp/cordgate-fuzz-XXXXXX") {
        const int handle = ::mkstemp(name_.data());
        cordgate::fuzz::require(handle >= 0, "no place for a file");
        ::close(handle);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { ::unlink(name_.c_str()); }

    const std::string& write(std::string_view text) {
        std::ofstream out(name_, std::ios::binary | std::ios::trunc);
        out.write(text.data(), static_cast<std::streamsize>(text.size()));
        return name_;
    }

private:
    std::string name_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Scratch scratch;
    cordgate::config::Sources sources;
    sources.file = scratch.write(cordgate::fuzz::as_text(data, size));
    const auto loaded = cordgate::config::load(sources);
    bool wrong = false;
    for (const auto& problem : loaded.problems) {
        wrong = wrong || !problem.warning;
        cordgate::fuzz::require(!problem.where.empty() && !problem.message.empty(),
                                "a problem without a place or a message");
    }
    cordgate::fuzz::require(loaded.settings.has_value() == !wrong,
                            "settings and problems contradict each other");
    return 0;
}
