#include "core/random.hpp"

#include <openssl/rand.h>

#include <limits>
#include <stdexcept>

#include "core/base64.hpp"

namespace cordgate {

std::string random_bytes(std::size_t count) {
    if (count > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        throw std::length_error("too many random bytes asked for");
    }
    std::string bytes(count, '\0');
    auto* const data = reinterpret_cast<unsigned char*>(bytes.data());
    if (RAND_bytes(data, static_cast<int>(count)) != 1) {
        throw std::runtime_error("the random number generator failed");
    }
    return bytes;
}

Secret random_token() {
    const Secret bytes(random_bytes(32));
    return Secret(base64url_encode(bytes.reveal()));
}

std::string random_id() {
    return base64url_encode(random_bytes(16));
}

}  // namespace cordgate
