#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/redis.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/temp_dir.hpp"

namespace cordgate::test {

/// A redis-server of our own, on a unix socket in a directory of its own; gone at
/// the end. Throws std::runtime_error when it cannot be started.
class RedisServer {
public:
    /// `options`: more of redis-server's, as in {"--appendonly", "yes"}. PATH in them
    /// stands for the directory.
    explicit RedisServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
        start();
    }
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    ~RedisServer() { kill(); }

    void start() {
        std::vector<std::string> words{
            "redis-server", "--port", "0", "--unixsocket", socket(),  "--dir",
            "PATH",         "--save", "",  "--logfile",    "PATH/log"};
        words.insert(words.end(), options_.begin(), options_.end());
        std::vector<char*> argv;
        for (auto& word : words) {
            if (word.starts_with("PATH")) word.replace(0, 4, directory_.path().string());
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        const bool is_up = comes_true([&] {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                throw std::runtime_error("redis-server did not start: " + log());
            }
            return answers();
        });
        if (!is_up) throw std::runtime_error("redis-server does not answer: " + log());
    }
    /// As a power cut would, as far as a process can.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    void pause() const { ::kill(pid_, SIGSTOP); }
    void go_on() const { ::kill(pid_, SIGCONT); }

    std::string socket() const { return directory_.file("redis.sock"); }
    RedisUrl url(unsigned database = 0) const {
        RedisUrl url;
        url.unix_path = socket();
        url.database = database;
        return url;
    }
    std::string log() const { return read_file(directory_.file("log")); }
    std::string file(const std::string& name) const { return directory_.file(name); }
    const TempDir& directory() const { return directory_; }

    /// What Redis answers to a command of the test's own.
    redis::Reply ask(const redis::Words& words, const RedisUrl& url) const {
        auto connection = redis::Connection::open(url, nullptr, {patience, patience});
        if (!connection) throw std::runtime_error(connection.error().detail);
        auto reply = connection->call(words, redis::SteadyClock::now() + patience);
        if (!reply) throw std::runtime_error(reply.error().detail);
        return std::move(*reply);
    }
    redis::Reply ask(const redis::Words& words) const { return ask(words, url()); }
    /// How often it has done a command (in lower case) so far, that of scripts included.
    long calls(const std::string& command) const {
        const auto reply = ask({"INFO", "commandstats"});
        const auto text = reply.view().text();
        const auto line = "cmdstat_" + command + ":calls=";
        const auto at = text.find(line);
        return at == text.npos ? 0 : std::atol(text.data() + at + line.size());
    }
    /// The names of all keys.
    std::vector<std::string> keys() const {
        std::vector<std::string> names;
        const auto reply = ask({"KEYS", "*"});
        for (std::size_t i = 0; i < reply.view().size(); ++i) {
            names.emplace_back(reply.view()[i].text());
        }
        return names;
    }

private:
    bool answers() const {
        auto connection = redis::Connection::open(url(), nullptr, {});
        // One that wants a password is up, too.
        if (!connection) return connection.error().kind == ErrorKind::forbidden;
        const auto reply =
            connection->call({"PING"}, redis::SteadyClock::now() + std::chrono::seconds(1));
        return reply && !reply->view().is_error();
    }

    TempDir directory_;
    std::vector<std::string> options_;
    pid_t pid_ = -1;
};

}  // namespace cordgate::test
