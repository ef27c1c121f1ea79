#include "tests/support/daemon.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

extern char** environ;

namespace cordgate::test {
namespace {

namespace fs = std::filesystem;

std::string program() {
    return std::string(CORDGATE_BINARY_DIR) + "/cordgate";
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

std::vector<std::string> make_environment(const std::map<std::string, std::string>& added) {
    std::vector<std::string> out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!std::string_view(*entry).starts_with("CORDGATE_")) out.emplace_back(*entry);
    }
    for (const auto& [name, value] : added) out.push_back(name + "=" + value);
    return out;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
    auto pattern = (fs::temp_directory_path() / "cordgate-e2e-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
    fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, std::string_view text) const {
    const auto path = file(name);
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path;
}

// --- a process -------------------------------------------------------------------

Process::Process(const fs::path& folder, const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& environment, std::size_t descriptors) {
    std::vector<std::string> words;
    if (descriptors > 0) {
        words = {"/bin/sh", "-c",
                 "ulimit -n " + std::to_string(descriptors) + "; exec \"$0\" \"$@\""};
    }
    words.push_back(program());
    words.insert(words.end(), arguments.begin(), arguments.end());
    auto variables = make_environment(environment);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    // Sockets of the test's own servers are not the daemon's to keep open.
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    const int error = ::posix_spawn(&pid_, words.front().c_str(), &actions, nullptr,
                                    pointers(words).data(), pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) {
        ::close(ends[0]);
        throw std::runtime_error(program() + ": " + std::strerror(error));
    }
    reader_ = std::thread([this, fd = ends[0]] { read_output(fd); });
}

Process::~Process() {
    if (!reaped_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    reader_.join();
    LogArchive::instance().add(output_);
}

void Process::read_output(int fd) {
    char piece[16 * 1024];
    for (;;) {
        const auto size = ::read(fd, piece, sizeof piece);
        if (size < 0 && errno == EINTR) continue;
        const std::lock_guard lock(mutex_);
        if (size <= 0) {
            ended_ = true;
            changed_.notify_all();
            break;
        }
        output_.append(piece, static_cast<std::size_t>(size));
        changed_.notify_all();
    }
    ::close(fd);
}

void Process::signal(int number) {
    if (!reaped_) ::kill(pid_, number);
}

std::size_t Process::sockets() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid_) + "/fd")) {
        std::error_code gone;
        count += fs::read_symlink(entry, gone).string().starts_with("socket:");
    }
    return count;
}

bool Process::comes_down_to(std::size_t count) const {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (sockets() > count) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

int Process::wait() {
    if (reaped_) return exit_code_;
    {
        // Its output ends when it does.
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, patience, [this] { return ended_; })) {
            throw std::runtime_error("cordgate does not end; it said:\n" + output_);
        }
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return exit_code_;
}

bool Process::says(std::string_view text) {
    std::unique_lock lock(mutex_);
    const auto found = [&] { return output_.find(text) != std::string::npos; };
    if (!changed_.wait_for(lock, patience, [&] { return ended_ || found(); })) {
        throw std::runtime_error("cordgate never said '" + std::string(text) + "' but:\n" +
                                 output_);
    }
    return found();
}

std::string Process::output() const {
    const std::lock_guard lock(mutex_);
    return output_;
}

Finished run(const fs::path& folder, const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& environment) {
    Process process(folder, arguments, environment);
    const int code = process.wait();
    return {code, process.output()};
}

// --- the daemon --------------------------------------------------------------------

Daemon::Daemon(const fs::path& folder, const std::string& file, std::size_t descriptors)
    : process_(folder, {"serve", "--config", file}, {}, descriptors) {
    if (!process_.says("(internal)")) {
        throw std::runtime_error("cordgate did not start:\n" + process_.output());
    }
    const auto log = process_.output();
    const auto end = log.find(" (internal)");
    const auto colon = log.rfind(':', end);
    internal_port_ = std::atoi(log.c_str() + colon + 1);
#if defined(__SANITIZE_THREAD__)
    // httplib makes tables at its first request, guarded in a way that ThreadSanitizer
    // cannot see: so many first ones at once would be a race to it.
    if (internal_port_ > 0) {
        Wire(internal_port_)
            .send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .read_until_close();
    }
#endif
}

int Daemon::stop() {
    process_.signal(SIGTERM);
    return process_.wait();
}

// --- what may not be logged ----------------------------------------------------------

LogArchive& LogArchive::instance() {
    static LogArchive archive;
    return archive;
}

void LogArchive::add(std::string log) {
    const std::lock_guard lock(mutex_);
    logs_.push_back(std::move(log));
}

void LogArchive::keep_secret(std::string_view value, std::string_view what) {
    if (value.size() < 8) return;
    const std::lock_guard lock(mutex_);
    secrets_.emplace(value, what);
}

std::vector<std::string> LogArchive::logs() const {
    const std::lock_guard lock(mutex_);
    return logs_;
}

std::map<std::string, std::string> LogArchive::secrets() const {
    const std::lock_guard lock(mutex_);
    return secrets_;
}

}  // namespace cordgate::test
