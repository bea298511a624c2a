#include "moe/inputs_digest.h"
#include "support.h"

using namespace moe;

TEST_CASE("inputs_digest: of the numbers, whatever they are kept in") {
  const Config config = small("mixtral");
  const Inputs drawn = seeded_inputs(config, 3);
  Inputs held = drawn, wide = drawn, other = drawn;
  for (auto& [id, a] : held) a = materialized(std::move(a));
  for (auto& [id, a] : wide) {
    std::vector<double> values = buffer<double>(a.size());
    a.reals(0, values);
    a = array_of(a.dims, values.data());
  }
  CHECK(inputs_digest(held) == inputs_digest(drawn));
  CHECK(inputs_digest(wide) == inputs_digest(drawn));
  CHECK(inputs_digest(drawn).size() == 64);
  CHECK(inputs_digest(seeded_inputs(config, 4)) != inputs_digest(drawn));
  other.erase(Tensor::dy);
  CHECK(inputs_digest(other) != inputs_digest(drawn));
}

TEST_CASE("inputs_digest: one element, one shape and the sign of a zero") {
  const auto digest = [](const Dims& dims, const std::vector<double>& values) {
    return inputs_digest({{Tensor::x, array_of(dims, values.data())}});
  };
  const std::string a = digest({2, 2}, {0, 1, 2, 3});
  CHECK(digest({2, 2}, {-0.0, 1, 2, 3}) == a);
  CHECK(digest({4, 1}, {0, 1, 2, 3}) != a);
  CHECK(digest({2, 2}, {0, 1, 2, 3.0000000000000004}) != a);
}

TEST_CASE("inputs_digest: what is too large to draw counts by what it says") {
  const auto digest = [](std::uint64_t seed) {
    return inputs_digest(
        {{Tensor::x, Array{Format::BF16, {Index{1} << 20, 128}, {}, Recipe{{seed, 1, 0}, 6}}}});
  };
  CHECK(digest(1) == digest(1));
  CHECK(digest(1) != digest(2));
}
