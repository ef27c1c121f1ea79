#include "proxy/io/task.hpp"

#include <new>

#include "proxy/io/sanitizers.hpp"

namespace cordgate::proxy {
thread_local constinit FrameCache* FrameCache::current = nullptr;

FrameCache::~FrameCache() {
    for (auto& shelf : shelves_) {
        while (shelf.first) ::operator delete(std::exchange(shelf.first, shelf.first->next));
    }
}

void* FrameCache::allocate(std::size_t size) {
    if (!reuses_memory || size > largest) return ::operator new(size);
    const auto index = (size + step - 1) / step;
    if (current) {
        auto& shelf = current->shelves_[index];
        if (shelf.first) {
            --shelf.count;
            return std::exchange(shelf.first, shelf.first->next);
        }
    }
    return ::operator new(index* step);
}

void FrameCache::release(void* memory, std::size_t size) noexcept {
    if (reuses_memory && size <= largest && current) {
        auto& shelf = current->shelves_[(size + step - 1) / step];
        if (shelf.count < max_kept) {
            ++shelf.count;
            shelf.first = new (memory) Free{shelf.first};
            return;
        }
    }
    ::operator delete(memory);
}

}  // namespace cordgate::proxy
