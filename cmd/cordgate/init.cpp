#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "cmd/cordgate/commands.hpp"
#include "config/report.hpp"

namespace cordgate {
namespace {

/// Never overwrites: O_EXCL, not a look before the leap.
bool write_new(const std::filesystem::path& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        std::cerr << "cordgate init: " << path.string() << ": " << std::strerror(errno)
                  << (errno == EEXIST ? "; it is left as it is\n" : "\n");
        return false;
    }
    const auto size = ::write(fd, text.data(), text.size());
    const bool done = size == static_cast<ssize_t>(text.size());
    if (::close(fd) != 0 || !done) {
        std::cerr << "cordgate init: " << path.string()
                  << ": could not be written whole: " << std::strerror(errno) << '\n';
        return false;
    }
    std::cout << "wrote " << path.string() << '\n';
    return true;
}

}  // namespace

int run_init(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        std::cerr << "cordgate init: " << directory << ": " << error.message() << '\n';
        return exit_failure;
    }
    const std::filesystem::path base(directory);
    const bool config = write_new(base / "cordgate.yaml", config::init_config_yaml());
    const bool compose = write_new(base / "compose.yaml", config::init_compose_yaml());
    if (!config || !compose) return exit_failure;
    std::cout << "Next: fill in what is marked in cordgate.yaml, then 'cordgate check --config "
              << (base / "cordgate.yaml").string() << "'.\n";
    return exit_ok;
}

}  // namespace cordgate
