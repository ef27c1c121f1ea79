#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/redis_url.hpp"
#include "core/result.hpp"

/// Bytes to and from a Redis server. Every call ends by its deadline, however
/// slowly the other side dribbles. Failures have the source `store` and the kind
/// timed_out, unavailable or closed. Used by one thread at a time.
namespace cordgate::redis {

using SteadyClock = std::chrono::steady_clock;
using Deadline = SteadyClock::time_point;

class Stream {
public:
    virtual ~Stream() = default;
    virtual Result<void> write(std::string_view bytes, Deadline deadline) = 0;
    /// At least one byte, at most what fits.
    virtual Result<std::size_t> read(char* buffer, std::size_t size, Deadline deadline) = 0;
    /// Nothing came in that nobody asked for, and the other side is there as far
    /// as can be told without asking.
    virtual bool is_quiet() const = 0;
};

/// A TCP connection or a unix socket.
class Socket final : public Stream {
public:
    /// Tries each address of the host in turn. A name is looked up each time, since it may
    /// lead elsewhere after a fail-over; while nobody can tell, to where it led before.
    static Result<std::unique_ptr<Socket>> connect(const RedisUrl& url, Deadline deadline);
    ~Socket() override;
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    Result<void> write(std::string_view bytes, Deadline deadline) override;
    Result<std::size_t> read(char* buffer, std::size_t size, Deadline deadline) override;
    bool is_quiet() const override;

private:
    explicit Socket(int fd) : fd_(fd) {}
    Result<void> wait_for(short events, Deadline deadline) const;

    int fd_;
};

Error store_error(ErrorKind kind, std::string detail);

}  // namespace cordgate::redis
