#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cordgate::test {

/// How long anything may take before a test gives up. Generous: sanitizers and busy
/// machines are slow, and no test waits for it to pass.
inline constexpr std::chrono::seconds patience{30};

/// A port of 127.0.0.1 that stays ours: bound, never listening, so that a daemon
/// which shares ports between its workers (SO_REUSEPORT) can listen there.
class ReservedPort {
public:
    ReservedPort();
    ~ReservedPort();
    ReservedPort(const ReservedPort&) = delete;
    ReservedPort& operator=(const ReservedPort&) = delete;
    int number() const { return number_; }
    std::string text() const { return std::to_string(number_); }

private:
    int fd_ = -1;
    int number_ = 0;
};

/// A message as it came: the head byte for byte, and the body without its framing.
struct Message {
    std::string start_line;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string head;  ///< with the empty line
    std::string body;
    bool complete = false;  ///< the framing says that all of the body came

    int status() const;          ///< of a response; 0 when there is none
    std::string target() const;  ///< of a request
    std::size_t count(std::string_view name) const;
    std::string field(std::string_view name) const;  ///< the first; "" when absent
    std::vector<std::string> all(std::string_view name) const;
    bool has(std::string_view name) const { return count(name) > 0; }
};

/// Splits a head; the body stays empty.
Message parse_head(std::string head);

/// A TCP connection that says exactly what it is told. Throws std::runtime_error
/// when the other side takes longer than `patience`.
class Wire {
public:
    /// Connects to 127.0.0.1.
    explicit Wire(int port);
    /// Takes over an accepted socket.
    static Wire adopt(int fd) { return Wire(fd, Adopt{}); }
    ~Wire();
    Wire(Wire&& other) noexcept;
    Wire& operator=(Wire&&) = delete;

    Wire& send(std::string_view bytes);
    void finish_sending();
    void shut_down();  ///< from another thread: wakes whoever reads
    void reset();      ///< goes away with an RST
    /// A response to `method`. Without a head (closed before): status() is 0.
    Message read_response(std::string_view method = "GET");
    /// A request with its body; status_line is empty at the end of the connection.
    Message read_request();
    std::string read_until_close();
    /// Exactly so many bytes, or fewer at the end.
    std::string read_bytes(std::size_t size);
    /// Whatever comes next; empty at the end.
    std::string read_some();
    /// Waits until the other side closes; false when bytes come instead.
    bool is_closed();
    bool was_reset() const { return reset_; }

private:
    struct Adopt {};
    Wire(int fd, Adopt) : fd_(fd) {}
    bool fill();  ///< false: the end
    std::string read_head();
    void read_length(Message& message, std::size_t length);
    void read_chunked(Message& message);

    int fd_ = -1;
    bool ended_ = false;
    bool reset_ = false;
    std::string buffer_;
};

/// Whether nobody listens at this port of 127.0.0.1.
bool refuses(int port);

/// One request on a connection of its own.
Message ask(int port, std::string_view bytes, std::string_view method = "GET");

}  // namespace cordgate::test
