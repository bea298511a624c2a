#include "moe/array.h"
#include "support.h"

using namespace moe;

TEST_CASE("array: elements of every format, exactly") {
  const double values[] = {1.5, -0.375, 0x1p-14};
  const Array f64 = array_of({3}, values);
  for (const Format format : {Format::F64, Format::F32, Format::F16, Format::BF16}) {
    const Array a = converted(f64, format, "x");
    CHECK(a.format == format);
    for (Index i = 0; i < 3; ++i) CHECK(a.real(i) == values[i]);
  }
  const std::int32_t ids[] = {-7, 2147483647};
  CHECK(array_of({2}, ids).integer(0) == -7);
  const std::uint8_t kept[] = {1, 255};
  CHECK(array_of({2}, kept).integer(1) == 255);
}

TEST_CASE("array: rounding to nearest, ties to even, subnormals included") {
  CHECK(rounded(1 + 0x1p-8, 8, -126) == 1);               // halfway between 1 and 1 + 2^-7: to even
  CHECK(rounded(1 + 3 * 0x1p-8, 8, -126) == 1 + 0x1p-6);  // halfway, to even, upwards
  CHECK(rounded(1 + 0x1p-8 + 0x1p-40, 8, -126) == 1 + 0x1p-7);
  CHECK(rounded(0x1.8p-25, 11, -14) == 0x1p-24);  // the smallest subnormal of fp16 is 2^-24
  CHECK(rounded(0x1p-26, 11, -14) == 0);
  CHECK(rounded(0x1p-1074, 53, -1022) == 0x1p-1074);
  CHECK(std::signbit(rounded(-0.0, 8, -126)));
  // Once, not twice: by way of fp32 this would become 1 + 2^-7.
  CHECK(converted(array_of<double>({1}, std::vector<double>{1 + 0x1p-8 + 0x1p-40}.data()), Format::BF16, "x")
            .real(0) == 1 + 0x1p-7);
}

TEST_CASE("array: a number out of range is refused by name") {
  const double big = 70000;
  CHECK(error_of([&] { converted(array_of({1}, &big), Format::F16, "x"); }) ==
        "x = 70000 must lie in the range of f16");
}

TEST_CASE("array: a recipe and its bytes are one tensor") {
  const Array recipe{Format::BF16, {2, 3}, {}, Recipe{{1, 2, 3}, 6}}, bytes = materialized(recipe);
  CHECK(bytes.bytes.size() == 12);
  for (Index i = 0; i < 6; ++i) CHECK(bytes.real(i) == recipe.real(i));
}

TEST_CASE("array: a product beyond 64 bits is refused") {
  CHECK(product({}) == 1);
  CHECK(product({3, 0, 5}) == 0);
  CHECK(error_of([] {
          product({Index{1} << 40, Index{1} << 40});
        }) == "shape: the product of the sizes must fit 64 bits");
}
