#include "mxfp4.h"

#include <array>
#include <bit>
#include <cmath>

namespace moe {
namespace {

constexpr Index kBytes = 16, kNumbers = 2 * kBytes;  // of a block
constexpr std::array kE2m1{0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
constexpr int kLargestScale = 252;  // 6 2^(252 - 127) is below 2^128, where bf16 ends

double e2m1(unsigned bits) { return (bits & 8) != 0 ? -kE2m1[bits & 7] : kE2m1[bits & 7]; }

}  // namespace

Dims mxfp4_dims(const SafetensorsFile& file, const std::string& blocks) {
  Dims dims = file.dims(blocks);
  const bool fits = file.dtype(blocks) == "U8" && dims.size() >= 2 && dims.back() == kBytes;
  if (!fits)
    throw Error(blocks, file.path() + ": " + blocks + ": " + file.dtype(blocks) + ' ' + shape_text(dims) +
                            " must be U8 in blocks of 16");
  dims.pop_back();
  dims.back() *= kNumbers;
  return dims;
}

Array load_mxfp4(const SafetensorsFile& file, const std::string& blocks, const SafetensorsFile& scales_in,
                 const std::string& scales) {
  const Dims dims = mxfp4_dims(file, blocks);
  Dims of_scales = file.dims(blocks);
  of_scales.pop_back();
  const std::string where = scales_in.path() + ": " + scales;
  require(scales_in.dtype(scales) == "U8", where + ": dtype", scales_in.dtype(scales), "must be U8");
  require(scales_in.dims(scales) == of_scales, where + ": shape", shape_text(scales_in.dims(scales)),
          "must be ", shape_text(of_scales));
  const std::vector<std::byte> stored = file.bytes(blocks), exponents = scales_in.bytes(scales);
  Array all{Format::BF16, dims, {}, {}};
  all.bytes.reserve(stored.size() * 4);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const std::size_t block = i / kBytes;
    const int scale = std::to_integer<int>(exponents[block]);
    require(scale <= kLargestScale, where + '[' + std::to_string(block) + ']', scale, "must be at most ",
            kLargestScale);
    const auto both = std::to_integer<unsigned>(stored[i]);
    for (const unsigned bits : {both & 15, both >> 4}) {
      const auto number = static_cast<float>(std::ldexp(e2m1(bits), scale - 127));
      const auto upper = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(number) >> 16);
      all.bytes.push_back(static_cast<std::byte>(upper & 0xff));
      all.bytes.push_back(static_cast<std::byte>(upper >> 8));
    }
  }
  return all;
}

}  // namespace moe
