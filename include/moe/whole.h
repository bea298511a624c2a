#pragma once

#include <cstdint>

#include "moe/error.h"

namespace moe {

/// A 64-bit integer whose sums, differences and products throw Error instead of overflowing.
class Whole {
 public:
  Whole(std::int64_t value = 0) : value_(value) {}
  std::int64_t value() const { return value_; }
  friend bool operator==(Whole, Whole) = default;

  friend Whole operator+(Whole a, Whole b) {
    return checked(__builtin_add_overflow(a.value_, b.value_, &a.value_), a);
  }
  friend Whole operator-(Whole a, Whole b) {
    return checked(__builtin_sub_overflow(a.value_, b.value_, &a.value_), a);
  }
  friend Whole operator*(Whole a, Whole b) {
    return checked(__builtin_mul_overflow(a.value_, b.value_, &a.value_), a);
  }
  Whole& operator+=(Whole b) { return *this = *this + b; }

 private:
  static Whole checked(bool overflows, Whole result) {
    if (overflows)
      throw Error("model", "model: a count of its parameters, FLOPs or bytes must be below 2^63");
    return result;
  }
  std::int64_t value_;
};

}  // namespace moe
