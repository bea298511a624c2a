#include "moe/random.h"
#include "support.h"

using namespace moe;
using Words = std::array<std::uint32_t, 4>;

// Random123 publishes these for philox4x32-10 in its kat_vectors: counter and key all 0, all 1, and the
// digits of pi.
TEST_CASE("random: the known answers of Random123") {
  CHECK(philox4x32_10({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32_10({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: words are addressed by seed, tensor, case and a 64-bit index") {
  const Stream stream{0x7000007e8, 3, 9};
  const std::uint64_t far = (std::uint64_t{5} << 34) + 7;
  CHECK(stream.word(6) == philox4x32_10({1, 0, 3, 9}, {0x7e8, 7})[2]);
  CHECK(stream.word(far) == philox4x32_10({1, 5, 3, 9}, {0x7e8, 7})[3]);
}

TEST_CASE("random: values are signed 8-bit integers times a power of two") {
  double least = 0, most = 0;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    const double value = Recipe{{1, 2, 3}, 6}.value(i) * 64;
    CHECK(value == std::floor(value));
    least = std::min(least, value), most = std::max(most, value);
  }
  CHECK(least == -128);
  CHECK(most == 127);
  // The first value of x at the default seed, from the published definition, worked by hand from its word.
  const std::uint32_t word = philox4x32_10({0, 0, 1, 0}, {0x7e8, 7})[0];
  CHECK(Recipe{{kDefaultSeed, 1, 0}, 6}.value(0) ==
        static_cast<double>(static_cast<std::int8_t>(word >> 24)) / 64);
}

TEST_CASE("random: FNV-1a of the empty string and of \"a\"") {
  CHECK(fnv1a("") == 0x811c9dc5);
  CHECK(fnv1a("a") == 0xe40c292c);
}

TEST_CASE("random: a filled span is the values one by one, wherever it starts") {
  const Recipe recipe{{1, 2, 3}, 6};
  for (const std::uint64_t first :
       {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{6}, (std::uint64_t{1} << 34) - 2}) {
    for (const std::size_t n : std::vector<std::size_t>{1, 11, 140, 400}) {
      std::vector<double> values(n);
      recipe.fill(first, values);
      for (std::uint64_t j = 0; j < n; ++j) CHECK(values[j] == recipe.value(first + j));
    }
  }
}
