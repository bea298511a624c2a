#include "moe/machine.h"
#include "support.h"

using namespace moe;

TEST_CASE("machine: limits can be run, and read about as many bytes as they are asked to") {
  const Index bytes = Index{3} << 22;
  for (const Limit& reading : reading_limits(bytes, 3 * bytes)) {
    CAPTURE(reading.name);
    CHECK(std::abs(reading.amount - static_cast<double>(bytes)) <= 0x1p21);  // in whole blocks
    reading.run();
  }
  for (const Format dtype : {Format::F32, Format::BF16})
    for (const Limit& product : arithmetic_limits(dtype)) {
      CAPTURE(product.name);
      CHECK(product.amount >= 1e9);
      product.run();
    }
  CHECK(last_level_cache() > 0);
}
