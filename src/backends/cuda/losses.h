#pragma once

#include "device.h"
#include "number.h"

namespace moe::cuda {

/// (B1) and (B2) of one loss; layer/losses.h.
struct BalanceView {
  Index T, E, K, slots, parts;  // `slots` of the K are counted, in so many equal parts of the tokens
  bool sigmoid;
  const std::int32_t* expert;  // (T, K)
  const std::uint8_t* kept;    // (T, K), or null where dropped ones count, too
  const double* scores;        // (T, E)
  double factor;               // what c_e p_te is multiplied by
  unsigned long long* counts;  // (parts, E)
};
/// (B2). Whole numbers, so the order of the additions does not matter.
void count_load(cudaStream_t stream, const BalanceView& view);
/// (B1): what each token adds, of_token (T).
void balance(cudaStream_t stream, const BalanceView& view, double* of_token);
/// (B1') for dL = `each`, added to ds (T, E).
void balance_back(cudaStream_t stream, const BalanceView& view, double each, double* ds);

/// (Z1): what each token adds, of_token (T), from logsumexp (T).
void z_loss(cudaStream_t stream, Index T, const double* logsumexp, double* of_token);
/// (Z1') for dL = `each`, added to dz (T, E), from logits z (T, E).
template <typename A>
void z_loss_back(cudaStream_t stream, Index T, Index E, const A* z, const double* logsumexp, double each,
                 double* dz);

/// (B0): what each token adds to the task's loss, of_token (T).
template <typename S>
void task_loss(cudaStream_t stream, Index T, Index D, const S* y, const S* dy, double* of_token);

/// The sum of n numbers, by one warp in one order.
void add_up(cudaStream_t stream, const double* x, Index n, double* sum);

}  // namespace moe::cuda
