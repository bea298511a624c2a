#include <cctype>
#include <charconv>
#include <cmath>

#include "sizing.h"
#include "study.h"
#include "table.h"

// What people write for numbers and for the formats of numbers, alike in all verbs.
namespace moe::cli {
namespace {

/// 4k, 32K, 14.8T, 3e9: a number, and powers of 1000 by k or K, M, B or G, T, P, E. Nothing for another text.
std::optional<double> written_amount(const std::string& text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(stop, text.data() + text.size());
  const std::pair<const char*, double> units[] = {{"", 1},     {"k", 1e3},  {"K", 1e3},
                                                  {"M", 1e6},  {"G", 1e9},  {"B", 1e9},
                                                  {"T", 1e12}, {"P", 1e15}, {"E", 1e18}};
  for (const auto& [name, factor] : units)
    if (unit == name && error == std::errc()) return value * factor;
  return std::nullopt;
}

/// The name of a format in this program for one that is in use elsewhere, such as float32; else the same.
std::string known_as(const std::string& name) {
  static const std::pair<const char*, const char*> kNames[] = {
      {"fp64", "f64"},   {"float64", "f64"}, {"double", "f64"},  {"fp32", "f32"}, {"float32", "f32"},
      {"float", "f32"},  {"fp16", "f16"},    {"float16", "f16"}, {"half", "f16"}, {"bfloat16", "bf16"},
      {"float8", "fp8"}, {"f8", "fp8"},      {"fp8_e4m3", "fp8"}};
  for (const auto& [also, ours] : kNames)
    if (name == also) return ours;
  return name;
}

}  // namespace

Index parse_index(const std::string& option, const std::string& text, Index least, Index most) {
  Index value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool fits = error == std::errc() && stop == text.data() + text.size();
  // With a unit: what has none is digits alone.
  const bool has_unit = !text.empty() && std::isalpha(static_cast<unsigned char>(text.back())) != 0;
  const std::optional<double> written = has_unit ? written_amount(text) : std::nullopt;
  if (written && std::abs(*written) < 0x1p53 && *written == std::nearbyint(*written))
    value = static_cast<Index>(*written), fits = true;
  if (!fits || value < least || value > most)
    throw Error(option, option + " = " + shown(text) + " must be a whole number in [" +
                            std::to_string(least) + ", " + std::to_string(most) + ']');
  return value;
}

double parse_quantity(const std::string& option, const std::string& text) {
  const double value = written_amount(text).value_or(0);
  if (!(value > 0 && value <= 1e300))
    throw Error(option,
                option + " = " + shown(text) + " must be a number above 0, such as 3e9, 14.8T or 32k");
  return value;
}

std::uint64_t parse_seed(const std::string& option, const std::string& text) {
  std::uint64_t seed = 0;
  const bool hexadecimal = text.starts_with("0x");
  const char *begin = text.data() + (hexadecimal ? 2 : 0), *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, seed, hexadecimal ? 16 : 10);
  if (stop != end || error != std::errc())
    throw Error(option, option + " = " + shown(text) +
                            " must be a whole number in [0, 2^64), decimal or 0x hexadecimal");
  return seed;
}

Format real_format(const std::string& option, const std::string& text) {
  const std::string name = known_as(text);
  const auto* known =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const FormatInfo& f) { return name == f.name; });
  const auto format = static_cast<Format>(known - kFormats.begin());
  if (known == kFormats.end() || !is_real(format))
    throw Error(option, option + " = " + shown(text) + " must be one of f64, f32, bf16, f16");
  return format;
}

const WeightFormat& format_called(const std::string& option, const std::string& text) {
  const std::string name = known_as(text);
  try {
    return weight_format(name == "f32" ? "fp32" : name == "f16" ? "fp16" : name);
  } catch (const Error& e) {
    const std::string what = e.what();
    throw Error(option, option + " = " + shown(text) + what.substr(what.find(" must be")));
  }
}

double bytes_per_number(const std::string& option, const std::string& dtype) {
  return format_called(option, dtype).bits / 8;
}

}  // namespace moe::cli
