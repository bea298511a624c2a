#pragma once

#include "moe/params.h"

namespace moe {

/// A Loop on the threads of OpenMP; in one piece where the caller is one of several already. The first of what pieces
/// throw reaches the caller, once all have ended.
void in_parallel(Index n, const Piece& piece);

/// in_parallel where a linear map of a layer is worth the threads' wake, else in_one_piece. What runs in it has to be
/// free of state, as double is; scalars that take a profile from the thread that they run on are not.
Loop loop_for(const Config& config);

}  // namespace moe
