#include "fp8.h"

#include <cmath>

namespace moe {
namespace {

constexpr Index kBlock = 128;

/// E4M3 of the Open Compute Project: a sign, 4 bits of exponent less 7, 3 of fraction; no infinity, and NaN where all are 1.
double e4m3(std::byte stored) {
  const auto bits = std::to_integer<int>(stored);
  const int exponent = bits >> 3 & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::nan("");
  const double size = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return (bits & 128) != 0 ? -size : size;
}

/// Rows and columns that share a scale: all, a row, or a block.
struct Blocks {
  Index rows, cols;    // of a block
  Index down, across;  // blocks of a matrix
};

Blocks blocks_of(const Dims& dims, const Dims& scales, const std::string& where) {
  const Index R = dims.size() > 1 ? dims[dims.size() - 2] : 1, C = dims.back();
  if (product(scales) == 1) return {R, C, 1, 1};
  const Dims outer(dims.begin(), dims.end() - std::min<std::ptrdiff_t>(2, std::ssize(dims)));
  const auto are = [&](Index down, Index across) {
    Dims wanted = outer;
    wanted.push_back(down), wanted.push_back(across);
    return scales == wanted;
  };
  const Index down = (R + kBlock - 1) / kBlock, across = (C + kBlock - 1) / kBlock;
  if (are(down, across)) return {kBlock, kBlock, down, across};
  if (are(R, 1)) return {1, C, R, 1};
  throw Error(where, where + ": shape = " + shape_text(scales) +
                         " must be that of one scale, of one for each row, or " +
                         "of one for each block of 128 by 128 of " + shape_text(dims));
}

}  // namespace

bool is_fp8(const SafetensorsFile& file, const std::string& name) { return file.dtype(name) == "F8_E4M3"; }

Array load_fp8(const SafetensorsFile& file, const std::string& name, const SafetensorsFile& scales_in,
               const std::string& scales) {
  const std::vector<std::byte> stored = file.bytes(name);
  const Array scale = scales_in.load(scales);
  const Dims& dims = file.dims(name);
  require(is_real(scale.format), scales_in.path() + ": " + scales + ": dtype", info_of(scale.format).name,
          "must be that of real numbers");
  require(!dims.empty() && static_cast<Index>(stored.size()) == product(dims),
          file.path() + ": " + name + ": shape", shape_text(dims), "must be of as many bytes, ",
          stored.size());
  const Blocks block = blocks_of(dims, scale.dims, scales_in.path() + ": " + scales);
  const Index C = dims.back(), R = dims.size() > 1 ? dims[dims.size() - 2] : 1;
  std::vector<double> all;
  all.reserve(stored.size());
  for (Index i = 0; i < product(dims); ++i) {
    const Index matrix = i / (R * C), row = i / C % R, column = i % C;
    const Index one = product(scale.dims) == 1
                          ? 0
                          : (matrix * block.down + row / block.rows) * block.across + column / block.cols;
    all.push_back(e4m3(stored[static_cast<std::size_t>(i)]) * scale.real(one));
  }
  return array_of(dims, all.data());
}

}  // namespace moe
