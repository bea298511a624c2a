#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "moe/tensor.h"

namespace moe::cpu {

/// n numbers that are not initialised, aligned for vectors; where there are many, on large pages if the system has them.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index n) {
    if (n == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T), page = std::size_t{1} << 21;
    void* memory = nullptr;
    if (posix_memalign(&memory, bytes >= page ? page : 64, bytes) != 0) throw std::bad_alloc();
    data_.reset(static_cast<T*>(memory));
    if (bytes >= page) madvise(memory, bytes / page * page, MADV_HUGEPAGE);  // a hint: it may be refused
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
};

/// Memory that only grows: the system is asked for none once it has been as large.
template <typename T>
class Room {
 public:
  /// Room for n numbers; whatever it held is lost where it has to grow.
  T* of(Index n) {
    if (n > size_) buffer_ = Buffer<T>(n), size_ = n;
    return buffer_.data();
  }
  const T* data() const { return buffer_.data(); }
  T* data() { return buffer_.data(); }

 private:
  Buffer<T> buffer_;
  Index size_ = 0;
};

}  // namespace moe::cpu
