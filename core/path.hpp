#pragma once

#include <forward_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace cordgate {

/// One way to read a path: its segments, percent-decoded, without the leading
/// slash. "/a/b/" has the segments a, b and an empty one. The text is its path's.
using PathReading = std::vector<std::string_view>;

/// The path of a request, checked, and every way that a server might read it.
///
/// Frameworks differ on "//", "%2f", "%5c", ";x" and trailing dots or blanks of
/// a segment. Nothing is repaired: the bytes that were judged are the bytes
/// that are sent, and a caller that gets different answers for two readings
/// refuses the request. Usually there is exactly one reading.
class Path {
public:
    /// `raw` starts with '/', has no query, and outlives the path. Fails (client,
    /// bad_request) on controls, space, backslash, '#', 8-bit bytes, broken escapes,
    /// NUL, bad UTF-8, and on "." and ".." segments under any reading (RFC 3986, 6.2.2).
    static Result<Path> parse(std::string_view raw);
    /// The same, with the memory that this path has already; without readings when it fails.
    Result<void> assign(std::string_view raw);

    Path() = default;
    Path(Path&&) = default;
    Path& operator=(Path&&) = default;

    /// The first is the plain one: split at '/', each segment decoded once.
    const std::vector<PathReading>& readings() const { return readings_; }
    std::string_view raw() const { return raw_; }

private:
    Error fail(const char* why);
    Result<void> read_every_way(std::string_view text);
    void add_reading(std::string_view decoded, unsigned habits);

    std::string_view raw_;
    std::vector<PathReading> readings_;
    std::forward_list<std::string> texts_;  ///< what readings other than of `raw_` point into
};

}  // namespace cordgate
