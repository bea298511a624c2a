#include "moe/sweep.h"

#include <map>
#include <tuple>

#include "moe/error.h"
#include "moe/twins.h"

namespace moe {
namespace {

/// Drops by E, K and C: many points share them.
using Drops = std::map<std::tuple<Index, Index, Index>, double>;

void add_capacity(const SweepGrid& grid, const Mixture& x, double routed, SweepPoint& point, Drops& drops) {
  point.padded = static_cast<double>(point.forward);
  if (point.factor == 0) return;
  const Index E = x.num_experts, K = x.top_k;
  const Index C = slots_per_expert(grid.tokens, E, K, point.factor, SlotBase::TokensTimesK);
  const auto [found, fresh] = drops.try_emplace({E, K, C}, 0);
  if (fresh) found->second = expected_occupancy(grid.tokens, E, K, C).dropped;
  point.dropped = found->second;
  const double slots = static_cast<double>(E) * static_cast<double>(C),
               rows = static_cast<double>(grid.tokens) * static_cast<double>(K);
  point.padded += (slots / rows - 1) * routed;
}

/// The points of one mixture: all factors and contexts.
void add_points(const Model& model, const SweepGrid& grid, SweepPoint point, Drops& drops,
                std::vector<SweepPoint>& points) {
  const ModelCount counted = count(model);
  point.ffn_size = model.moe->ffn_size, point.total = counted.total, point.active = counted.active.full;
  const std::vector<double> none{0}, &factors = grid.factors.empty() ? none : grid.factors;
  std::vector<ModelFlops> at;
  for (const std::int64_t context : grid.contexts) at.push_back(flops(model, context));
  for (const double factor : factors)
    for (std::size_t i = 0; i < at.size(); ++i) {
      point.factor = factor, point.context = grid.contexts[i], point.forward = at[i].forward_total;
      const auto routed = static_cast<double>(at[i].forward[static_cast<std::size_t>(Component::Routed)]);
      add_capacity(grid, *model.moe, routed, point, drops);
      points.push_back(point);
    }
}

}  // namespace

std::vector<SweepPoint> sweep(const Model& model, const SweepGrid& grid) {
  double size = 1;
  for (const std::size_t n :
       {grid.experts.size(), grid.top_k.size(), grid.granularity.size(), grid.shared.size(),
        std::max<std::size_t>(1, grid.factors.size()), grid.contexts.size()})
    size *= static_cast<double>(n);
  require(size <= 1e7, "grid", size, "points must not exceed 10^7");
  if (!model.moe) throw Error("MODEL", "MODEL = " + model.name + " must have experts");
  const std::int64_t F = model.moe->ffn_size;
  Drops drops;
  std::vector<SweepPoint> points;
  for (const std::int64_t E : grid.experts)
    for (const std::int64_t K : grid.top_k)
      for (const std::int64_t G : grid.granularity)
        for (const std::int64_t S : grid.shared) {
          if (K > E) continue;
          require(G >= 1 && F % G == 0, "granularity", G, "must divide the width of an expert, ", F);
          const std::int64_t shared_size = S == kAsItIs ? model.moe->shared_size : S * (F / G);
          const Model varied = with_mixture(model, E * G, K * G, F / G, shared_size);
          add_points(varied, grid, {.experts = E, .top_k = K, .granularity = G, .shared = S}, drops, points);
        }
  return points;
}

}  // namespace moe
