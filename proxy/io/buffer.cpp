#include "proxy/io/buffer.hpp"

#include <new>

#include "proxy/io/sanitizers.hpp"

namespace cordgate::proxy {
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
    if (reuses_memory && current && size == block_size && current->count_ < max_kept) {
        current->kept_[current->count_++] = memory;
        return;
    }
    ::operator delete(memory);
}

}  // namespace cordgate::proxy
