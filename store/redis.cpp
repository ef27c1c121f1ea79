#include "store/redis.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

namespace cordgate::redis {
namespace {

/// More than any answer of ours: a page of sessions is a few megabytes.
constexpr std::size_t max_reply_bytes = 64 * 1024 * 1024;

struct Meaning {
    std::string_view word;
    ErrorKind kind;
    const char* advice;
};

// By the first word of the error reply; what is not listed is malformed_reply.
constexpr Meaning meanings[] = {
    {"NOAUTH",      ErrorKind::forbidden,       "session.store needs a password"                 },
    {"WRONGPASS",   ErrorKind::forbidden,       "check user and password of session.store"       },
    {"NOPERM",      ErrorKind::forbidden,       "the user of session.store may not do that"      },
    {"DENIED",      ErrorKind::forbidden,       "Redis is in protected mode"                     },
    {"LOADING",     ErrorKind::unavailable,     "Redis is loading its data"                      },
    {"BUSY",        ErrorKind::unavailable,     "Redis runs a long script"                       },
    {"MISCONF",     ErrorKind::unavailable,     "Redis cannot write to its disk"                 },
    {"OOM",         ErrorKind::unavailable,     "Redis has no memory left (maxmemory)"           },
    {"READONLY",    ErrorKind::unavailable,     "this Redis is a read-only replica"              },
    {"MASTERDOWN",  ErrorKind::unavailable,     "this Redis is a replica without its master"     },
    {"NOREPLICAS",  ErrorKind::unavailable,     "Redis has too few replicas to take writes"      },
    {"MOVED",       ErrorKind::unavailable,     "this is a Redis Cluster, which is not supported"},
    {"ASK",         ErrorKind::unavailable,     "this is a Redis Cluster, which is not supported"},
    {"CLUSTERDOWN", ErrorKind::unavailable,     "this is a Redis Cluster, which is not supported"},
    {"TRYAGAIN",    ErrorKind::unavailable,     "this is a Redis Cluster, which is not supported"},
    {"WRONGTYPE",   ErrorKind::malformed_reply, "another program uses our keys"                  },
};

std::string_view first_word(std::string_view text) {
    return text.substr(0, text.find(' '));
}

bool is_no_script(View reply) {
    return reply.is_error() && first_word(reply.text()) == "NOSCRIPT";
}

// After these it pays to connect anew: the name may lead elsewhere after a fail-over.
bool ends_connection(View reply) {
    const auto word = first_word(reply.text());
    return reply.is_error() && (word == "READONLY" || word == "MASTERDOWN" || word == "NOAUTH");
}

}  // namespace

std::string_view View::text() const {
    if (!is_text() && !is_error()) return {};
    return {reply_->str, reply_->len};
}

std::optional<long long> View::integer() const {
    if (reply_->type != REDIS_REPLY_INTEGER) return std::nullopt;
    return reply_->integer;
}

Error to_error(View reply) {
    // A script's error may come wrapped: "ERR Error running script ...: OOM ...".
    for (const auto& meaning : meanings) {
        const auto text = reply.text();
        const bool wrapped = text.starts_with("ERR ") && text.find(" script") != text.npos &&
                             text.find(std::string(meaning.word) + " ") != text.npos;
        if (first_word(text) != meaning.word && !wrapped) continue;
        return store_error(meaning.kind, "Redis: " + std::string(meaning.advice) + " (" +
                                             std::string(text.substr(0, 200)) + ")");
    }
    return store_error(ErrorKind::malformed_reply,
                       "Redis: " + std::string(reply.text().substr(0, 300)));
}

Error to_failure(View reply) {
    auto error = to_error(reply);
    if (error.kind == ErrorKind::forbidden) error.kind = ErrorKind::unavailable;
    return error;
}

// --- connections -----------------------------------------------------------------

Result<Connection> Connection::open(const RedisUrl& url, const TlsContext* tls,
                                    const Timing& timing) {
    const auto deadline = SteadyClock::now() + timing.connect;
    auto socket = Socket::connect(url, deadline);
    if (!socket) return socket.error();
    std::unique_ptr<Stream> stream = std::move(*socket);
    if (tls) {
        auto secured = tls->connect(std::move(stream), url.host, deadline);
        if (!secured) return secured.error();
        stream = std::move(*secured);
    }
    Connection connection(std::move(stream));
    if (auto greeted = connection.greet(url, deadline); !greeted) return greeted.error();
    return connection;
}

Result<void> Connection::greet(const RedisUrl& url, Deadline deadline) {
    const auto expect_ok = [&](const Words& words) -> Result<void> {
        const auto reply = call(words, deadline);
        if (!reply) return reply.error();
        if (!reply->view().is_error()) return {};
        auto error = to_error(reply->view());
        // Whatever else it says to these, it is about what we were told to use.
        if (error.kind == ErrorKind::malformed_reply) error.kind = ErrorKind::forbidden;
        return error;
    };
    if (!url.password.empty()) {
        Words login{"AUTH"};
        if (!url.user.empty()) login.emplace_back(url.user);
        login.emplace_back(url.password.reveal());
        if (auto done = expect_ok(login); !done) return done;
    }
    if (url.database != 0) {
        if (auto done = expect_ok({"SELECT", std::to_string(url.database)}); !done) return done;
    }
    // Tells whether we are let in. That Redis is loading, or cannot write to its disk,
    // is for the commands to find out: some of them may work.
    auto done = expect_ok({"PING"});
    if (!done && (broken_ || done.error().kind == ErrorKind::forbidden)) return done;
    return {};
}

Error Connection::broken(Error error) {
    broken_ = true;
    return error;
}

Result<void> Connection::send(const Words& words, Deadline deadline) {
    std::vector<const char*> parts;
    std::vector<std::size_t> sizes;
    for (const auto word : words) {
        parts.push_back(word.data() ? word.data() : "");
        sizes.push_back(word.size());
    }
    char* text = nullptr;
    const auto size =
        redisFormatCommandArgv(&text, static_cast<int>(words.size()), parts.data(), sizes.data());
    if (size < 0) return broken(store_error(ErrorKind::internal, "Redis: a command is too long"));
    const std::unique_ptr<char, void (*)(char*)> owner(text, redisFreeCommand);
    auto sent = stream_->write({text, static_cast<std::size_t>(size)}, deadline);
    if (!sent) return broken(sent.error());
    return {};
}

Result<std::optional<Reply>> Connection::receive(Deadline deadline) {
    std::array<char, 16 * 1024> buffer;
    std::size_t total = 0;
    for (;;) {
        void* reply = nullptr;
        if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
            return broken(store_error(
                ErrorKind::malformed_reply,
                "Redis: no answer of Redis: " + std::string(std::data(reader_->errstr))));
        }
        if (reply) return std::optional<Reply>(std::in_place, reply);
        const auto got = stream_->read(buffer.data(), buffer.size(), deadline);
        if (!got && got.error().kind == ErrorKind::timed_out) return std::optional<Reply>();
        if (!got) return broken(got.error());
        total += *got;
        if (total > max_reply_bytes) {
            return broken(store_error(ErrorKind::malformed_reply, "Redis: the answer is too long"));
        }
        if (redisReaderFeed(reader_.get(), buffer.data(), *got) != REDIS_OK) {
            return broken(store_error(ErrorKind::malformed_reply, "Redis: no answer of Redis"));
        }
    }
}

Result<Reply> Connection::call(const Words& words, Deadline deadline) {
    if (auto sent = send(words, deadline); !sent) return sent.error();
    auto reply = receive(deadline);
    if (!reply) return reply.error();
    if (!*reply) {
        return broken(store_error(ErrorKind::timed_out, "Redis did not answer in time"));
    }
    return std::move(**reply);
}

// --- the client --------------------------------------------------------------------

std::string Script::name() const {
    const std::lock_guard lock(mutex_);
    return name_;
}

void Script::set_name(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    name_ = name;
}

std::unique_ptr<TlsContext> make_tls(const RedisUrl& url) {
    return url.tls ? std::make_unique<TlsContext>(url.ca_file) : nullptr;
}

std::chrono::milliseconds pause_after(unsigned failures, const Timing& timing) {
    thread_local std::minstd_rand random(std::random_device{}());
    const auto doubled = timing.first_pause * (1 << std::min(failures, 10U)) / 2;
    const auto longest = std::min(doubled, timing.longest_pause).count();
    return std::chrono::milliseconds(
        std::uniform_int_distribution(longest / 2, std::max(longest, longest / 2))(random));
}

Client::Client(RedisUrl url, const Timing& timing, std::size_t max_connections)
    : url_(std::move(url)),
      timing_(timing),
      max_connections_(max_connections),
      tls_(make_tls(url_)) {}

Client::~Client() = default;

Error Client::pause_error() const {
    return store_error(ErrorKind::unavailable, last_failure_);
}

// For whoever has a place among the open ones, and loses it by a failure.
Result<Connection> Client::connect() {
    auto made = Connection::open(url_, tls_.get(), timing_);
    const std::lock_guard lock(mutex_);
    if (made) {
        failures_ = 0;
        return made;
    }
    --open_;
    ++failures_;
    last_failure_ = made.error().detail + " at " + url_.shown();
    pause_until_ = SteadyClock::now() + pause_after(failures_, timing_);
    given_back_.notify_one();
    return store_error(made.error().kind, last_failure_);
}

Result<Connection> Client::take() {
    const auto deadline = SteadyClock::now() + timing_.command;
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            while (!idle_.empty()) {
                Connection connection = std::move(idle_.back());
                idle_.pop_back();
                if (connection.is_usable()) return connection;
                --open_;
            }
            if (open_ < max_connections_) break;
            if (given_back_.wait_until(lock, deadline) == std::cv_status::timeout) {
                return store_error(ErrorKind::timed_out, "Redis: other calls took too long");
            }
        }
        if (failures_ > 0 && SteadyClock::now() < pause_until_) return pause_error();
        ++open_;
    }
    return connect();
}

void Client::give_back(Connection connection) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
    given_back_.notify_one();
}

void Client::drop() {
    const std::lock_guard lock(mutex_);
    --open_;
    given_back_.notify_one();
}

Result<void> Client::try_connect() {
    {
        const std::lock_guard lock(mutex_);
        ++open_;
    }
    auto made = connect();
    if (!made) return made.error();
    give_back(std::move(*made));
    return {};
}

Result<Reply> Client::once(const Words& words) {
    auto connection = take();
    if (!connection) return connection.error();
    auto reply = connection->call(words, SteadyClock::now() + timing_.command);
    if (!reply || connection->is_broken() || ends_connection(reply->view())) {
        drop();
    } else {
        give_back(std::move(*connection));
    }
    return reply;
}

Result<Reply> Client::command(const Words& words, Repeat repeat) {
    auto reply = once(words);
    if (!reply && reply.error().kind == ErrorKind::closed && repeat == Repeat::yes) {
        reply = once(words);
    }
    if (reply) return reply;
    auto error = reply.error();
    // To callers it is all the same: Redis cannot be used now.
    if (error.kind == ErrorKind::closed || error.kind == ErrorKind::forbidden) {
        error.kind = ErrorKind::unavailable;
    }
    return error;
}

Result<Reply> Client::run(const Script& script, const Words& arguments, Repeat repeat) {
    auto name = script.name();
    for (bool again = true;; again = false) {
        if (name.empty()) {
            const auto loaded = command({"SCRIPT", "LOAD", script.text()}, Repeat::yes);
            if (!loaded) return loaded.error();
            if (loaded->view().is_error()) return to_failure(loaded->view());
            name = loaded->view().text();
            script.set_name(name);
        }
        Words words{"EVALSHA", name, "0"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        auto reply = command(words, repeat);
        if (!reply) return reply;
        // Redis forgets scripts when it restarts. It has not run then.
        if (again && is_no_script(reply->view())) {
            name.clear();
            continue;
        }
        if (!reply->view().is_error()) return reply;
        return to_failure(reply->view());
    }
}

}  // namespace cordgate::redis
