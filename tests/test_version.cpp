#include "moe/version.h"
#include "support.h"

TEST_CASE("version: the library and its package are of one version") {
  CHECK(std::string(moe::kVersion) == MOE_PROJECT_VERSION);
}
