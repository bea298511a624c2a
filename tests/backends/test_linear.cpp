#include <doctest/doctest.h>

#include "../support.h"
#include "backends/cpu/linear.h"
#include "backends/cpu/numbers.h"

using namespace moe;
using namespace moe::cpu;

namespace {

/// Small integers, all products and sums of which are exact in any order.
float small_integer(Index i) { return static_cast<float>((i * 2654435761 >> 7) % 15 - 7); }

Matrix<float> integers(Index rows, Index cols, Index seed) {
  Matrix<float> m(rows, cols);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = small_integer(i + 1000003 * seed);
  return m;
}

/// W (n, k) as a map in blocks of at most `block` rows.
Linear map_of(const Matrix<float>& W, Index block, Storage storage) {
  std::vector<Index> widths;
  for (Index i = 0; i < W.rows(); i += block) widths.push_back(std::min(block, W.rows() - i));
  return {widths, W.cols(), storage, [&](Index b, float* to) {
            std::copy_n(row(W, b * block), std::min(block, W.rows() - b * block) * W.cols(), to);
          }};
}

/// The rows of m in the format of a storage; but for the spare ones, which stay as they are.
Rows as_rows(const Matrix<float>& m, Storage storage) {
  Rows rows;
  rows.prepare(m.rows(), m.cols(), storage);
  for (Index i = 0; i < m.rows(); ++i) rows.put(i, 0, row(m, i), m.cols());
  return rows;
}

/// x W^T, by the blocks of the map.
Matrix<float> product(const Linear& map, const Matrix<float>& x, Index rows) {
  const Rows source = as_rows(x, map.storage());
  Matrix<float> y(rows, map.first(map.blocks() - 1) + map.width(map.blocks() - 1));
  for (Index b = 0; b < map.blocks(); ++b) {
    map.prepare(rows);
    map.multiply(b, rows, source.from(0), y.data() + map.first(b), y.cols());
  }
  return y;
}

}  // namespace

TEST_CASE("linear: products of integers are exact for every kind of shape, in f32 and from bf16") {
  for (const Storage storage : {Storage::F32, Storage::BF16})
    for (const Index k : {1, 3, 8, 33, 300})
      for (const Index n : {1, 7, 64, 130})
        for (const Index rows : {1, 2, 5, 8, 9, 30, 255, 256}) {
          const Matrix<float> W = integers(n, k, 1), x = integers(rows + kSpareRows, k, 2);
          const Matrix<float> y = product(map_of(W, 64, storage), x, rows);
          const Matrix<double> exact = (x.topRows(rows).cast<double>() * W.transpose().cast<double>());
          CAPTURE(k);
          CAPTURE(n);
          CAPTURE(rows);
          REQUIRE(difference(y, exact, 0) == "");
        }
}

TEST_CASE("linear: what the spare rows hold shows nowhere") {
  Matrix<float> x = integers(9 + kSpareRows, 40, 3);
  const Linear map = map_of(integers(50, 40, 4), 32, Storage::F32);
  const Matrix<float> before = product(map, x, 9);
  x.bottomRows(kSpareRows).setConstant(std::numeric_limits<float>::quiet_NaN());
  CHECK(difference(product(map, x, 9), before, 0) == "");
}

TEST_CASE("linear: a transposed product is exact, also for part of its columns") {
  for (const Storage storage : {Storage::F32, Storage::BF16})
    for (const Index rows : {1, 6, 70}) {
      const Index m = 33, n = 18, lda = 40, ldb = 50, ldc = 60;
      const Matrix<float> A = integers(rows, lda, 5), B = integers(rows, ldb, 6);
      Matrix<float> C = Matrix<float>::Constant(m, ldc, -1);
      multiply_transposed(m, n, rows, as_rows(A, storage).from(0, 2), as_rows(B, storage).from(0, 3),
                          C.data() + 4, ldc);
      const Matrix<double> exact =
          A.middleCols(2, m).transpose().cast<double>() * B.middleCols(3, n).cast<double>();
      CHECK(difference(Matrix<float>(C.middleCols(4, n)), exact, 0) == "");
      C.middleCols(4, n).setConstant(-1);
      CHECK(difference(C, Matrix<float>(Matrix<float>::Constant(m, ldc, -1)), 0) == "");
    }
}

TEST_CASE("linear: a gradient of weights is exact, in its format, and stays in its rows") {
  for (const Storage storage : {Storage::F32, Storage::BF16})
    for (const Storage kept : {Storage::F32, Storage::BF16})
      for (const Index rows : {1, 2, 7, 40})
        for (const Index n : {1, 18, 64, 100, 128, 600})
          for (const Index m : {1, 6, 29}) {
            const Matrix<float> A = integers(rows, m + 7, 5), B = integers(rows, n, 6);
            const Rows dy = as_rows(A, storage);
            Rows x = as_rows(B, storage), dW = as_rows(Matrix<float>::Constant(m + 4, n, -1), kept);
            multiply_transposed(m, rows, dy.from(0, 2), {&x, 0}, dW, 3);
            Matrix<double> want = Matrix<double>::Constant(m + 4, n, -1);
            want.middleRows(3, m) = A.middleCols(2, m).transpose().cast<double>() * B.cast<double>();
            if (dW.narrow()) want = want.cast<float>().cast<Eigen::bfloat16>().cast<double>();
            CAPTURE(rows);
            CAPTURE(n);
            CAPTURE(m);
            REQUIRE(difference(widened(dW, 0, n), want, 0) == "");
          }
}

TEST_CASE("linear: our own products are oneDNN's, and a row's bits do not depend on how many there are") {
  for (const Storage storage : {Storage::F32, Storage::BF16}) {
    const Index k = 480, n = 128, rows = 23;
    Matrix<float> W(n, k), x(rows + kSpareRows, k);
    for (Matrix<float>* m : {&W, &x})
      for (Index i = 0; i < m->size(); ++i)
        m->data()[i] = rounded_to_bf16(small_integer(i) + small_integer(i + 77) / 128);
    const Linear map = map_of(W, n, storage);
    const Rows source = as_rows(x, storage);
    const Matrix<float> y = product(map, x, rows);
    Matrix<float> other(rows, n);
    map.multiply_by_onednn(0, rows, source.from(0), other.data(), n);
    CHECK(difference(y, Matrix<double>(other.cast<double>()), 1e-2) == "");
    for (const Index some : {1, 5, 6, 7, 12})
      if (multiplies_panels(storage))
        CHECK(difference(product(map, x, some), Matrix<float>(y.topRows(some)), 0) == "");
  }
}

TEST_CASE("linear: rows of another format than the weights' are refused") {
  if (!multiplies_bf16()) return;  // then there is one format
  const Matrix<float> x = integers(4 + kSpareRows, 8, 1);
  const Rows wide = as_rows(x, Storage::F32), narrow = as_rows(x, Storage::BF16);
  const Linear map = map_of(integers(5, 8, 2), 5, Storage::BF16);
  std::vector<float> y(5 * (4 + kSpareRows));
  CHECK_THROWS_AS(map.multiply(0, 4, wide.from(0), y.data(), 5), std::logic_error);
  CHECK_THROWS_AS(multiply_transposed(2, 2, 4, wide.from(0), narrow.from(0), y.data(), 2), std::logic_error);
}

TEST_CASE("rows: numbers come back as they were put, in any format, and stay where they are put") {
  for (const Storage storage : {Storage::F32, Storage::BF16}) {
    const Matrix<float> m = integers(7, 9, 9);
    Rows rows = as_rows(m, storage);
    CHECK(rows.from(0).narrow == (storage == Storage::BF16 && multiplies_bf16()));
    CHECK(difference(widened(rows, 2, 5), Matrix<double>(m.middleCols(2, 5).cast<double>()), 0) == "");
    const std::array<float, 3> line{100, -200, 0.5F};
    rows.put(3, 4, line.data(), 3);
    Matrix<double> want = m.cast<double>();
    for (Index j = 0; j < 3; ++j) want(3, 4 + j) = approx(line[static_cast<std::size_t>(j)]);
    CHECK(difference(widened(rows, 0, 9), want, 0) == "");
  }
}

TEST_CASE("numbers: rounding to bf16 is Eigen's, and halves go to even") {
  for (std::uint32_t high = 0; high < 0x10000; ++high)
    for (const std::uint32_t low : {0U, 1U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const auto x = std::bit_cast<float>(high << 16 | low);
      const float rounded = rounded_to_bf16(x), want = static_cast<float>(Eigen::bfloat16(x));
      const bool same = x == x ? std::bit_cast<std::uint32_t>(rounded) == std::bit_cast<std::uint32_t>(want)
                               : rounded != rounded;
      CAPTURE(high);
      CAPTURE(low);
      if (!same) FAIL_CHECK("it is rounded to another number, ", approx(rounded));
    }
  CHECK(rounded_to_bf16(0x1.01p0F) == 1);
  CHECK(rounded_to_bf16(0x1.03p0F) == 0x1.04p0F);
}

TEST_CASE("numbers: narrow and widen give a bf16 number back, and narrow rounds others") {
  std::vector<std::uint16_t> all(0x10000), again(0x10000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> wide(all.size());
  widen(all.data(), 0x10000, wide.data());
  CHECK(wide[0x3f80] == 1);
  CHECK(wide[0xc040] == -3);
  narrow(wide.data(), 0x10000, again.data());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (wide[i] != wide[i]) all[i] |= 0x40;  // NaN becomes quiet
  CHECK(again == all);
  const std::array<float, 3> between{0x1.01p0F, 0x1.03p0F, -0x1.030002p0F};
  narrow(between.data(), 3, again.data());
  CHECK(again[0] == 0x3f80);
  CHECK(again[1] == 0x3f82);
  CHECK(again[2] == 0xbf82);
}

TEST_CASE("numbers: rows of every length are added, whether a next one is fetched or not") {
  for (const Index n : {1, 17, 256, 257, 700}) {
    const Matrix<float> x = integers(1, n, 7), y = integers(1, n, 8), next = integers(1, n, 9);
    for (const float* fetched : {static_cast<const float*>(nullptr), next.data()}) {
      Matrix<float> sum = y, weighted = y, rounded = y, by_hand = y;
      add(x.data(), n, sum.data(), fetched);
      add_scaled(0.375F, x.data(), n, weighted.data(), fetched);
      add_scaled_in_bf16(0x1.01p0F, x.data(), n, rounded.data(), fetched);
      for (Index i = 0; i < n; ++i) by_hand(0, i) += rounded_to_bf16(0x1.01p0F * x(0, i));
      CHECK(difference(sum, Matrix<float>(y + x), 0) == "");
      CHECK(difference(weighted, Matrix<float>(y + 0.375F * x), 0) == "");
      CHECK(difference(rounded, by_hand, 0) == "");
      CHECK(approx(dot_of(x.data(), y.data(), n, fetched)) == approx(dot_of(x.data(), y.data(), n)));
    }
  }
}

TEST_CASE("numbers: a dot product of integers is exact for every length") {
  for (Index n = 0; n < 70; ++n) {
    const Matrix<float> a = integers(1, n, 7), b = integers(1, n, 8);
    double exact = 0;
    for (Index i = 0; i < n; ++i) exact += approx(a(0, i)) * approx(b(0, i));
    CHECK(approx(dot_of(a.data(), b.data(), n)) == exact);
  }
}
