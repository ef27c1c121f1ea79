#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "core/snowflake.hpp"

namespace cordgate::discord {

using Json = nlohmann::json;

inline constexpr std::size_t max_name_bytes = 512;  // Discord's limit is 32 characters

/// One JSON value in `text`, or nullopt: not JSON, deeper than 32, an object that
/// names a key twice, or bytes before or behind it (RFC 8259).
std::optional<Json> parse_strictly(std::string_view text);
std::optional<Json> parse_object_strictly(std::string_view text);

/// An answer of Discord's that is not what it documents.
inline Error malformed(std::string detail) {
    return {ErrorKind::malformed_reply, ErrorSource::discord, std::move(detail)};
}

/// A list of which every entry must be sound: what `read` makes of each, or why not.
/// null counts as an empty one; `name` is for the error.
template <class T>
Result<std::vector<T>> parse_list(std::string_view json, const std::string& name, std::size_t most,
                                  std::optional<T> (*read)(const Json&)) {
    const auto list = parse_strictly(json);
    if (list && list->is_null()) return std::vector<T>();
    if (!list || !list->is_array()) return malformed(name + ": not a JSON array");
    if (list->size() > most) return malformed(name + ": too many");
    std::vector<T> entries;
    entries.reserve(list->size());
    for (const auto& item : *list) {
        auto entry = read(item);
        if (!entry) return malformed(name + ": bad entry");
        entries.push_back(*std::move(entry));
    }
    return entries;
}

/// Reads members of one object. A wrong type is remembered, so that a parser
/// can read them all and ask once whether what it has is sound.
class JsonReader {
public:
    explicit JsonReader(const Json& object) : object_(object) {}

    const Json* find(const char* name) const {
        const auto it = object_.find(name);
        return it == object_.end() || it->is_null() ? nullptr : &*it;
    }
    std::optional<std::string> text(const char* name, std::size_t max_bytes = max_name_bytes) {
        const Json* value = find(name);
        if (!value) return std::nullopt;
        if (!value->is_string()) return fail(name), std::nullopt;
        const auto& text = value->get_ref<const std::string&>();
        if (text.size() > max_bytes) return fail(name), std::nullopt;
        return text;
    }
    std::string required_text(const char* name, std::size_t max_bytes = max_name_bytes) {
        auto value = text(name, max_bytes);
        if (!value || value->empty()) return fail(name), std::string();
        return *std::move(value);
    }
    std::optional<bool> boolean(const char* name) {
        const Json* value = find(name);
        if (!value) return std::nullopt;
        if (!value->is_boolean()) return fail(name), std::nullopt;
        return value->get<bool>();
    }
    Snowflake id(const char* name) {
        const auto parsed = Snowflake::parse(text(name).value_or(""));
        if (!parsed) return fail(name), Snowflake();
        return *parsed;
    }
    // For what decides nothing: a wrong type counts as absent.

    std::optional<std::string> any_text(const char* name) const {
        const Json* value = find(name);
        return value && value->is_string() ? std::optional(value->get<std::string>())
                                           : std::nullopt;
    }
    std::optional<bool> any_boolean(const char* name) const {
        const Json* value = find(name);
        return value && value->is_boolean() ? std::optional(value->get<bool>()) : std::nullopt;
    }
    std::optional<std::int64_t> any_integer(const char* name) const {
        const Json* value = find(name);
        const bool fits = value && value->is_number_integer() &&
                          !(value->is_number_unsigned() &&
                            value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
        return fits ? std::optional(value->get<std::int64_t>()) : std::nullopt;
    }
    /// Flags: an integer, or digits in a string where Discord needs more bits.
    std::optional<std::uint64_t> any_flags(const char* name) const {
        const Json* value = find(name);
        if (value && value->is_number_unsigned()) return value->get<std::uint64_t>();
        const auto id = Snowflake::parse(any_text(name).value_or(""));
        return id ? std::optional(id->value()) : std::nullopt;
    }

    void fail(const char* name) {
        if (problem_.empty()) problem_ = name;
    }
    /// The first member that was wrong; empty: none.
    const std::string& problem() const { return problem_; }

private:
    const Json& object_;
    std::string problem_;
};

}  // namespace cordgate::discord
