#include "proxy/header_rules.hpp"

#include "core/ascii.hpp"

namespace cordgate::proxy {
namespace {

constexpr char fold(char c) {
    return is_alnum(c) ? to_lower(c) : '-';
}

constexpr unsigned char byte_of(char c) {
    return static_cast<unsigned char>(c);
}

// CGI's own spelling of a field's name begins so (RFC 3875, 4.1.18).
constexpr std::string_view cgi = "http-";

// What a client may not remove: framing, routing, credentials.
constexpr std::string_view not_nominable[] = {
    "host",   "cookie", "content-length", "content-type", "transfer-encoding",
    "expect", "origin", "authorization",  "date",         "cache-control",
};

// What means something only where it is known before the content.
constexpr std::string_view not_in_trailers[] = {
    "age",
    "authorization",
    "cache-control",
    "content-type",
    "content-encoding",
    "content-range",
    "cookie",
    "date",
    "expires",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "status",
    "strict-transport-security",
    "vary",
    "warning",
    "www-authenticate",
};

}  // namespace

bool HeaderPolicy::may_be_trailer(std::string_view name) const {
    if (name.empty() || drop_from_response(name)) return false;
    if (name.size() > 3 && iequals(name.substr(0, 3), "if-")) return false;
    for (const auto other : not_in_trailers) {
        if (iequals(name, other)) return false;
    }
    return true;
}

HeaderPolicy::HeaderPolicy(const std::vector<std::string>& managed) {
    first_of_any_length_.set(byte_of(cgi.front()));
    for (const auto& rule : header_prefix_rules) first_of_any_length_.set(byte_of(rule.name[0]));
    for (const auto& rule : header_rules) {
        by_length_[rule.name.size()].push_back({
            std::string(rule.name), {rule.drop_from_request, rule.drop_from_response}
        });
    }
    for (const auto& name : managed) {
        std::string folded;
        for (const char c : name.substr(0, max_name)) folded.push_back(fold(c));
        by_length_[folded.size()].push_back({
            folded, {true, false}
        });
    }
    for (std::size_t length = 1; length <= max_name; ++length) {
        for (const auto& row : by_length_[length]) {
            first_characters_[length].set(byte_of(row.name.front()));
        }
    }
    for (std::size_t i = 1; i < known_.size(); ++i) known_[i] = lookup(http::known_names[i]);
}

/// False when no rule can be about it, by its length and first character.
bool HeaderPolicy::may_match(std::string_view name) const {
    if (name.empty()) return false;
    const auto first = byte_of(fold(name.front()));
    return first_of_any_length_[first] || first_characters_[std::min(name.size(), max_name)][first];
}

HeaderPolicy::Drops HeaderPolicy::lookup(std::string_view name) const {
    if (!may_match(name)) return {};
    char folded[cgi.size() + max_name];
    const auto size = std::min(name.size(), sizeof folded);
    for (std::size_t i = 0; i < size; ++i) folded[i] = fold(name[i]);
    const std::string_view text(folded, size);
    const auto drops = lookup_folded(text.substr(0, max_name));
    if (drops.request || drops.response) return drops;
    if (text.starts_with(cgi)) return lookup_folded(text.substr(cgi.size()));
    return {};
}

HeaderPolicy::Drops HeaderPolicy::lookup_folded(std::string_view folded) const {
    for (const auto& rule : header_prefix_rules) {
        if (folded.starts_with(rule.name)) {
            return {rule.drop_from_request, rule.drop_from_response};
        }
    }
    // A name that was cut cannot equal a shorter one of the table.
    Drops drops;
    for (const auto& row : by_length_[folded.size()]) {
        if (row.name != folded) continue;
        drops.request = drops.request || row.drops.request;
        drops.response = drops.response || row.drops.response;
    }
    return drops;
}

bool HeaderPolicy::may_be_nominated(std::string_view name) {
    for (const auto kept : not_nominable) {
        if (iequals(name, kept)) return false;
    }
    return true;
}

}  // namespace cordgate::proxy
