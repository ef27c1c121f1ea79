#pragma once

#include <hiredis/hiredis.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/redis_url.hpp"
#include "core/result.hpp"
#include "store/redis_socket.hpp"
#include "store/redis_tls.hpp"

/// Redis' protocol (RESP2), connections and a pool of them. hiredis formats the
/// commands and parses the replies; the bytes travel by our own streams.
namespace cordgate::redis {

using Words = std::vector<std::string_view>;

struct Timing {
    std::chrono::milliseconds connect{1000};
    /// How long an answer may take, and how long a call waits for a connection.
    std::chrono::milliseconds command{2000};
    /// After a failed attempt to connect, calls fail at once for a while, which
    /// doubles from `first_pause` to `longest_pause`, half of it at random.
    std::chrono::milliseconds first_pause{20};
    std::chrono::milliseconds longest_pause{500};
};

/// A reply, or a part of one; lives as long as the Reply it comes from.
class View {
public:
    explicit View(const redisReply* reply) : reply_(reply) {}

    bool is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
    bool is_error() const { return reply_->type == REDIS_REPLY_ERROR; }
    bool is_array() const { return reply_->type == REDIS_REPLY_ARRAY; }
    bool is_text() const {
        return reply_->type == REDIS_REPLY_STRING || reply_->type == REDIS_REPLY_STATUS;
    }
    /// Of a text or error, else empty.
    std::string_view text() const;
    /// nullopt when it is no integer.
    std::optional<long long> integer() const;
    /// Of an array, else 0.
    std::size_t size() const { return is_array() ? reply_->elements : 0; }
    View operator[](std::size_t index) const { return View(reply_->element[index]); }

private:
    const redisReply* reply_;
};

class Reply {
public:
    explicit Reply(void* reply) : reply_(static_cast<redisReply*>(reply)) {}

    View operator*() const { return View(reply_.get()); }
    View view() const { return View(reply_.get()); }

private:
    struct Free {
        void operator()(redisReply* reply) const { freeReplyObject(reply); }
    };
    std::unique_ptr<redisReply, Free> reply_;
};

/// What an error reply of Redis means. forbidden: it does not let us do that; to
/// users of a store, who get it from `to_failure`, that is unavailable like the rest.
Error to_error(View reply);
Error to_failure(View reply);

/// A connection that is logged in. After a call failed it must not be used again:
/// the answer may still come, and would be taken for the next one's. Used by one
/// thread at a time.
class Connection {
public:
    /// forbidden: Redis answered, and does not let us in.
    static Result<Connection> open(const RedisUrl& url, const TlsContext* tls,
                                   const Timing& timing);

    /// The answer, error replies included.
    Result<Reply> call(const Words& words, Deadline deadline);
    Result<void> send(const Words& words, Deadline deadline);
    /// The next message, whatever it answers; nullopt when none came by the deadline.
    Result<std::optional<Reply>> receive(Deadline deadline);

    /// Whether it can be given the next command.
    bool is_usable() const { return !broken_ && stream_->is_quiet(); }
    bool is_broken() const { return broken_; }

private:
    struct FreeReader {
        void operator()(redisReader* reader) const { redisReaderFree(reader); }
    };

    explicit Connection(std::unique_ptr<Stream> stream)
        : stream_(std::move(stream)), reader_(redisReaderCreate()) {}
    Result<void> greet(const RedisUrl& url, Deadline deadline);
    Error broken(Error error);

    std::unique_ptr<Stream> stream_;
    std::unique_ptr<redisReader, FreeReader> reader_;
    bool broken_ = false;
};

/// A Lua script and the name Redis gives it (its SHA-1), learned at first use.
class Script {
public:
    explicit Script(std::string text) : text_(std::move(text)) {}

    const std::string& text() const { return text_; }
    std::string name() const;
    void set_name(std::string_view name) const;

private:
    std::string text_;
    mutable std::mutex mutex_;
    mutable std::string name_;
};

/// Whether a command may be sent again when the connection broke under it.
enum class Repeat { no, yes };

/// Commands over a few connections that are kept, and made anew when they broke.
/// Calls may come from any thread at once. A failure never means "not there": it
/// is unavailable or timed_out, and a change may have taken place all the same.
class Client {
public:
    /// Connects at the first call. Throws std::runtime_error when TLS cannot be set up.
    Client(RedisUrl url, const Timing& timing, std::size_t max_connections);
    ~Client();

    /// One attempt now. forbidden: Redis answered, and does not let us in.
    Result<void> try_connect();
    Result<Reply> command(const Words& words, Repeat repeat);
    Result<Reply> run(const Script& script, const Words& arguments, Repeat repeat);
    const RedisUrl& url() const { return url_; }

private:
    Result<Connection> take();
    Result<Connection> connect();
    void give_back(Connection connection);
    void drop();
    Result<Reply> once(const Words& words);
    Error pause_error() const;

    const RedisUrl url_;
    const Timing timing_;
    const std::size_t max_connections_;
    std::unique_ptr<TlsContext> tls_;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable given_back_;
    std::vector<Connection> idle_;
    std::size_t open_ = 0;  ///< idle, in use or being made
    unsigned failures_ = 0;
    Deadline pause_until_{};
    std::string last_failure_;
};

/// The TLS that `url` asks for; null when it asks for none.
std::unique_ptr<TlsContext> make_tls(const RedisUrl& url);
/// How long to pause after so many failures in a row, some of it at random.
std::chrono::milliseconds pause_after(unsigned failures, const Timing& timing);

}  // namespace cordgate::redis
