#include "kernels.h"
#include "plan.h"

namespace moe::cuda {
namespace {

/// n items in chunks of `size`, each item in one of `buckets`.
struct Chunks {
  Index n, buckets, size, count;
};
Chunks chunks_of(Index n, Index buckets) {
  constexpr Index kMostCounters = Index{1} << 24, kLeast = 256;
  const Index most = std::max<Index>(1, kMostCounters / buckets);
  const Index size = std::max(kLeast, ((n + most - 1) / most + 31) / 32 * 32);
  return {n, buckets, size, (n + size - 1) / size};
}

/// counter[b, c] = how many items of chunk c are in bucket b; an item in bucket -1 is in none.
template <typename BucketOf>
void count(cudaStream_t stream, const Chunks& all, Index* counter, BucketOf bucket_of) {
  each_by_warp(stream, all.count, [=] __device__(const Warp& warp, Index c) {
    const Index end = c * all.size + all.size < all.n ? c * all.size + all.size : all.n;
    for (Index first = c * all.size; first < end; first += 32) {
      const Index i = first + warp.lane, b = i < end ? bucket_of(i) : -1;
      const unsigned alike = warp.alike(b);
      if (b >= 0 && (alike & warp.before()) == 0) counter[b * all.count + c] += __popc(alike);
      warp.sync();
    }
  });
}

/// counter[b, c] = the sum over the chunks before c, total[b] = that over all.
void add_up(cudaStream_t stream, const Chunks& all, Index* counter, Index* total) {
  each_by_warp(stream, all.buckets, [=] __device__(const Warp& warp, Index b) {
    Index sum = 0;
    for (Index first = 0; first < all.count; first += 32) {
      const Index c = first + warp.lane, own = c < all.count ? counter[b * all.count + c] : 0;
      const Index before = warp.before(own);
      if (c < all.count) counter[b * all.count + c] = sum + before;
      sum += warp.sum(own);
    }
    if (warp.lane == 0) total[b] = sum;
  });
}

/// use(i, b, how many items before i are in bucket b) for every item.
template <typename BucketOf, typename Use>
void place(cudaStream_t stream, const Chunks& all, Index* counter, BucketOf bucket_of, Use use) {
  each_by_warp(stream, all.count, [=] __device__(const Warp& warp, Index c) {
    const Index end = c * all.size + all.size < all.n ? c * all.size + all.size : all.n;
    for (Index first = c * all.size; first < end; first += 32) {
      const Index i = first + warp.lane, b = i < end ? bucket_of(i) : -1;
      const unsigned alike = warp.alike(b);
      const Index before = b >= 0 ? counter[b * all.count + c] : 0;
      warp.sync();
      if (i < end) use(i, b, before + __popc(alike & warp.before()));
      if (b >= 0 && (alike & warp.before()) == 0) counter[b * all.count + c] = before + __popc(alike);
      warp.sync();
    }
  });
}

/// kept (T, K): is an assignment among the first C of its expert and scope, and taken up? And counts, before any drop.
void keep(cudaStream_t stream, const PlanRequest& r, PlanMemory& plan) {
  const Chunks all = chunks_of(r.T * r.K, r.scopes * r.E);
  std::uint8_t* kept = plan.kept.data();
  Index *counter = plan.table.prepare(all.buckets * all.count, stream),
        *totals = plan.totals.prepare(all.buckets, stream), *counts = plan.counts.data();
  plan.table.zero(all.buckets * all.count, stream);
  const auto assignment = [r] __device__(Index rank) {  // -> t K + k
    return r.choice_major ? rank % r.T * r.K + rank / r.T : rank;
  };
  const auto bucket_of = [r, assignment] __device__(Index rank) -> Index {
    const Index i = assignment(rank);
    return i / r.K * r.scopes / r.T * r.E + r.expert[i];
  };
  count(stream, all, counter, bucket_of);
  add_up(stream, all, counter, totals);
  place(stream, all, counter, bucket_of, [=] __device__(Index rank, Index, Index before) {
    const Index i = assignment(rank);
    kept[i] = before < r.C && (r.taken == nullptr || r.taken[i] != 0) ? 1 : 0;
  });
  each(stream, r.E, [=] __device__(Index e) {
    Index sum = 0;
    for (Index scope = 0; scope < r.scopes; ++scope) sum += totals[scope * r.E + e];
    counts[e] = sum;
  });
}

/// offsets (E + 1): the sums of totals (E), by one warp.
void offsets_of(cudaStream_t stream, Index E, const Index* totals, Index* offsets) {
  each_by_warp(stream, 1, [=] __device__(const Warp& warp, Index) {
    Index sum = 0;
    for (Index first = 0; first < E; first += 32) {
      const Index e = first + warp.lane, own = e < E ? totals[e] : 0, before = warp.before(own);
      if (e < E) offsets[e] = sum + before;
      sum += warp.sum(own);
    }
    if (warp.lane == 0) offsets[E] = sum;
  });
}

}  // namespace

void make_plan(cudaStream_t stream, const PlanRequest& r, PlanMemory& plan) {
  const Index n = r.T * r.K;
  plan.counts.prepare(r.E, stream), plan.kept.prepare(n, stream);
  if (r.may_drop)
    keep(stream, r, plan);
  else if (n > 0)
    checked(cudaMemsetAsync(plan.kept.data(), 1, static_cast<std::size_t>(n), stream), "clearing memory");
  const Chunks all = chunks_of(n, r.E);
  plan.table.zero(all.buckets * all.count, stream);
  Index *counter = plan.table.data(), *totals = plan.totals.prepare(r.E, stream),
        *offsets = plan.offsets.prepare(r.E + 1, stream), *order = plan.order.prepare(n, stream),
        *row = plan.row.prepare(n, stream), *counts = plan.counts.data();
  const std::uint8_t* kept = plan.kept.data();
  const auto bucket_of = [=, expert = r.expert] __device__(Index i) -> Index {
    return kept[i] != 0 ? static_cast<Index>(expert[i]) : -1;
  };
  count(stream, all, counter, bucket_of);
  add_up(stream, all, counter, totals);
  offsets_of(stream, r.E, totals, offsets);
  place(stream, all, counter, bucket_of, [=] __device__(Index i, Index e, Index before) {
    row[i] = e < 0 ? -1 : offsets[e] + before;
    if (e >= 0) order[offsets[e] + before] = i;
  });
  if (!r.may_drop) each(stream, r.E, [=] __device__(Index e) { counts[e] = totals[e]; });
}

}  // namespace moe::cuda
