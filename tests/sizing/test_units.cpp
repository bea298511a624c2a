#include "../support.h"
#include "moe/units.h"

using namespace moe;

TEST_CASE("units: amounts by powers of a thousand, with B for billions of what is counted") {
  CHECK(amount(46702792704) == "46.7 B");
  CHECK(amount(26571000000, "FLOP") == "26.57 GFLOP");
  CHECK(amount(93.405e9, "B") == "93.41 GB");
  CHECK(amount(3.35e12, "B/s") == "3.35 TB/s");
  CHECK(amount(2e15, "FLOP/s") == "2 PFLOP/s");
  CHECK(amount(0) == "0");
  CHECK(amount(16, "B") == "16 B");
  CHECK(amount(1024, "", 3) == "1.02 k");
  CHECK(amount(-1500) == "-1.5 k");
}

TEST_CASE("units: what rounds to a thousand has the next prefix, and what has none is a power of ten") {
  CHECK(amount(999.94) == "999.9");
  CHECK(amount(999.95) == "1 k");
  CHECK(amount(999.4e9, "", 3) == "999 B");
  CHECK(amount(999.5e9, "", 3) == "1 T");
  CHECK(amount(999.9994e6, "", 6) == "999.999 M");
  CHECK(amount(1.5e15) == "1500 T");
  CHECK(amount(3.714e24) == "3.714e+24");
  CHECK(amount(3.714e24, "FLOP") == "3.714e+24 FLOP");
  CHECK(amount(0.125, "B") == "0.125 B");
}
