#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace cordgate::proxy {

/// Blocks to read into, kept for whoever reads next: most buffers live for one
/// answer. Not thread-safe: each event loop has its own.
class BlockCache {
public:
    /// 64 KiB of content and the head before it, in one read.
    static constexpr std::size_t block_size = 68 * 1024;

    BlockCache() = default;
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;
    ~BlockCache();

    /// `size` bytes; of this thread's cache when that is the size of its blocks.
    static char* allocate(std::size_t size);
    static void release(char* memory, std::size_t size) noexcept;

    /// The one of this thread; null: blocks come from the heap.
    static thread_local BlockCache* current;

private:
    static constexpr std::size_t max_kept = 16;

    char* kept_[max_kept] = {};
    std::size_t count_ = 0;
};

/// Bytes that were read and not yet used, with room behind them. Holds no
/// memory while empty and released, so that an idle connection costs little.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { release(); }

    std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }
    std::size_t size() const { return end_ - begin_; }

    void consume(std::size_t size) {
        check(size <= end_ - begin_);
        begin_ += size;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// At least `wanted` free bytes behind the contents; moves or grows, so
    /// every view into the buffer is void afterwards when it has to.
    std::span<char> prepare(std::size_t wanted) {
        if (capacity_ - end_ < wanted) make_room(wanted);
        return {data_ + end_, capacity_ - end_};
    }
    void commit(std::size_t size) {
        check(size <= capacity_ - end_);
        end_ += size;
    }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;  // there may be no memory to copy to
        std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
        commit(bytes.size());
    }
    /// Forgets all but the first `size` bytes.
    void truncate(std::size_t size) { end_ = begin_ + size; }
    void clear() { begin_ = end_ = 0; }
    void release() {
        if (data_) BlockCache::release(std::exchange(data_, nullptr), capacity_);
        begin_ = end_ = capacity_ = 0;
    }

private:
    /// Two readers of one buffer would hand out memory that is not theirs: better
    /// no process than that, in every build.
    static void check(bool holds) {
        if (!holds) std::abort();
    }

    void make_room(std::size_t wanted) {
        const auto held = size();
        if (capacity_ >= held + wanted) {
            std::memmove(data_, data_ + begin_, held);
        } else {
            const auto capacity = std::max(held + wanted, capacity_ * 2);
            auto* const grown = BlockCache::allocate(capacity);
            if (held > 0) std::memcpy(grown, data_ + begin_, held);
            if (data_) BlockCache::release(data_, capacity_);
            data_ = grown;
            capacity_ = capacity;
        }
        begin_ = 0;
        end_ = held;
    }

    char* data_ = nullptr;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace cordgate::proxy
