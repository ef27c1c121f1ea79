#pragma once

namespace cordgate::proxy {

/// Whether this is built to find faults by watching memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

/// Whether freed memory is kept for the next who needs as much. A sanitizer could not
/// tell a use after the end from somebody else's use.
inline constexpr bool reuses_memory = !is_sanitized;

}  // namespace cordgate::proxy
