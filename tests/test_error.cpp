#include "moe/error.h"
#include "support.h"

using namespace moe;

TEST_CASE("error: a message says field, value and rule, and the field can be asked for") {
  try {
    require(1 > 2, "shape.top_k", 5, "must not exceed ", 4);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "shape.top_k = 5 must not exceed 4");
    CHECK(e.field == "shape.top_k");
  }
}

TEST_CASE("error: what holds throws nothing") { CHECK_NOTHROW(require(true, "x", 1, "must be")); }
