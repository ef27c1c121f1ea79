#pragma once

#include <string>
#include <string_view>

namespace cordgate::test {

inline bool contains(const std::string& text, std::string_view piece) {
    return text.find(piece) != std::string::npos;
}

}  // namespace cordgate::test
