#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"

namespace cordgate::config {

/// Where something was written.
struct Place {
    std::string name;  ///< file, "environment CORDGATE_X", "flag --x", "settings"
    int line = 0;      ///< from 1; 0: not in a file
    int column = 0;

    std::string to_string() const;
};

/// Collects what is wrong, so that one run tells everything.
class Problems {
public:
    void error(const Place& place, std::string_view key, std::string message);
    void warning(const Place& place, std::string_view key, std::string message);

    bool any_error() const { return errors_ > 0; }
    /// Whether `key`, or something below it, has an error already: then a
    /// further complaint would only repeat it.
    bool has_error(std::string_view key) const;
    /// In order of place: the file from top to bottom, then the rest.
    std::vector<Problem> sorted() const;

private:
    struct Entry {
        Place place;
        Problem problem;
    };
    std::vector<Entry> entries_;
    std::size_t errors_ = 0;
};

/// `text` in quotes for a message: controls escaped, cut after 60 bytes.
std::string in_quotes(std::string_view text);

}  // namespace cordgate::config
