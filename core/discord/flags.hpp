#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cordgate::discord {

// Names of Discord's flags, lowest bit first; bits without a public name are left
// out. Discord's documentation: "User Flags", "Guild Member Flags".

std::vector<std::string_view> user_flag_names(std::uint64_t flags);
std::vector<std::string_view> member_flag_names(std::uint64_t flags);

/// "none", "nitro_classic", "nitro", "nitro_basic"; empty for what is new.
std::string_view premium_type_name(std::int64_t type);

}  // namespace cordgate::discord
