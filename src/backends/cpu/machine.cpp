#include "moe/machine.h"

#include <unistd.h>

#include <utility>

#include "linear.h"
#include "moe/parallel.h"

namespace moe {
namespace {

constexpr Index kRows = 1024, kWidth = 2048;  // 8.6 GFLOP; a block's weights are 2 MiB

float number(Index i) { return static_cast<float>(i % 17 - 8) / 16; }

cpu::Rows filled(Index rows, cpu::Storage storage) {
  cpu::Rows all;
  all.prepare(rows, kWidth, storage);
  std::vector<float> line(kWidth);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < kWidth; ++j) at(line, j) = number(i + j);
    all.put(i, 0, line.data(), kWidth);
  }
  return all;
}

/// `blocks` blocks of 256 rows of weights.
cpu::Linear weights(Index blocks, cpu::Storage storage) {
  return {std::vector<Index>(static_cast<std::size_t>(blocks), 256), kWidth, storage,
          [](Index, float* to) { std::fill_n(to, 256 * kWidth, 0.125F); }};
}

/// By oneDNN, or as a layer does it.
Limit packed_product(cpu::Storage storage, bool by_onednn) {
  struct Data {
    cpu::Rows x;
    cpu::Linear W;
  };
  const auto data = std::make_shared<Data>(Data{filled(kRows, storage), weights(kWidth / 256, storage)});
  data->W.prepare(cpu::kMostRows);
  const auto multiply = by_onednn ? &cpu::Linear::multiply_by_onednn : &cpu::Linear::multiply;
  return {by_onednn ? "packed" : "panels", 2.0 * kRows * kWidth * kWidth, [data, multiply] {
            constexpr Index kTiles = kRows / cpu::kMostRows;
            parallel_for(data->W.blocks() * kTiles, [&](Index i) {
              thread_local cpu::Buffer<float> made(256 * cpu::kMostRows);
              (data->W.*multiply)(i / kTiles, cpu::kMostRows, data->x.from(i % kTiles * cpu::kMostRows),
                                  made.data(), 256);
            });
          }};
}

Limit plain_product(cpu::Storage storage) {
  struct Data {
    cpu::Rows A, B;
    cpu::Buffer<float> C;
  };
  const auto data = std::make_shared<Data>(
      Data{filled(kWidth, storage), filled(kWidth, storage), cpu::Buffer<float>(kWidth * kWidth)});
  return {"plain", 2.0 * kWidth * kWidth * kWidth, [data] {
            constexpr Index kPart = 512;
            parallel_for(kWidth / kPart, [&](Index i) {
              cpu::multiply_transposed(kPart, kWidth, kWidth, data->A.from(0, i * kPart), data->B.from(0),
                                       data->C.data() + i * kPart * kWidth, kWidth);
            });
          }};
}

/// Which of `all` pieces the next `some` are, in turn.
class Turns {
 public:
  Turns(Index some, Index all) : some_(some), all_(all) {}
  Index some() const { return some_; }
  /// Ends a turn; the pieces of the next one are (first + i) % all for i < some.
  Index next() { return std::exchange(first_, (first_ + some_) % all_); }
  Index piece(Index first, Index i) const { return (first + i) % all_; }

 private:
  Index some_, all_, first_ = 0;
};

/// Sums of the numbers of parts of 4 MiB each, read as kStreams streams side by side: what is fastest differs.
template <Index kStreams>
Limit reading(const std::shared_ptr<cpu::Buffer<float>>& data, Turns turns) {
  constexpr Index kPart = 1 << 20, kLanes = 16, kStream = kPart / kStreams;
  return {std::to_string(kStreams) + " streams", static_cast<double>(turns.some() * kPart) * sizeof(float),
          [data, turns]() mutable {
            const Index first = turns.next();
            parallel_for(turns.some(), [&](Index part) {
              const float* from = data->data() + turns.piece(first, part) * kPart;
              float lane[kStreams][kLanes] = {};
              for (Index i = 0; i < kStream; i += kLanes)
                for (Index s = 0; s < kStreams; ++s)
                  for (Index j = 0; j < kLanes; ++j) lane[s][j] += from[s * kStream + i + j];
              volatile float kept = 0;  // so that all has to be read
              for (const auto& stream : lane)
                for (const float x : stream) kept = kept + x;
            });
          }};
}

/// One row times a packed matrix: its weights are read once, and little is done with them.
Limit one_row(Index bytes, Index all) {
  struct Data {
    cpu::Rows x;
    cpu::Linear W;
  };
  constexpr Index kBlock = 256 * kWidth * static_cast<Index>(sizeof(float));
  Turns turns(std::max<Index>(1, bytes / kBlock), std::max<Index>(1, all / kBlock));
  const auto data = std::make_shared<Data>(
      Data{filled(1, cpu::Storage::F32), weights(std::max<Index>(1, all / kBlock), cpu::Storage::F32)});
  data->W.prepare(1);
  return {"one row", static_cast<double>(turns.some() * kBlock), [data, turns]() mutable {
            const Index first = turns.next();
            parallel_for(turns.some(), [&](Index i) {
              thread_local cpu::Buffer<float> made(256);
              data->W.multiply(turns.piece(first, i), 1, data->x.from(0), made.data(), 256);
            });
          }};
}

}  // namespace

std::vector<Limit> arithmetic_limits(Format dtype) {
  const cpu::Storage storage = dtype == Format::BF16 ? cpu::Storage::BF16 : cpu::Storage::F32;
  if (storage == cpu::Storage::BF16 && !cpu::multiplies_bf16()) return arithmetic_limits(Format::F32);
  std::vector<Limit> limits{packed_product(storage, true), plain_product(storage)};
  if (cpu::multiplies_panels(storage)) limits.push_back(packed_product(storage, false));
  return limits;
}

std::vector<Limit> reading_limits(Index bytes, Index all) {
  all = std::max(all, bytes);
  const Index parts = std::max<Index>(1, all >> 22);
  const Turns turns(std::max<Index>(1, bytes >> 22), parts);
  const auto data = std::make_shared<cpu::Buffer<float>>(parts << 20);
  std::fill_n(data->data(), parts << 20, 1.0F);
  return {reading<1>(data, turns), reading<4>(data, turns), one_row(bytes, all)};
}

Index last_level_cache() {
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? bytes : Index{1} << 25;
}

}  // namespace moe
