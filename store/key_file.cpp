#include "store/key_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "core/base64.hpp"
#include "core/random.hpp"
#include "store/files.hpp"

namespace cordgate {
namespace {

constexpr std::size_t key_bytes = 32;
// Far more than base64 of a key and a line end.
constexpr std::size_t max_file_bytes = 256;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw std::runtime_error("the session key file " + path + " cannot be used: " + why);
}

struct Descriptor {
    explicit Descriptor(int opened) : number(opened) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
    const int number;
};

/// nullopt: there is none.
std::optional<Secret> read_key(const std::string& path) {
    // O_NONBLOCK: a FIFO under this name must not hang the start.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.number < 0) {
        if (errno == ENOENT) return std::nullopt;
        refuse(path, files::error_text());
    }
    struct stat status {};
    if (::fstat(file.number, &status) != 0) refuse(path, files::error_text());
    if (!S_ISREG(status.st_mode)) refuse(path, "it is not a file");
    if ((status.st_mode & 077) != 0) {
        refuse(path, "others may read or change it; run: chmod 600 " + path +
                         " (and if others may have read it, replace it)");
    }
    std::string text(max_file_bytes, '\0');
    const auto size = ::read(file.number, text.data(), text.size());
    if (size < 0) refuse(path, files::error_text());
    text.resize(static_cast<std::size_t>(size));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    auto key = base64_decode(text);
    Secret wiped(std::move(text));
    if (!key || key->size() != key_bytes) {
        refuse(path,
               "it does not hold 32 bytes in base64. Restore it from a backup, or move it and "
               "the database away to start anew; everybody then has to log in again");
    }
    return Secret(std::move(*key));
}

}  // namespace

Secret read_or_make_key(const std::string& path, bool must_exist) {
    if (auto key = read_key(path)) return std::move(*key);
    if (must_exist) {
        refuse(path,
               "it is missing, and the database beside it holds sessions that only this key "
               "opens. Restore it from a backup, or give its content in session.keys; to start "
               "anew, move the database away: everybody then has to log in again");
    }
    files::NewFile file(path);
    const Secret text(base64_encode(random_bytes(key_bytes)) + "\n");
    file.write(text.reveal());
    file.publish();
    // Read again what is there: another process may have been first.
    auto key = read_key(path);
    if (!key) refuse(path, "it vanished while we made it");
    return std::move(*key);
}

}  // namespace cordgate
