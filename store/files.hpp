#pragma once

#include <cstdint>
#include <string>

/// Files that are made once and never replaced. For start-up: failures throw
/// std::runtime_error with a sentence for people: what, where, and errno's text.
namespace cordgate::files {

/// The text of the current errno.
std::string error_text();
/// "/a/b" -> "/a", "b" -> ".".
std::string directory_of(const std::string& path);

/// Throws unless the directory of `path` is there and lets us make files.
void require_writable_directory(const std::string& path);
/// What is special about the file system of `path`, if its locks cannot be
/// relied on: "NFS", "SMB", "9p"; else empty.
std::string network_file_system(const std::string& path);
/// The same by the number that statfs(2) gives a file system.
std::string name_of_network_file_system(std::uint32_t magic);

/// A new file that appears under its name only when it is complete.
///
/// Made with mode 0600 beside its name, under a name of its own; `publish`
/// gives it the real one. A crash before that leaves the real name free.
class NewFile {
public:
    explicit NewFile(const std::string& path);
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile();

    /// Where it is until it is published; for those who write by name.
    const std::string& draft() const { return draft_; }
    void write(const std::string& bytes);
    /// Makes it durable under its name. False, and nothing changed, when
    /// somebody else was first.
    bool publish();

private:
    void close();

    std::string path_;
    std::string draft_;
    int file_ = -1;
};

}  // namespace cordgate::files
