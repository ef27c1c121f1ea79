#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/net.hpp"

namespace cordgate::test {

/// A folder that is gone when the test is over.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }
    std::string file(const std::string& name) const { return (path_ / name).string(); }
    /// Writes a file, readable for its owner only, and returns its path.
    std::string write(const std::string& name, std::string_view text) const;

private:
    std::filesystem::path path_;
};

/// `cordgate` as a process of its own, in a folder and an environment of its own.
class Process {
public:
    /// `arguments` go behind the program's name; the rest of the environment is ours
    /// without CORDGATE_*. `descriptors`: how many files it may have open; 0: as many as we.
    Process(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment = {},
            std::size_t descriptors = 0);
    /// Kills it if it still runs.
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    void signal(int number);
    /// Waits for its end. The exit code, or 1000 and the signal that killed it.
    int wait();
    /// Waits until its output holds `text`; false when it ended before.
    bool says(std::string_view text);
    /// stdout and stderr so far.
    std::string output() const;
    int pid() const { return pid_; }
    /// How many of its descriptors are sockets.
    std::size_t sockets() const;
    /// Waits until they are so few; false when they stay more.
    bool comes_down_to(std::size_t count) const;

private:
    void read_output(int fd);

    int pid_ = -1;
    int exit_code_ = -1;
    bool reaped_ = false;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::string output_;
    bool ended_ = false;
    std::thread reader_;
};

/// What a command prints and how it ends.
struct Finished {
    int code = -1;
    std::string output;
};
Finished run(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& environment = {});

/// A daemon that listens: the constructor returns when it does, and throws
/// std::runtime_error with its output when it does not come so far.
class Daemon {
public:
    /// `file`: the configuration, as seen from `folder`.
    explicit Daemon(const std::filesystem::path& folder, const std::string& file = "cordgate.yaml",
                    std::size_t descriptors = 0);

    int internal_port() const { return internal_port_; }
    std::string log() const { return process_.output(); }
    Process& process() { return process_; }
    /// SIGTERM; its exit code.
    int stop();

private:
    Process process_;
    int internal_port_ = 0;
};

/// Every byte that any daemon of this test run has written, and everything that
/// may not be among them. Any thread may use it.
class LogArchive {
public:
    static LogArchive& instance();
    void add(std::string log);
    /// `value` may appear in no log; short ones, which could by chance, are ignored.
    void keep_secret(std::string_view value, std::string_view what);
    std::vector<std::string> logs() const;
    std::map<std::string, std::string> secrets() const;  ///< value -> what it is

private:
    mutable std::mutex mutex_;
    std::vector<std::string> logs_;
    std::map<std::string, std::string> secrets_;
};

}  // namespace cordgate::test
