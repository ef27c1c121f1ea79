#include "core/discord/json_reader.hpp"

#include <set>
#include <vector>

#include "core/discord/json.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t max_depth = 32;

// Accepts documents whose depth is bounded and whose objects name each key
// once: parsers disagree on which of two wins, and one of them could be "owner".
class StrictSax {
public:
    bool null() { return true; }
    bool boolean(bool) { return true; }
    bool number_integer(Json::number_integer_t) { return true; }
    bool number_unsigned(Json::number_unsigned_t) { return true; }
    bool number_float(Json::number_float_t, const std::string&) { return true; }
    bool string(std::string&) { return true; }
    bool binary(Json::binary_t&) { return true; }
    bool start_object(std::size_t) { return enter(); }
    bool key(std::string& name) { return keys_.back().insert(name).second; }
    bool end_object() { return leave(); }
    bool start_array(std::size_t) { return enter(); }
    bool end_array() { return leave(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
        return false;
    }

private:
    bool enter() {
        keys_.emplace_back();
        return keys_.size() <= max_depth;
    }
    bool leave() {
        keys_.pop_back();
        return true;
    }

    std::vector<std::set<std::string>> keys_;
};

bool is_strict_json(std::string_view text) {
    // The library skips a byte order mark; RFC 8259, 8.1 says that none is sent.
    if (text.substr(0, 1) == "\xef") return false;
    // It takes NUL for the end of the text, and would not look at what follows.
    if (text.find('\0') != std::string_view::npos) return false;
    StrictSax sax;
    return Json::sax_parse(text.begin(), text.end(), &sax);
}

}  // namespace

std::optional<Json> parse_strictly(std::string_view text) {
    if (!is_strict_json(text)) return std::nullopt;
    Json value = Json::parse(text.begin(), text.end(), nullptr, false);
    if (value.is_discarded()) return std::nullopt;
    return value;
}

std::optional<Json> parse_object_strictly(std::string_view text) {
    auto value = parse_strictly(text);
    if (!value || !value->is_object()) return std::nullopt;
    return value;
}

bool is_json(std::string_view text) {
    return is_strict_json(text);
}

}  // namespace cordgate::discord
