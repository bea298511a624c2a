#include <set>

#include "moe/bugs.h"
#include "support.h"

using namespace moe;

TEST_CASE("bugs: each has a name of its own, of a stage, and changes something") {
  std::set<std::string> names;
  for (const Bug& bug : bugs()) {
    CAPTURE(bug.name);
    CHECK(names.insert(bug.name).second);
    CHECK(bug.name.find(": ") != std::string::npos);
    CHECK((bug.config || bug.inputs || bug.decisions || bug.trace || bug.tensors || bug.passes));
  }
  CHECK(names.size() >= 80);
}

TEST_CASE("bugs: no bug is the plain evaluation, and bugs of other conventions do not touch this one") {
  const Config config = small("mixtral");
  const Inputs inputs = seeded_inputs(config, 3);
  const Arrays plain = evaluate<double>(config, inputs, nullptr, true);
  CHECK(difference(evaluate_with({}, config, inputs), plain, 0) == "");
  for (const Bug& bug : bugs())
    if (bug.name.starts_with("capacity: ")) {
      CAPTURE(bug.name);
      CHECK(difference(evaluate_with(bug, config, inputs), plain, 0) == "");
    }
}

TEST_CASE("bugs: the wrong experts give other ids, a stale gradient only that gradient") {
  const Config config = small("mixtral", {"shape.top_k=1", "router.renorm=none", "shape.num_tokens=1"});
  const Inputs inputs = seeded_inputs(config, 3);
  const Arrays plain = evaluate<double>(config, inputs, nullptr, true);
  for (const Bug& bug : bugs())
    if (bug.name == "dispatch: the gradient of a trailing empty expert is never written") {
      const std::string where = difference(evaluate_with(bug, config, inputs), plain, 0);
      CHECK((where.empty() || where.starts_with("grad.experts.")));
    }
}
