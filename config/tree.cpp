#include "config/tree.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate::config {

std::vector<Branch> tree_of(const std::vector<Setting>& rows) {
    std::vector<Branch> roots;
    for (const auto& row : rows) {
        auto* level = &roots;
        std::string_view rest = row.key;
        for (auto dot = rest.find('.'); dot != rest.npos; dot = rest.find('.')) {
            const auto name = rest.substr(0, dot);
            rest.remove_prefix(dot + 1);
            auto at = std::find_if(level->begin(), level->end(),
                                   [name](const Branch& b) { return b.name == name; });
            if (at == level->end()) at = level->insert(at, Branch{std::string(name), nullptr, {}});
            level = &at->branches;
        }
        level->push_back({std::string(rest), &row, {}});
    }
    return roots;
}

std::string yaml_scalar(std::string_view text) {
    const bool plain =
        !text.empty() && (is_alpha(text.front()) || text.front() == '/') && text.back() != ':' &&
        std::all_of(text.begin(), text.end(), [](char c) {
            return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/' || c == ':';
        });
    // What YAML 1.1 and 1.2 parsers read as something else than a text.
    constexpr std::string_view words[] = {"true", "false", "null", "yes", "no",
                                          "on",   "off",   "y",    "n"};
    const bool word =
        std::find(std::begin(words), std::end(words), lowercase(text)) != std::end(words);
    if (plain && !word) return std::string(text);
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) out += c;
        if (c == '\n') out += "\\n";
    }
    return out + "\"";
}

std::string yaml_default(const Setting& row) {
    switch (row.type) {
        case Type::boolean:
        case Type::count:
        case Type::size:
        case Type::duration:
        case Type::choice: return std::string(row.fallback);
        case Type::named:
        case Type::texts:
        case Type::requirement: return "{}";
        case Type::entries:
        case Type::secret_list: return "[]";
        case Type::list: {
            std::string out;
            std::string_view rest = row.fallback;
            while (!rest.empty()) {
                const auto comma = rest.find(',');
                out += (out.empty() ? "" : ", ") + yaml_scalar(trim(rest.substr(0, comma)));
                rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
            }
            return "[" + out + "]";
        }
        default: return yaml_scalar(row.fallback);
    }
}

}  // namespace cordgate::config
