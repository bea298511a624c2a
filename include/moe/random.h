#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

namespace moe {

/// Philox4x32 with ten rounds: a keyed bijection of 128-bit counters, so element i needs no element before it.
/// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC11), section 4.3.
inline std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> c,
                                                  std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t even = std::uint64_t{0xD2511F53} * c[0], odd = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(odd >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(odd),
         static_cast<std::uint32_t>(even >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(even)};
    k = {k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
  }
  return c;
}

/// A stream of 32-bit words: word i of tensor `tensor` in case `case_number`.
struct Stream {
  std::uint64_t seed;
  std::uint32_t tensor, case_number;

  std::uint32_t word(std::uint64_t i) const { return words(i >> 2)[i & 3]; }
  std::array<std::uint32_t, 4> words(std::uint64_t block) const {
    return philox4x32_10(
        {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), tensor, case_number},
        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  }
};

inline constexpr std::uint64_t kDefaultSeed = 0x7000007e8;

/// The 32-bit FNV-1a hash: a stream or case number that follows from a name.
/// Source: Fowler, Noll and Vo, The FNV Non-Cryptographic Hash Algorithm.
constexpr std::uint32_t fnv1a(std::string_view name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

/// Values that every format of eight significant bits holds: signed 8-bit integers times 2^-shift.
struct Recipe {
  Stream stream{};
  int shift = 0;

  double value(std::uint64_t i) const { return std::ldexp(integer(stream.word(i)), -shift); }

  /// values[j] = value(first + j), four words at a time.
  void fill(std::uint64_t first, std::span<double> values) const {
    const double unit = std::ldexp(1.0, -shift);
    std::array<std::uint32_t, 4> words{};
    for (std::uint64_t j = 0; j < values.size(); ++j) {
      if (const std::uint64_t i = first + j; j == 0 || (i & 3) == 0) words = stream.words(i >> 2);
      values[j] = integer(words[(first + j) & 3]) * unit;
    }
  }

 private:
  static double integer(std::uint32_t word) {
    return static_cast<double>(static_cast<std::int32_t>(word) >> 24);
  }
};

}  // namespace moe
