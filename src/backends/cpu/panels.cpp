#include "panels.h"

#include <stdexcept>

#ifdef __x86_64__

#include <immintrin.h>

// What is called from here is written here: the linker may take a function that other files have too from any of them,
// and must not find one that is compiled for AVX-512.
#define MOE_AVX512 __attribute__((target("avx512f,avx512bw,avx512bf16")))

namespace moe::cpu {
namespace {

/// Of a tile: 24 sums, 4 vectors of W and a number of x fill 29 of 32 registers.
constexpr int kRows = 6, kVectors = 4;
constexpr Index kStep = 4 * kPanel;  // bytes of a panel's row of f32, or pair of rows of bf16
constexpr Index kGroup = 4;          // steps between two fetches
constexpr Index kLine = 64;          // bytes of a cache's line, and of a vector

/// Bytes of a panel that all rows of x pass by before the next: some of a first-level cache where that has to give them
/// to few passes, else of a second-level one, so that sums are seldom put aside. Measured, as kGroup was.
Index slab_of(Index passes, Index panel) {
  if (passes == 1) return panel;
  return Index{1} << (passes == 2 ? 13 : passes <= 4 ? 14 : 17);
}

/// A step of the sums: a number of x times 16 of W, or a pair times 16 pairs.
struct F32 {
  static constexpr Index kNumbers = 1;
  MOE_AVX512 static __m512 add(__m512 sum, __m512i x, __m512 w) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), w, sum);
  }
};
struct BF16 {
  static constexpr Index kNumbers = 2;
  MOE_AVX512 static __m512 add(__m512 sum, __m512i x, __m512 w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

/// Where the factors of a tile are: those of row r and step s at x + r row + s step, in bytes, and a panel's steps at W.
struct Factors {
  const char* x;
  Index row, step;
  const char* W;
  Index steps;
};

/// What will be needed next: `lines` lines of a cache from `at` on, then as many more, for every kGroup steps.
struct Next {
  const char* at;
  Index lines;
};

/// sum += x W, of one step
template <typename Type, int M>
[[gnu::always_inline]] MOE_AVX512 inline void add_step(const char* x, Index row, const char* W,
                                                       __m512 (&sum)[M][kVectors]) {
  __m512 w[kVectors];
#pragma GCC unroll 4
  for (Index j = 0; j < kVectors; ++j) w[j] = _mm512_loadu_ps(W + kLine * j);
#pragma GCC unroll 6
  for (Index r = 0; r < M; ++r) {
    int numbers = 0;
    __builtin_memcpy(&numbers, x + r * row, sizeof numbers);
    const __m512i factor = _mm512_set1_epi32(numbers);
#pragma GCC unroll 4
    for (Index j = 0; j < kVectors; ++j) sum[r][j] = Type::add(sum[r][j], factor, w[j]);
  }
}

/// sum += x W
template <typename Type, int M>
[[gnu::always_inline]] MOE_AVX512 inline void accumulate(const Factors& f, Next next,
                                                         __m512 (&sum)[M][kVectors]) {
  const char *x = f.x, *W = f.W;
  const Index row = f.row, step = f.step;
  Index left = f.steps;
  for (; left >= kGroup; left -= kGroup) {
    for (Index i = 0; i < next.lines; ++i) _mm_prefetch(next.at + kLine * i, _MM_HINT_T1);
    next.at += kLine * next.lines;
#pragma GCC unroll 8
    for (Index s = 0; s < kGroup; ++s) {
      add_step<Type>(x, row, W, sum);
      x += step, W += kStep;
    }
  }
  for (; left > 0; --left) {
    add_step<Type>(x, row, W, sum);
    x += step, W += kStep;
  }
}

/// y (M, kPanel) = x W, or y + x W where sums have been begun; rows of y are ldy numbers apart.
template <typename Type, int M>
MOE_AVX512 void multiply_tile(const Factors& f, Next next, bool begun, float* y, Index ldy) {
  __m512 sum[M][kVectors];
#pragma GCC unroll 6
  for (Index r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (Index j = 0; j < kVectors; ++j)
      sum[r][j] = begun ? _mm512_loadu_ps(y + r * ldy + 16 * j) : _mm512_setzero_ps();
  accumulate<Type>(f, next, sum);
#pragma GCC unroll 6
  for (Index r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (Index j = 0; j < kVectors; ++j) _mm512_storeu_ps(y + r * ldy + 16 * j, sum[r][j]);
}

/// The first `columns` of a row of a panel, to C.
MOE_AVX512 inline void put(F32, const __m512 (&sum)[kVectors], Index columns, void* C) {
  float* to = static_cast<float*>(C);
  if (columns == kPanel && reinterpret_cast<std::uintptr_t>(C) % kLine == 0) {
#pragma GCC unroll 4
    for (Index j = 0; j < kVectors; ++j) _mm512_stream_ps(to + 16 * j, sum[j]);
    return;
  }
  const auto mask = static_cast<std::uint64_t>(columns == kPanel ? -1 : (Index{1} << columns) - 1);
#pragma GCC unroll 4
  for (Index j = 0; j < kVectors; ++j)
    _mm512_mask_storeu_ps(to + 16 * j, static_cast<__mmask16>(mask >> 16 * j), sum[j]);
}
MOE_AVX512 inline void put(BF16, const __m512 (&sum)[kVectors], Index columns, void* C) {
  auto* to = static_cast<std::uint16_t*>(C);
  const auto mask = static_cast<std::uint64_t>(columns == kPanel ? -1 : (Index{1} << columns) - 1);
  const bool whole = columns == kPanel && reinterpret_cast<std::uintptr_t>(C) % kLine == 0;
#pragma GCC unroll 2
  for (Index j = 0; j < kVectors / 2; ++j) {
    const auto halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(sum[2 * j + 1], sum[2 * j]));
    if (whole)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to + 32 * j), halves);
    else
      _mm512_mask_storeu_epi16(to + 32 * j, static_cast<__mmask32>(mask >> 32 * j), halves);
  }
}

/// C (M, columns) = x W; rows of C are ldc bytes apart.
template <typename Type, int M>
MOE_AVX512 void gradient_tile(const Factors& f, Index columns, char* C, Index ldc) {
  __m512 sum[M][kVectors];
#pragma GCC unroll 6
  for (Index r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (Index j = 0; j < kVectors; ++j) sum[r][j] = _mm512_setzero_ps();
  accumulate<Type>(f, {f.W, 0}, sum);
#pragma GCC unroll 6
  for (Index r = 0; r < M; ++r) put(Type(), sum[r], columns, C + r * ldc);
}

template <typename Type, int M = kRows>
void multiply_rows(Index rows, const Factors& f, const Next& next, bool begun, float* y, Index ldy) {
  if (rows == M) return multiply_tile<Type, M>(f, next, begun, y, ldy);
  if constexpr (M > 1) multiply_rows<Type, M - 1>(rows, f, next, begun, y, ldy);
}
template <typename Type, int M = kRows>
void gradient_rows(Index rows, const Factors& f, Index columns, char* C, Index ldc) {
  if (rows == M) return gradient_tile<Type, M>(f, columns, C, ldc);
  if constexpr (M > 1) gradient_rows<Type, M - 1>(rows, f, columns, C, ldc);
}

/// `bytes` bytes of some rows that are `row` bytes apart, to be read next.
inline void fetch(const char* x, Index rows, Index row, Index bytes) {
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < bytes; i += kLine) __builtin_prefetch(x + r * row + i);
}

/// Slab by slab, and within one pass by pass, some rows of x each. Every pass fetches its share of the next slab, and at
/// first, while x may not be in a cache, the next numbers of its rows.
template <typename Type>
void multiply(Index m, Index n, Index k, const char* x, const char* W, float* y, Index ldy) {
  constexpr Index kFilled = 16;  // steps of which a panel is a multiple
  const Index steps = (k + Type::kNumbers - 1) / Type::kNumbers, row = 4 * steps;
  const Index panel = (steps + kFilled - 1) / kFilled * kFilled * kStep;
  const Index passes = (m + kRows - 1) / kRows, slab_bytes = slab_of(passes, panel);
  const Index slabs = (steps * kStep + slab_bytes - 1) / slab_bytes;
  const Index lines =
      passes == 1 ? 0 : (kGroup * kStep / kLine + passes - 1) / passes;  // one pass: the CPU sees it come
  for (Index j = 0; j < n / kPanel; ++j)
    for (Index slab = 0; slab < slabs; ++slab) {
      const Index first = steps * slab / slabs, some = steps * (slab + 1) / slabs - first;
      const char* w = W + j * panel + first * kStep;
      for (Index pass = 0; pass < passes; ++pass) {
        const Index i = m * pass / passes, rows = m * (pass + 1) / passes - i;
        const char* numbers = x + i * row + 4 * first;
        if (j == 0 && slab + 1 < slabs) fetch(numbers + 4 * some, rows, row, 4 * some);
        multiply_rows<Type>(rows, {numbers, row, 4, w, some},
                            {w + some * kStep * (passes + pass) / passes, lines}, slab > 0,
                            y + i * ldy + j * kPanel, ldy);
      }
    }
}

/// to[c] = step s of column first + c of (k, .) rows, for c < columns
MOE_AVX512 void gather_step(F32, Index, Operand from, Index s, Index first, Index columns,
                            std::uint32_t* to) {
  const float* row = static_cast<const float*>(from.data) + s * from.stride + first;
  __builtin_memcpy(to, row, static_cast<std::size_t>(columns) * sizeof *to);
}
MOE_AVX512 void gather_step(BF16, Index k, Operand from, Index s, Index first, Index columns,
                            std::uint32_t* to) {
  const std::uint16_t* row = static_cast<const std::uint16_t*>(from.data) + 2 * s * from.stride + first;
  const std::uint16_t* next = row + from.stride;
  if (2 * s + 1 < k)
    for (Index c = 0; c < columns; ++c) to[c] = row[c] | static_cast<std::uint32_t>(next[c]) << 16;
  else
    for (Index c = 0; c < columns; ++c) to[c] = row[c];
}

/// Columns [0, m) of A in strips of kRows: step after step of one, then of the next.
template <typename Type>
void gather_strips(Index m, Index k, Index steps, Operand A, std::uint32_t* to) {
  thread_local Room<std::uint32_t> room;
  std::uint32_t* line = room.of(m + kRows);
  for (Index s = 0; s < steps; ++s) {
    gather_step(Type(), k, A, s, 0, m, line);
    for (Index i = 0; i < m; i += kRows)
      __builtin_memcpy(to + i * steps + s * kRows, line + i, kRows * sizeof *to);
  }
}

template <typename Type>
void multiply_transposed(Index m, Index n, Index k, Operand A, Operand B, char* C) {
  thread_local Room<std::uint32_t> strip_room, panel_room;
  const Index steps = (k + Type::kNumbers - 1) / Type::kNumbers, ldc = 4 / Type::kNumbers * n;
  std::uint32_t *strips = strip_room.of((m + kRows) * steps), *panel = panel_room.of(kPanel * steps);
  gather_strips<Type>(m, k, steps, A, strips);
  for (Index j = 0; j < n; j += kPanel) {
    const Index columns = std::min(kPanel, n - j);  // the panel has more: they are computed, and not written
    for (Index s = 0; s < steps; ++s) gather_step(Type(), k, B, s, j, columns, panel + s * kPanel);
    for (Index i = 0; i < m; i += kRows)
      gradient_rows<Type>(std::min<Index>(kRows, m - i),
                          {reinterpret_cast<const char*>(strips + i * steps), 4, 4 * kRows,
                           reinterpret_cast<const char*>(panel), steps},
                          columns, C + i * ldc + j * 4 / Type::kNumbers, ldc);
  }
  _mm_sfence();  // what was written around the caches is seen by all from here on
}

}  // namespace

void multiply_panels(Index m, Index n, Index k, Operand x, const void* W, float* y, Index ldy) {
  const char *rows = static_cast<const char*>(x.data), *panels = static_cast<const char*>(W);
  x.narrow ? multiply<BF16>(m, n, k, rows, panels, y, ldy) : multiply<F32>(m, n, k, rows, panels, y, ldy);
}

void multiply_transposed_panels(Index m, Index n, Index k, Operand A, Operand B, void* C) {
  char* to = static_cast<char*>(C);
  A.narrow ? multiply_transposed<BF16>(m, n, k, A, B, to) : multiply_transposed<F32>(m, n, k, A, B, to);
}

}  // namespace moe::cpu

#else

namespace moe::cpu {

void multiply_panels(Index, Index, Index, Operand, const void*, float*, Index) {
  throw std::logic_error("panels are multiplied on x86-64 alone");
}
void multiply_transposed_panels(Index, Index, Index, Operand, Operand, void*) {
  throw std::logic_error("panels are multiplied on x86-64 alone");
}

}  // namespace moe::cpu

#endif
