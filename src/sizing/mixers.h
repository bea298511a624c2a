#pragma once

#include "moe/sizing.h"
#include "moe/whole.h"

namespace moe {

/// The numbers of a block: all of them, and those in matrices that every token is multiplied with.
struct BlockCount {
  Whole params, matmul, idle = 0;  // idle: of params, those that a token may pass by
};
BlockCount count_of(const Extra& extra);

/// The parameters of a mixer in a model of width D; (D1) to (D7), (D10), (D11).
BlockCount count_mixer(const Mixer& mixer, Whole D);

/// FLOPs of attention for each token that a token attends to, (F2); 0 where the state does not grow with the context.
Whole score_flops(const Mixer& mixer);

/// Numbers that a mixer caches for each token, (K6), those of a sparse attention's indexer apart; and its state of constant size, (K7).
struct CacheCount {
  Whole per_token, index_per_token, state;
};
CacheCount cache_of(const Mixer& mixer, Whole D);

/// How many tokens its cache keeps at most; 0: all.
std::int64_t window_of(const Mixer& mixer);

/// The name of a mixer's kind in files and tables.
const char* kind_of(const Mixer& mixer);

/// Throws Error where a field is out of range.
void validate(const Mixer& mixer);

}  // namespace moe
