#include "proxy/io/task.hpp"

#include <new>

namespace cordgate::proxy {
namespace {

// A frame that is used after its end must be found by a sanitizer, not be
// somebody else's frame by then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps_frames = false;
#else
constexpr bool keeps_frames = true;
#endif

}  // namespace

thread_local constinit FrameCache* FrameCache::current = nullptr;

FrameCache::~FrameCache() {
    for (auto& shelf : shelves_) {
        while (shelf.first) ::operator delete(std::exchange(shelf.first, shelf.first->next));
    }
}

void* FrameCache::allocate(std::size_t size) {
    if (!keeps_frames || size > largest) return ::operator new(size);
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
    if (keeps_frames && size <= largest && current) {
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
