#pragma once

#include "moe/params.h"

namespace moe {

/// As many threads of OpenMP as were asked for, or as the system gives where those are fewer, instead of the end of the
/// process when it needs them. To be called before there are any.
void limit_threads();

/// f(i) for i in [0, n) by all threads of OpenMP, one at a time each. Throws what one of them threw, once all have ended.
void parallel_for(Index n, const std::function<void(Index)>& f);

/// A Loop on the threads of OpenMP; in one piece where the caller is one of several already.
/// Throws what one of the pieces threw, once all have ended.
void in_parallel(Index n, const Piece& piece);

/// in_parallel where a linear map of a layer is worth the threads' wake, else in_one_piece. What runs in it has to be
/// free of state, as double is; scalars that take a profile from the thread that they run on are not.
Loop loop_for(const Config& config);

}  // namespace moe
