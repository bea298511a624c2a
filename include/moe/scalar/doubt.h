#pragma once

#include <algorithm>

#include "moe/scalar/scalar.h"
#include "moe/tensor.h"

/// What else a comparison may say that rounding decides: nothing for a scalar that does not round on paper.
namespace moe {

/// May rounding decide whether `off` exceeds `most` max(size, best), however a program computes that?
template <typename Num>
bool exceeds_in_doubt(const Num& off, const Num& most, const Num& size, const Num& best) {
  const auto surely_not = [&](const Num& limit) { return !greater(off, limit) && !in_doubt(off, limit); };
  const Num by_size = most * size, by_best = most * best;
  if (surely_not(by_size) || surely_not(by_best)) return false;
  const Num& larger = approx(size) > approx(best) ? size : best;
  const bool divided = approx(larger) != 0 && in_doubt(Num(off / larger), most);
  return divided || in_doubt(off, by_size) || in_doubt(off, by_best);
}

/// `members` of 0 ... n - 1 with each of `doubtful` on its other side, and with all of them there.
inline std::vector<std::vector<Index>> other_sides(const std::vector<Index>& members,
                                                   const std::vector<Index>& doubtful, Index n) {
  const auto has = [](const std::vector<Index>& set, Index j) {
    return std::count(set.begin(), set.end(), j) > 0;
  };
  std::vector<std::vector<Index>> all;
  const auto turn = [&](const std::vector<Index>& some) {
    std::vector<Index> other;
    for (Index j = 0; j < n; ++j)
      if (has(members, j) != has(some, j)) other.push_back(j);
    all.push_back(std::move(other));
  };
  for (const Index j : doubtful) turn({j});
  if (doubtful.size() > 1) turn(doubtful);
  return all;
}

}  // namespace moe
