#pragma once

#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "moe/error.h"
#include "moe/random.h"
#include "moe/tensor.h"

namespace moe {

static_assert(std::endian::native == std::endian::little,
              "arrays, like safetensors files, are little-endian");

enum class Format { F64, F32, F16, BF16, I32, I64, U8 };

struct FormatInfo {
  const char* name;         // in JSON and on the command line
  const char* safetensors;  // in a safetensors header
  Index bytes;
};
inline constexpr std::array<FormatInfo, 7> kFormats{{{"f64", "F64", 8},
                                                     {"f32", "F32", 4},
                                                     {"f16", "F16", 2},
                                                     {"bf16", "BF16", 2},
                                                     {"i32", "I32", 4},
                                                     {"i64", "I64", 8},
                                                     {"u8", "U8", 1}}};
inline const FormatInfo& info_of(Format f) { return kFormats[static_cast<std::size_t>(f)]; }
inline bool is_real(Format f) { return f <= Format::BF16; }

/// The number of elements; `where` names the shape in the Error for one that does not fit 64 bits.
inline Index product(const Dims& dims, const std::string& where = "shape") {
  Index n = 1;
  for (const Index d : dims)
    if (__builtin_mul_overflow(n, d, &n))
      throw Error(where, where + ": the product of the sizes must fit 64 bits");
  return n;
}

/// [2,3], as messages show a shape.
inline std::string shape_text(const Dims& dims) {
  std::string sizes;
  for (const Index size : dims) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
  return '[' + sizes + ']';
}

/// A tensor of exact numbers in one of seven formats: its elements in row-major order, or the recipe that makes them.
struct Array {
  Format format = Format::F64;
  Dims dims;
  std::vector<std::byte> bytes;  // empty while only the recipe is known
  std::optional<Recipe> recipe;

  Index size() const { return product(dims); }

  template <typename T>
  T element(Index i) const {
    T value;
    std::memcpy(&value, bytes.data() + i * static_cast<Index>(sizeof(T)), sizeof(T));
    return value;
  }

  /// Element i of a real tensor; every format embeds exactly in double.
  double real(Index i) const {
    if (bytes.empty()) return recipe->value(static_cast<std::uint64_t>(i));
    switch (format) {
      case Format::F64:
        return element<double>(i);
      case Format::F32:
        return static_cast<double>(element<float>(i));
      case Format::F16:
        return static_cast<double>(element<Eigen::half>(i));
      case Format::BF16:
        return static_cast<double>(element<Eigen::bfloat16>(i));
      default:
        return static_cast<double>(integer(i));
    }
  }
  /// Elements [first, first + values.size()).
  void reals(Index first, std::span<double> values) const {
    if (bytes.empty() && recipe) return recipe->fill(static_cast<std::uint64_t>(first), values);
    for (std::size_t j = 0; j < values.size(); ++j) values[j] = real(first + static_cast<Index>(j));
  }
  std::int64_t integer(Index i) const {
    switch (format) {
      case Format::I32:
        return element<std::int32_t>(i);
      case Format::I64:
        return element<std::int64_t>(i);
      default:
        return element<std::uint8_t>(i);
    }
  }
};

template <typename T>
inline constexpr Format kFormatOf = Format::F64;
template <>
inline constexpr Format kFormatOf<std::int32_t> = Format::I32;
template <>
inline constexpr Format kFormatOf<std::int64_t> = Format::I64;
template <>
inline constexpr Format kFormatOf<std::uint8_t> = Format::U8;

/// The n elements that `data` points at, as an array of double, int32, int64 or uint8.
template <typename T>
Array array_of(const Dims& dims, const T* data) {
  Array a{kFormatOf<T>, dims, {}, {}};
  a.bytes.resize(static_cast<std::size_t>(product(dims)) * sizeof(T));
  if (!a.bytes.empty()) std::memcpy(a.bytes.data(), data, a.bytes.size());
  return a;
}

/// x rounded to nearest, ties to even, in a binary format of `digits` significant bits and smallest exponent `low`.
inline double rounded(double x, int digits, int low) {
  if (x == 0) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const int last = std::max(exponent - digits, low - digits + 1);
  return std::ldexp(std::nearbyint(std::ldexp(x, -last)), last);
}

/// A finite real array in another format, each element rounded once. Throws Error where one overflows it.
inline Array converted(const Array& from, Format format, const std::string& name) {
  if (format == from.format || format == Format::F64) return from;
  Array to{format,
           from.dims,
           std::vector<std::byte>(static_cast<std::size_t>(from.size() * info_of(format).bytes)),
           {}};
  const auto write = [&](Index i, auto value) {
    std::memcpy(to.bytes.data() + i * info_of(format).bytes, &value, sizeof value);
  };
  for (Index i = 0; i < from.size(); ++i) {
    const double x = from.real(i);
    if (format == Format::F32) write(i, static_cast<float>(rounded(x, 24, -126)));
    if (format == Format::F16) write(i, Eigen::half(static_cast<float>(rounded(x, 11, -14))));
    if (format == Format::BF16) write(i, Eigen::bfloat16(static_cast<float>(rounded(x, 8, -126))));
    require(std::isfinite(to.real(i)), name, x, "must lie in the range of ", info_of(format).name);
  }
  return to;
}

/// The bytes of an array that so far is only a recipe, in the narrowest format that holds them.
inline Array materialized(Array a) {
  if (!a.bytes.empty() || !a.recipe) return a;
  a.format = Format::BF16;
  std::vector<std::byte> bytes(static_cast<std::size_t>(a.size()) * 2);
  std::vector<double> values(4096);
  for (Index first = 0; first < a.size(); first += static_cast<Index>(values.size())) {
    values.resize(std::min(values.size(), static_cast<std::size_t>(a.size() - first)));
    a.reals(first, values);
    for (std::size_t j = 0; j < values.size(); ++j) {
      const Eigen::bfloat16 value(static_cast<float>(values[j]));
      std::memcpy(bytes.data() + 2 * (static_cast<std::size_t>(first) + j), &value, 2);
    }
  }
  a.bytes = std::move(bytes);
  return a;
}

/// Named arrays, in an order.
using Arrays = std::vector<std::pair<std::string, Array>>;

}  // namespace moe
