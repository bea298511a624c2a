#pragma once

#include "kernels.h"

/// (R1) on the device: the best of many by a total order, so that the same numbers give the same choice whoever looks first.
/// A larger number is better, and of equal ones that with the smaller index; 0 and -0 are equal. NaN is worse than every
/// number, and of several the one with the smallest index is best.
namespace moe::cuda {

/// x as an unsigned integer, in the order of the numbers; NaN is 0.
__device__ inline std::uint32_t orderable(float x) {
  if (x != x) return 0;
  const auto bits = same_bits<std::uint32_t>(x + 0.0F);  // -0 becomes 0
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}
__device__ inline std::uint64_t orderable(double x) {
  if (x != x) return 0;
  const auto bits = same_bits<std::uint64_t>(x + 0.0);
  return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}

/// A number and its index in that order, all keys of different indices differ. Key() is worse than the key of anything.
template <typename Num>
struct Key;
template <>
struct Key<float> {
  std::uint64_t bits = 0;

  __device__ static Key of(float x, Index i) {
    return {static_cast<std::uint64_t>(orderable(x)) << 32 | static_cast<std::uint32_t>(~i)};
  }
  __device__ static Key above_all() { return {~std::uint64_t{0}}; }
  __device__ Index index() const { return static_cast<std::uint32_t>(~bits); }
  __device__ Key across(const Warp& warp, int step) const { return {warp.across(bits, step)}; }
  __device__ bool operator<(const Key& other) const { return bits < other.bits; }
};
template <>
struct Key<double> {
  std::uint64_t order = 0, rest = 0;

  __device__ static Key of(double x, Index i) { return {orderable(x), static_cast<std::uint64_t>(~i)}; }
  __device__ static Key above_all() { return {~std::uint64_t{0}, ~std::uint64_t{0}}; }
  __device__ Index index() const { return static_cast<Index>(~rest); }
  __device__ Key across(const Warp& warp, int step) const {
    return {warp.across(order, step), warp.across(rest, step)};
  }
  __device__ bool operator<(const Key& other) const {
    return order != other.order ? order < other.order : rest < other.rest;
  }
};

/// The largest of key_of(i), i < n, that is below `limit`: the next best after it. key_of gives Key() for what is closed.
template <typename Num, typename KeyOf>
__device__ Key<Num> next_best(const Warp& warp, Index n, const Key<Num>& limit, KeyOf key_of) {
  Key<Num> top;
  for (Index i = warp.lane; i < n; i += 32) {
    const Key<Num> key = key_of(i);
    if (key < limit && top < key) top = key;
  }
  for (int step = 16; step > 0; step /= 2) {
    const Key<Num> other = top.across(warp, step);
    if (top < other) top = other;
  }
  return top;
}

}  // namespace moe::cuda
