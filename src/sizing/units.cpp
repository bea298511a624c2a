#include "moe/units.h"

#include <cmath>
#include <cstdio>
#include <iterator>

namespace moe {

std::string amount(double x, const std::string& unit, int digits) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  const std::size_t last = unit.empty() ? 4 : 6;
  const double next = 1000 - 0.5 * std::pow(10, 3 - digits);  // what would be rounded to 1000
  double shown = x;
  std::size_t p = 0;
  while (std::abs(shown) >= next && p < last) shown /= 1000, ++p;
  const bool beyond = std::abs(shown) >= 1e4;
  if (beyond) shown = x, p = 0;
  std::string after = p == 3 && unit.empty() ? "B" : kPrefixes[p] + unit;
  if (!after.empty()) after.insert(0, 1, ' ');
  char text[48];
  std::snprintf(text, sizeof text, "%.*g", beyond ? 4 : digits, shown);
  return text + after;
}

}  // namespace moe
