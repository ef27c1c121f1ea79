#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

namespace cordgate::test {

// What the sanitizers hold for themselves as a process works: AddressSanitizer keeps
// freed memory for a while, ThreadSanitizer remembers accesses for each thread and page.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t sanitizer_kib = 256 * 1024;
#elif defined(__SANITIZE_THREAD__)
inline constexpr std::size_t sanitizer_kib = 60 * 1024;
#else
inline constexpr std::size_t sanitizer_kib = 0;
#endif

/// The memory of process `pid` that is in RAM, in KiB; 0 when there is no such process.
inline std::size_t resident_kib(int pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::strtoul(line.c_str() + 6, nullptr, 10);
    }
    return 0;
}

/// How much a process grew from one moment on.
class MemoryGrowth {
public:
    explicit MemoryGrowth(int pid) : pid_(pid), before_(resident_kib(pid)) {}

    /// The plain build is the judge; a sanitizer's own memory is allowed for on top.
    bool stays_below(std::size_t mebibytes) const {
        const auto now = resident_kib(pid_);
        return before_ != 0 && now != 0 && now < before_ + mebibytes * 1024 + sanitizer_kib;
    }

private:
    int pid_;
    std::size_t before_;
};

}  // namespace cordgate::test
