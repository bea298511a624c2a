#include <algorithm>

#include "moe/error.h"
#include "moe/layer/capacity.h"
#include "moe/occupancy.h"
#include "moe/stats.h"
#include "moe/validate.h"

namespace moe {
namespace {

/// Mean and its standard error, by Welford's recurrence.
class Sample {
 public:
  void add(double x) {
    const double before = x - mean_;
    mean_ += before / static_cast<double>(++n_);
    squares_ += before * (x - mean_);
  }
  Estimate estimate() const {
    const auto n = static_cast<double>(n_);
    return {mean_, std::sqrt(squares_ / (n - 1) / n)};
  }

 private:
  Index n_ = 0;
  double mean_ = 0, squares_ = 0;
};

/// What is counted of one batch: choices (T, K), and whether each was kept.
struct Batch {
  std::vector<std::int32_t> expert;
  Index dropped = 0;
};

/// Word after word of one stream, four at a time.
class Words {
 public:
  explicit Words(const Stream& stream) : stream_(stream) {}
  std::uint32_t next() {
    if (i_ % 4 == 0) block_ = stream_.blocks<1>(i_ / 4);
    return block_[i_++ % 4][0];
  }
  /// A whole number below n, each as likely as any other. Source: Lemire, arXiv 1805.10941, algorithm 5.
  std::uint32_t below(std::uint32_t n) {
    std::uint64_t product = std::uint64_t{next()} * n;
    const std::uint32_t least = -n % n;
    while (static_cast<std::uint32_t>(product) < least) product = std::uint64_t{next()} * n;
    return static_cast<std::uint32_t>(product >> 32);
  }

 private:
  Stream stream_;
  std::uint64_t i_ = 0;
  Counters<1> block_{};
};

/// K distinct ones of E for each token: the first K of a shuffle, which is undone by going on from where it ended.
Batch drawn(Index T, Index E, Index K, Index C, const Stream& stream) {
  Words words(stream);
  std::vector<std::int32_t> order = buffer<std::int32_t>(E);
  for (Index e = 0; e < E; ++e) at(order, e) = static_cast<std::int32_t>(e);
  std::vector<Index> load = buffer<Index>(E);
  Batch batch;
  for (Index t = 0; t < T; ++t)
    for (Index k = 0; k < K; ++k) {
      std::swap(at(order, k), at(order, k + words.below(static_cast<std::uint32_t>(E - k))));
      batch.expert.push_back(at(order, k));
      if (at(load, at(order, k))++ >= C) ++batch.dropped;
    }
  return batch;
}

/// The same by the layer's router, on logits that are words as fractions.
Batch routed(const Config& config, const Stream& stream) {
  const Index T = config.shape.num_tokens, E = config.shape.num_experts;
  std::vector<double> logits = buffer<double>(T * E);
  Words words(stream);
  for (double& z : logits) z = std::ldexp(words.next(), -32);
  Batch batch;
  for (const auto& [name, a] : routing_trace(config, array_of({T, E}, logits.data()), nullptr))
    for (Index i = 0; i < a.size(); ++i) {
      if (name == name_of(Tensor::router_topk_ids))
        batch.expert.push_back(static_cast<std::int32_t>(a.integer(i)));
      if (name == name_of(Tensor::dispatch_kept) && a.integer(i) == 0) ++batch.dropped;
    }
  return batch;
}

/// How many different values `of` has among the experts [first, last).
template <typename Of>
Index distinct(const std::vector<std::int32_t>& experts, Index first, Index last, Index values, Of of,
               std::vector<std::uint8_t>& seen) {
  seen.assign(static_cast<std::size_t>(values), 0);
  Index n = 0;
  for (Index i = first; i < last; ++i) {
    std::uint8_t& known = at(seen, of(at(experts, i)));
    n += known == 0 ? 1 : 0;
    known = 1;
  }
  return n;
}

template <typename Draw>
OccupancyTrials counted(Index T, Index E, Index K, Index G, Index trials, Draw draw) {
  require(trials >= 2, "trials", trials, "must be at least 2");
  require(G >= 1 && G <= E && E % G == 0, "groups", G, "must divide experts = ", E);
  require(T >= 1 && Int128{T} * E <= Int128{1} << 28, "tokens", T,
          "times experts must lie in [1, 2^28] for trials");
  Sample unique, dropped, groups;
  std::vector<std::uint8_t> seen;
  for (Index trial = 0; trial < trials; ++trial) {
    const Batch batch = draw(static_cast<std::uint32_t>(trial));
    const auto all = static_cast<double>(T * K);
    unique.add(static_cast<double>(distinct(
        batch.expert, 0, T * K, E, [](Index e) { return e; }, seen)));
    dropped.add(static_cast<double>(batch.dropped) / all);
    Index sum = 0;
    for (Index t = 0; t < T; ++t)
      sum += distinct(
          batch.expert, t * K, (t + 1) * K, G, [&](Index e) { return e / (E / G); }, seen);
    groups.add(static_cast<double>(sum) / static_cast<double>(T));
  }
  return {unique.estimate(), dropped.estimate(), groups.estimate(), trials};
}

}  // namespace

OccupancyTrials simulated_occupancy(Index T, Index E, Index K, Index C, Index G, Index trials,
                                    std::uint64_t seed) {
  require(K >= 1 && K <= E, "top-k", K, "must lie in [1, experts = ", E, "]");
  return counted(T, E, K, G, trials, [&](std::uint32_t trial) {
    return drawn(T, E, K, C, {seed, fnv1a("occupancy.choices"), trial});
  });
}

OccupancyTrials routed_occupancy(Index T, Index E, Index K, Index C, Index G, Index trials,
                                 std::uint64_t seed) {
  Config config;
  config.shape = {T, 1, 1, E, K};
  config.capacity.mode = CapacityMode::Fixed;
  config.capacity.fixed = C;
  validate(config);
  return counted(T, E, K, G, trials, [&](std::uint32_t trial) {
    return routed(config, {seed, fnv1a("occupancy.logits"), trial});
  });
}

}  // namespace moe
