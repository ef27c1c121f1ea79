#pragma once

namespace cordgate::proxy {

/// Whether freed memory is kept for the next who needs as much. Not under a
/// sanitizer, which could not tell a use after the end from somebody else's use.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool reuses_memory = false;
#else
inline constexpr bool reuses_memory = true;
#endif

}  // namespace cordgate::proxy
