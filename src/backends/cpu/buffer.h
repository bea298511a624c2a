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
    const std::size_t alignment = bytes >= 2 * page ? page : 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    data_.reset(static_cast<T*>(std::aligned_alloc(alignment, rounded)));
    if (!data_) throw std::bad_alloc();
    if (alignment == page) madvise(data_.get(), rounded, MADV_HUGEPAGE);  // a hint: it may be refused
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
};

}  // namespace moe::cpu
