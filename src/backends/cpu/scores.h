#pragma once

#include "moe/config.h"

/// (R2) on doubles: a second writing of layer/score.h, in loops that a compiler can vectorise.
namespace moe::cpu {

/// z (n), n >= 1 -> s (n) by (R2), within some units in the last place of a double. Returns log sum_i exp(z_i).
double score(ScoreFunction function, const double* z, Index n, double* s);

}  // namespace moe::cpu
