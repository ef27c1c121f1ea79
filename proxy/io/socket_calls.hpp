#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/io/sanitizers.hpp"

namespace cordgate::proxy {

/// recv(2) and send(2) as the kernel has them: as points where a thread may be
/// cancelled, the C library's cost two locked instructions more, four times a request.
/// A sanitizer has to see what they read and write.
inline ssize_t receive_bytes(int socket, void* into, std::size_t size, int flags) {
    if constexpr (is_sanitized) return ::recv(socket, into, size, flags);
    return ::syscall(SYS_recvfrom, socket, into, size, flags, nullptr, nullptr);
}

inline ssize_t send_bytes(int socket, const void* from, std::size_t size, int flags) {
    if constexpr (is_sanitized) return ::send(socket, from, size, flags);
    return ::syscall(SYS_sendto, socket, from, size, flags, nullptr, 0);
}

}  // namespace cordgate::proxy
