#pragma once

#include "moe/layer/conventions.h"

/// (R2) and (R2') on doubles: a second writing of layer/score.h, in loops that a compiler can vectorise.
namespace moe::cpu {

/// z (n), n >= 1 -> s (n) by (R2), within some units in the last place of a double. Returns log sum_i exp(z_i).
double score(ScoreFunction function, const double* z, Index n, double* s);

/// ds (n) -> dz (n) by (R2'), off by less than 2^-30 s_i sum_j s_j |ds_i - ds_j| for softmax and n <= 4,096; exactly 0 where all
/// ds are equal.
void score_back(ScoreFunction function, const double* z, const double* s, const double* ds, Index n,
                double* dz);

}  // namespace moe::cpu
