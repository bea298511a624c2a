#include "moe/params.h"
#include "support.h"

using namespace moe;

TEST_CASE("params: all rows of a weight, and an absent one") {
  const Weight<double> w{2, 2, [](Index i, double* to) { to[0] = static_cast<double>(i), to[1] = 7; }, {}};
  CHECK(difference(all_rows(w), matrix({{0, 7}, {1, 7}}), 0) == "");
  CHECK(all_rows(Weight<double>{}).size() == 0);
}
