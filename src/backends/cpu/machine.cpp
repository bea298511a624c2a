#include "moe/machine.h"

#include <unistd.h>

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

Limit packed_product(cpu::Storage storage) {
  struct Data {
    cpu::Rows x;
    cpu::Linear W;
  };
  const auto data = std::make_shared<Data>(Data{filled(kRows, storage), weights(kWidth / 256, storage)});
  data->W.prepare(cpu::kMostRows);
  return {"packed", 2.0 * kRows * kWidth * kWidth, [data] {
            constexpr Index kTiles = kRows / cpu::kMostRows;
            parallel_for(data->W.blocks() * kTiles, [&](Index i) {
              thread_local cpu::Buffer<float> made(256 * cpu::kMostRows);
              data->W.multiply(i / kTiles, cpu::kMostRows, data->x.from(i % kTiles * cpu::kMostRows),
                               made.data());
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

/// Sums of the numbers of `parts` of 4 MiB each, read as kStreams streams side by side: what is fastest differs.
template <Index kStreams>
Limit reading(const std::shared_ptr<cpu::Buffer<float>>& data, Index parts) {
  constexpr Index kPart = 1 << 20, kLanes = 16, kStream = kPart / kStreams;
  return {std::to_string(kStreams) + " streams", static_cast<double>(parts * kPart) * sizeof(float),
          [data, parts] {
            parallel_for(parts, [&](Index part) {
              const float* from = data->data() + part * kPart;
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
Limit one_row(Index bytes) {
  struct Data {
    cpu::Rows x;
    cpu::Linear W;
  };
  const Index blocks = std::max<Index>(1, bytes / static_cast<Index>(sizeof(float)) / (256 * kWidth));
  const auto data =
      std::make_shared<Data>(Data{filled(1, cpu::Storage::F32), weights(blocks, cpu::Storage::F32)});
  data->W.prepare(1);
  return {"one row", static_cast<double>(blocks * 256 * kWidth) * sizeof(float), [data] {
            parallel_for(data->W.blocks(), [&](Index b) {
              thread_local cpu::Buffer<float> made(256 * (1 + cpu::kSpareRows));
              data->W.multiply(b, 1, data->x.from(0), made.data());
            });
          }};
}

}  // namespace

std::vector<Limit> arithmetic_limits(Format dtype) {
  const cpu::Storage storage = dtype == Format::BF16 ? cpu::Storage::BF16 : cpu::Storage::F32;
  if (storage == cpu::Storage::BF16 && !cpu::multiplies_bf16()) return arithmetic_limits(Format::F32);
  return {packed_product(storage), plain_product(storage)};
}

std::vector<Limit> reading_limits(Index bytes) {
  const Index parts = std::max<Index>(1, bytes / (Index{1} << 22));
  const auto data = std::make_shared<cpu::Buffer<float>>(parts << 20);
  std::fill_n(data->data(), parts << 20, 1.0F);
  return {reading<1>(data, parts), reading<4>(data, parts), one_row(bytes)};
}

Index last_level_cache() {
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? bytes : Index{1} << 25;
}

}  // namespace moe
