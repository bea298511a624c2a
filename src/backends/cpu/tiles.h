#pragma once

#include "weights.h"

namespace moe::cpu {

/// What one expert does in a batch: its rows, and where its stages and their gradients are.
struct Work {
  Index e = 0;  // E: the shared expert
  const Expert* expert = nullptr;
  Index rows = 0;
  Part x{};                              // (rows, D)
  float *gate = nullptr, *up = nullptr;  // (rows, F)
  Part hidden{};                         // (rows, F)
  float* out = nullptr;                  // (rows, D)
  Part dout{};                           // (rows, D)
  float* dhidden = nullptr;              // (rows, F)
  Part dpre{};                           // (rows, F1): dgate beside dup
  float* dx = nullptr;                   // (rows, D)
};

/// A block of one of an expert's maps and up to kMostRows of its rows: what one thread computes at a time.
struct Tile {
  Index block, column, width;  // the block gives columns [column, column + width) of the map's result
  Index first, rows;           // rows [first, first + rows) of the expert's
};

/// For every expert that has work, and every tile of its `map`: made (rows, width) = the tile of the source times the
/// map, then use(work, tile, made); rows of `made` are beside each other. Tiles do not depend on the number of threads.
void run_tiles(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source,
               const std::function<void(const Work&, const Tile&, float* made)>& use);

/// to (rows, n) = the source times the map (n, .), for every expert that has work.
void run_tiles(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source, float* Work::*to);

/// The same of a map of f32 for x (rows, k), which has kSpareRows more rows.
void run_tiles(const Linear& map, Index rows, const float* x,
               const std::function<void(const Tile&, const float* made)>& use);

}  // namespace moe::cpu
