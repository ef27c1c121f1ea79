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
    std::string id;
    random_id(id);
    return id;
}

void random_id(std::string& id) {
    // Every request gets one: asked for singly, the generator costs as much as
    // parsing the request. Nothing is handed out twice, since a process that has
    // ids to give never forks.
    constexpr std::size_t size = 16;
    constexpr std::size_t ids = 256;
    thread_local std::string pool;
    if (pool.empty()) pool = random_bytes(size * ids);
    base64url_encode(std::string_view(pool).substr(pool.size() - size), id);
    pool.resize(pool.size() - size);
}

}  // namespace cordgate
