#include "proxy/io/buffer.hpp"

#include <new>

namespace cordgate::proxy {
namespace {

// A view into a buffer that is gone must be found by a sanitizer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif

}  // namespace

thread_local constinit BlockCache* BlockCache::current = nullptr;

BlockCache::~BlockCache() {
    while (count_ > 0) ::operator delete(kept_[--count_]);
}

char* BlockCache::allocate(std::size_t size) {
    if (current && size == block_size && current->count_ > 0) {
        return current->kept_[--current->count_];
    }
    return static_cast<char*>(::operator new(size));
}

void BlockCache::release(char* memory, std::size_t size) noexcept {
    if (keeps_blocks && current && size == block_size && current->count_ < max_kept) {
        current->kept_[current->count_++] = memory;
        return;
    }
    ::operator delete(memory);
}

}  // namespace cordgate::proxy
