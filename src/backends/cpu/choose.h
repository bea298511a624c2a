#pragma once

#include <functional>

#include "scores.h"

/// (R1) on doubles: a second writing of layer/choose.h, where two keys tie if they are the same double.
namespace moe::cpu {

/// The n best keys of those that are not closed, the best first; ties go to the smaller index.
inline void best(const std::vector<double>& key, Index n, const std::vector<char>& closed,
                 std::int32_t* chosen) {
  Index found = 0;
  for (Index i = 0; i < static_cast<Index>(key.size()); ++i) {
    const double mine = at(key, i);
    if (at(closed, i) != 0 || (found == n && !(mine > at(key, chosen[n - 1])))) continue;
    Index place = found < n ? found++ : n - 1;
    for (; place > 0 && mine > at(key, chosen[place - 1]); --place) chosen[place] = chosen[place - 1];
    chosen[place] = static_cast<std::int32_t>(i);
  }
}

/// Chooses for one token after the other, in memory of its own.
class Chooser {
 public:
  /// z (E), b (E) or null -> K experts
  void operator()(const Router& router, const double* z, const double* b, Index E, Index K,
                  std::int32_t* expert) {
    closed_.assign(static_cast<std::size_t>(E), 0);
    score_.assign(z, z + E);
    if (b != nullptr || router.n_group > 1) score(router.score_function, z, E, score_.data());
    if (biases_logits(router)) score_.assign(z, z + E);
    for (Index e = 0; b != nullptr && e < E; ++e) at(score_, e) += b[e];
    if (router.n_group > 1) close_groups(router, E);
    if (b == nullptr) score_.assign(z, z + E);  // (R4): logits still differ where scores have saturated
    best(score_, K, closed_, expert);
  }

 private:
  /// (R5): a group is worth the sum of its n best scores, the largest first.
  void close_groups(const Router& router, Index E) {
    const Index G = router.n_group, size = E / G, n = counted_in_group(router);
    group_.assign(static_cast<std::size_t>(G), 0);
    closed_.resize(static_cast<std::size_t>(G));
    open_.assign(static_cast<std::size_t>(router.topk_group), 0);
    for (Index g = 0; g < G; ++g) {
      member_.assign(score_.begin() + g * size, score_.begin() + (g + 1) * size);
      std::partial_sort(member_.begin(), member_.begin() + n, member_.end(), std::greater<>());
      for (Index i = 0; i < n; ++i) at(group_, g) += at(member_, i);
    }
    best(group_, router.topk_group, closed_, open_.data());
    closed_.assign(static_cast<std::size_t>(E), 1);
    for (const Index g : open_) std::fill_n(closed_.begin() + g * size, size, 0);
  }

  std::vector<double> score_, member_, group_;
  std::vector<char> closed_;
  std::vector<std::int32_t> open_;
};

}  // namespace moe::cpu
