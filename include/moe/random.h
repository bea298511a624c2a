#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

namespace moe {

/// N counters of four 32-bit words: word w of counter i is at [w][i], so that a compiler sees vectors.
template <std::size_t N>
using Counters = std::array<std::array<std::uint32_t, N>, 4>;

/// Philox4x32 with ten rounds: a keyed bijection of 128-bit counters, so element i needs no element before it.
/// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC11), section 4.3.
template <std::size_t N>
void philox4x32_10(Counters<N>& c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < N; ++i) {
      const std::uint64_t even = std::uint64_t{0xD2511F53} * c[0][i],
                          odd = std::uint64_t{0xCD9E8D57} * c[2][i];
      c[0][i] = static_cast<std::uint32_t>(odd >> 32) ^ c[1][i] ^ k[0];
      c[1][i] = static_cast<std::uint32_t>(odd);
      c[2][i] = static_cast<std::uint32_t>(even >> 32) ^ c[3][i] ^ k[1];
      c[3][i] = static_cast<std::uint32_t>(even);
    }
    k = {k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
  }
}
inline std::array<std::uint32_t, 4> philox4x32_10(const std::array<std::uint32_t, 4>& counter,
                                                  const std::array<std::uint32_t, 2>& key) {
  Counters<1> c{{{counter[0]}, {counter[1]}, {counter[2]}, {counter[3]}}};
  philox4x32_10(c, key);
  return {c[0][0], c[1][0], c[2][0], c[3][0]};
}

/// A stream of 32-bit words: word i of tensor `tensor` in case `case_number`.
struct Stream {
  std::uint64_t seed;
  std::uint32_t tensor, case_number;

  std::uint32_t word(std::uint64_t i) const { return blocks<1>(i >> 2)[i & 3][0]; }
  /// Words 4 (first + i) + w at [w][i].
  template <std::size_t N>
  Counters<N> blocks(std::uint64_t first) const {
    Counters<N> c;
    for (std::size_t i = 0; i < N; ++i) {
      c[0][i] = static_cast<std::uint32_t>(first + i),
      c[1][i] = static_cast<std::uint32_t>((first + i) >> 32);
      c[2][i] = tensor, c[3][i] = case_number;
    }
    philox4x32_10(c, {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    return c;
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

  /// values[j] = value(first + j), as many blocks at once as there are.
  void fill(std::uint64_t first, std::span<double> values) const {
    const auto one = [&] { values.front() = value(first++), values = values.subspan(1); };
    while (!values.empty() && first % 4 != 0) one();
    fill_blocks<32>(first, values);
    fill_blocks<1>(first, values);
    while (!values.empty()) one();
  }

 private:
  /// ... for N blocks of four words at a time, while there is room; takes what is done off both.
  template <std::size_t N>
  void fill_blocks(std::uint64_t& first, std::span<double>& values) const {
    const double unit = std::ldexp(1.0, -shift);
    for (; values.size() >= 4 * N; first += 4 * N, values = values.subspan(4 * N)) {
      const Counters<N> words = stream.blocks<N>(first / 4);
      for (std::size_t i = 0; i < 4 * N; ++i) values[i] = integer(words[i % 4][i / 4]) * unit;
    }
  }
  static double integer(std::uint32_t word) {
    return static_cast<double>(static_cast<std::int32_t>(word) >> 24);
  }
};

}  // namespace moe
