#include "digits.h"

#include <charconv>

namespace moe {
namespace {

constexpr int kDigits = 6;  // of printf's %g, of C++ streams, of many a log

/// x as the shortest decimal that reads back as the same number of its dtype: how many digits, and the unit of the sixth.
struct Digits {
  int digits = 0;
  double unit = 0;
};
template <typename Float>
Digits shortest(Float x) {
  std::array<char, 64> text{};
  const char* end =
      std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::scientific).ptr;
  const char* exponent = std::find(static_cast<const char*>(text.data()), end, 'e');
  Digits d;
  d.digits = static_cast<int>(std::count_if(static_cast<const char*>(text.data()), exponent,
                                            [](char ch) { return ch >= '0' && ch <= '9'; }));
  if (x != 0) d.unit = std::pow(10.0, std::strtol(exponent + 1, nullptr, 10) - (kDigits - 1));
  return d;
}

}  // namespace

bool printed_short(const Array& got, const std::vector<double>& expected, const std::vector<double>& hard) {
  if (digits_of(got.format) <= kDigits) return false;
  for (Index i = 0; i < got.size(); ++i) {
    const double x = got.real(i);
    if (!std::isfinite(x)) return false;
    const Digits d = got.format == Format::F32 ? shortest(static_cast<float>(x)) : shortest(x);
    if (d.digits > kDigits) return false;
    if (!(std::abs(x - at(expected, i)) <= at(hard, i) + 0.51 * d.unit)) return false;
  }
  return true;
}

}  // namespace moe
