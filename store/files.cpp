#include "store/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <system_error>

namespace cordgate::files {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
    const auto why = error_text();
    throw std::runtime_error("cannot " + what + " " + path + ": " + why);
}

void sync_directory(const std::string& directory) {
    const int opened = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) fail("open the directory", directory);
    const int synced = ::fsync(opened);
    const int reason = errno;
    ::close(opened);
    errno = reason;
    // Some file systems cannot sync directories, and then need not.
    if (synced != 0 && errno != EINVAL) fail("sync the directory", directory);
}

struct NetworkFileSystem {
    std::uint32_t magic;  // statfs(2)
    const char* name;
};

constexpr NetworkFileSystem network_file_systems[] = {
    {0x6969,     "NFS" },
    {0x517b,     "SMB" },
    {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},
    {0x01021997, "9p"  },
    {0x00c36400, "Ceph"},
};

}  // namespace

std::string error_text() {
    return std::generic_category().message(errno);
}

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

void require_writable_directory(const std::string& path) {
    const auto directory = directory_of(path);
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) fail("use the directory", directory);
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        fail("use the directory", directory);
    }
    if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
        fail("write to the directory", directory);
    }
}

std::string network_file_system(const std::string& path) {
    struct statfs status {};
    if (::statfs(path.c_str(), &status) != 0) return "";
    return name_of_network_file_system(static_cast<std::uint32_t>(status.f_type));
}

std::string name_of_network_file_system(std::uint32_t magic) {
    for (const auto& known : network_file_systems) {
        if (known.magic == magic) return known.name;
    }
    return "";
}

NewFile::NewFile(const std::string& path) : path_(path), draft_(path + ".new-XXXXXX") {
    file_ = ::mkostemp(draft_.data(), O_CLOEXEC);  // O_EXCL, mode 0600
    if (file_ < 0) fail("create", path);
}

NewFile::~NewFile() {
    close();
    if (!draft_.empty()) ::unlink(draft_.c_str());
}

void NewFile::close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
}

void NewFile::write(const std::string& bytes) {
    const auto written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0) fail("write", path_);
    if (static_cast<std::size_t>(written) != bytes.size()) {
        errno = ENOSPC;
        fail("write", path_);
    }
}

bool NewFile::publish() {
    if (::fsync(file_) != 0) fail("sync", path_);
    close();
    // link, unlike rename, never replaces. RENAME_NOREPLACE helps where there
    // are no hard links.
    if (::link(draft_.c_str(), path_.c_str()) == 0) {
        ::unlink(draft_.c_str());
    } else if (errno == EEXIST) {
        return false;
    } else if (::renameat2(AT_FDCWD, draft_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) !=
               0) {
        if (errno == EEXIST) return false;
        fail("create", path_);
    }
    draft_.clear();
    sync_directory(directory_of(path_));
    return true;
}

}  // namespace cordgate::files
