#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace cordgate::proxy {

/// Bytes that were read and not yet used, with room behind them. Holds no
/// memory while empty and released, so that an idle connection costs little.
class Buffer {
public:
    std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
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
        return {data_.get() + end_, capacity_ - end_};
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
        data_.reset();
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
            std::memmove(data_.get(), data_.get() + begin_, held);
        } else {
            const auto capacity = std::max(held + wanted, capacity_ * 2);
            auto grown = std::make_unique_for_overwrite<char[]>(capacity);
            if (held > 0) std::memcpy(grown.get(), data_.get() + begin_, held);
            data_ = std::move(grown);
            capacity_ = capacity;
        }
        begin_ = 0;
        end_ = held;
    }

    std::unique_ptr<char[]> data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace cordgate::proxy
