#pragma once

#include "rows.h"

/// Products of our own for x86 CPUs with AVX-512, which fetch weights from memory while they compute. oneDNN 2.6 waits for
/// memory in its first of several passes over some weights, and computes in the others.
/// Both sum a number in the order of k, in f32, whatever m is: a row's bits do not depend on what it is multiplied with. Where
/// the numbers are bf16, the instruction takes subnormal ones, and sums, for zeros.
namespace moe::cpu {

/// Columns of a panel: W (n, k) is packed as n / 64 of them, each with k rows of 64 numbers beside each other; where they
/// are bf16, as pairs of rows, whose numbers alternate. oneDNN calls it BA16a64b and BA16a64b2a, and k is filled up to
/// a multiple of 16 and 32.
inline constexpr Index kPanel = 64;

/// y (m, n) = x (m, k) W^T for panels W; rows of y are ldy numbers apart, and in bf16 k is even.
void multiply_panels(Index m, Index n, Index k, Operand x, const void* W, float* y, Index ldy);

/// C (m, n) = A^T B for A (k, m) and B (k, n) of C's format; rows of C are n numbers apart. It is written around the
/// caches: C is large, and is not read soon.
void multiply_transposed_panels(Index m, Index n, Index k, Operand A, Operand B, void* C);

}  // namespace moe::cpu
