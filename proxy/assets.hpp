#pragma once

#include <span>
#include <string_view>

namespace cordgate::proxy {

/// A file of our own pages, compiled in. Its name holds a hash of its content,
/// so it may be cached for good: another content has another name.
struct Asset {
    std::string_view name;  ///< below {prefix}/assets/: "style-0123456789abcdef.css"
    std::string_view content_type;
    std::string_view body;
    std::string_view etag;  ///< quoted, strong (RFC 9110, 8.8.3)
};

/// What every asset is served with.
inline constexpr std::string_view asset_cache_control = "public, max-age=31536000, immutable";

std::span<const Asset> assets();

/// The asset called `name`, without any folder; nullptr when there is none.
const Asset* find_asset(std::string_view name);

/// The two that every page refers to.
const Asset& style_asset();
const Asset& icon_asset();

}  // namespace cordgate::proxy
