#pragma once

#include <functional>
#include <vector>

#include "moe/layer/conventions.h"

namespace moe {

/// How a loop over [0, n) is run: piece(first, last) for ranges that are [0, n) together, one after the other or at once.
/// A piece writes only what no other piece reads or writes, so the result is the same whoever runs which.
using Piece = std::function<void(Index first, Index last)>;
using Loop = void (*)(Index n, const Piece& piece);
inline void in_one_piece(Index n, const Piece& piece) { piece(0, n); }

/// A (rows, cols) matrix of exact numbers as the layer meets it: one row, or one column, at a time, already as Num.
/// Behind it stands whatever widens, generates or perturbs them (inputs.h). Absent: rows = 0.
template <typename Num>
struct Weight {
  Index rows = 0, cols = 0;
  std::function<void(Index i, Num* to)> row;     // to[j] = W_ij, j < cols
  std::function<void(Index j, Num* to)> column;  // to[i] = W_ij, i < rows
  Loop loop = in_one_piece;                      // over its rows or columns, and over those of its gradient
};

/// One expert: gate, up (F, D), down (D, F), and their biases as single rows (1, F), (1, F), (1, D).
template <typename Num>
struct ExpertParams {
  Weight<Num> gate, up, down;
  Weight<Num> gate_bias = {}, up_bias = {}, down_bias = {};
};

/// All exact numbers that enter a layer.
template <typename Num>
struct Params {
  Weight<Num> x;                               // (T, D)
  Weight<Num> dy;                              // (T, D) the gradient of the task's loss in y
  Weight<Num> router_x;                        // (T, D) the router's own input
  Weight<Num> router, router_bias;             // (E, D), (1, E)
  Weight<Num> noise_weight, noise;             // (E, D), (T, E)
  Weight<Num> second_policy;                   // (1, T)
  Weight<Num> gumbel, priority;                // (T, E)
  Weight<Num> jitter;                          // (T, D)
  Weight<Num> given_ids;                       // (T, K) whole numbers
  Weight<Num> earlier_counts, earlier_scores;  // (1, E)
  Weight<Num> token_mask;                      // (1, T) 0 or 1
  Weight<Num> selection_bias;                  // (1, E)
  Weight<Num> expert_scale;                    // (1, E)
  Weight<Num> latent_down, latent_up;          // (L, D), (D, L) for L = latent_size
  Weight<Num> latent_norm, output_norm;        // (1, L)
  Weight<Num> combine_bias, norm_weight;       // (1, D)
  std::vector<ExpertParams<Num>> expert;       // those that have weights
  ExpertParams<Num> shared;                    // F is shared.ffn_size; no biases
  Weight<Num> shared_gate;                     // (1, D)
};

/// The whole of a small weight as one matrix.
template <typename Num>
Matrix<Num> all_rows(const Weight<Num>& w) {
  Matrix<Num> m(w.rows, w.cols);
  for (Index i = 0; i < w.rows; ++i) w.row(i, row(m, i));
  return m;
}

}  // namespace moe
