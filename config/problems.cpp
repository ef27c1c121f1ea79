#include "config/problems.hpp"

#include <algorithm>
#include <tuple>

#include "core/ascii.hpp"
#include "core/url.hpp"

namespace cordgate::config {

std::string Place::to_string() const {
    if (line == 0) return name;
    return name + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Problem::to_string() const {
    return where + ": " + (key.empty() ? "" : key + ": ") + (warning ? "warning: " : "") + message;
}

void Problems::error(const Place& place, std::string_view key, std::string message) {
    entries_.push_back({
        place, {place.to_string(), std::string(key), std::move(message), false}
    });
    ++errors_;
}

void Problems::warning(const Place& place, std::string_view key, std::string message) {
    entries_.push_back({
        place, {place.to_string(), std::string(key), std::move(message), true}
    });
}

bool Problems::has_error(std::string_view key) const {
    return std::any_of(entries_.begin(), entries_.end(), [key](const Entry& entry) {
        const std::string_view other = entry.problem.key;
        if (entry.problem.warning || !other.starts_with(key)) return false;
        return other.size() == key.size() || other[key.size()] == '.' || other[key.size()] == '[';
    });
}

std::vector<Problem> Problems::sorted() const {
    auto entries = entries_;
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        const auto order = [](const Entry& e) {
            return std::make_tuple(e.place.line == 0, e.place.line, e.place.column);
        };
        return order(a) < order(b);
    });
    std::vector<Problem> out;
    for (auto& entry : entries) out.push_back(std::move(entry.problem));
    return out;
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 60;
    constexpr char hex[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
    }
    return out + (text.size() > longest ? "\"\u2026" : "\"");
}

}  // namespace cordgate::config
