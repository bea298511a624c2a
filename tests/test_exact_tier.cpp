#include "moe/corpus.h"
#include "moe/exact_tier.h"
#include "support.h"

namespace moe {
namespace {

/// A double that rounds the result of every operation to so many bits, and adds what a dot has from either end.
struct Narrow {
  double v = 0;
  static inline int bits = 53;
  static inline bool backwards = false;

  Narrow() = default;
  Narrow(double value) : v(rounded(value, bits, -2000)) {}
  friend Narrow operator+(Narrow a, Narrow b) { return {a.v + b.v}; }
  friend Narrow operator-(Narrow a, Narrow b) { return {a.v - b.v}; }
  friend Narrow operator-(Narrow a) { return {-a.v}; }
  friend Narrow operator*(Narrow a, Narrow b) { return {a.v * b.v}; }
  friend Narrow operator/(Narrow a, Narrow b) { return {a.v / b.v}; }
  Narrow& operator+=(Narrow o) { return *this = *this + o; }
  friend Narrow exp(Narrow a) { return {std::exp(a.v)}; }
  friend Narrow log1p(Narrow a) { return {std::log1p(a.v)}; }
  friend Narrow sqrt(Narrow a) { return {std::sqrt(a.v)}; }
  friend Narrow erfc(Narrow a) { return {std::erfc(a.v)}; }
  friend Narrow tanh(Narrow a) { return {std::tanh(a.v)}; }
  friend Narrow dot(const Narrow* a, const Narrow* b, Index n, Index step = 1) {
    Narrow total;
    for (Index i = 0; i < n; ++i) {
      const Index at = (backwards ? n - 1 - i : i) * step;
      total += a[at] * b[at];
    }
    return total;
  }
  friend double approx(Narrow a) { return a.v; }
  friend bool greater(Narrow a, Narrow b) { return a.v > b.v; }
  friend bool same(Narrow a, Narrow b) { return a.v == b.v; }
};

/// Which of the tensors a layer in so many bits gets right to the last bit.
std::set<std::string> equal_in(int bits, bool backwards, const GoldenCase& c, const Decisions& decisions,
                               const std::vector<ExactTensor>& exact) {
  Narrow::bits = bits, Narrow::backwards = backwards;
  const Arrays got = evaluate<Narrow>(config_from_json(c.config), c.inputs, &decisions, true);
  std::set<std::string> equal;
  for (const auto& [name, a] : got)
    for (const ExactTensor& e : exact) {
      bool same = name == e.name;
      for (Index i = 0; same && i < a.size(); ++i) same = a.real(i) == e.values.real(i);
      if (same) equal.insert(name);
    }
  return equal;
}

std::vector<GoldenCase> exact_cases() {
  std::vector<GoldenCase> cases;
  for (GoldenFile& file : corpus())
    for (GoldenCase& c : file.cases)
      if (std::count(c.flags.begin(), c.flags.end(), "Exact") > 0) cases.push_back(std::move(c));
  return cases;
}

}  // namespace
}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Narrow> : Eigen::GenericNumTraits<double> {
  using Real = moe::Narrow;
  using NonInteger = moe::Narrow;
  using Nested = moe::Narrow;
};

using namespace moe;

TEST_CASE("exact tier: so many bits give the number itself, from either end, and fewer often do not") {
  Index tensors = 0, wrong_with_fewer = 0;
  for (const GoldenCase& c : exact_cases()) {
    CAPTURE(c.id);
    const Config config = config_from_json(c.config);
    const Decisions decisions = decide(config, params_of<double>(config, c.inputs));
    const std::vector<ExactTensor> exact = exact_tensors(config, c.inputs, decisions);
    std::map<int, std::set<std::string>> equal;
    for (int bits = 1; bits <= 24; ++bits)
      for (const bool backwards : {false, true}) {
        const auto now = equal_in(bits, backwards, c, decisions, exact);
        if (!backwards)
          equal[bits] = now;
        else
          std::erase_if(equal[bits], [&](const std::string& name) { return now.count(name) == 0; });
      }
    for (const ExactTensor& e : exact) {
      CAPTURE(e.name);
      CHECK(e.need.bits <= 24);
      for (int bits = std::max(1, e.need.bits); bits <= 24; ++bits) CHECK(equal[bits].count(e.name) == 1);
      ++tensors;
      wrong_with_fewer += e.need.bits > 1 && equal[e.need.bits - 1].count(e.name) == 0 ? 1 : 0;
    }
  }
  CHECK(tensors > 500);
  CHECK(wrong_with_fewer > tensors / 3);
}

TEST_CASE(
    "exact tier: every exact case has y and the gradients of all inputs, some in bf16, some beyond fp16") {
  int cases = 0, bf16 = 0, beyond_fp16 = 0;
  for (const GoldenCase& c : exact_cases()) {
    CAPTURE(c.id);
    const Config config = config_from_json(c.config);
    std::map<std::string, int> bits;
    for (const ExactTensor& e :
         exact_tensors(config, c.inputs, decide(config, params_of<double>(config, c.inputs))))
      bits[e.name] = e.need.bits;
    int most = bits.at("y");
    for (const InputInfo& info : inputs_of(config)) {
      if (info.id == Tensor::dy) continue;
      const std::string name = std::string("grad.") + name_of(info.id);
      CAPTURE(name);
      REQUIRE(bits.count(name) == 1);
      most = std::max(most, bits[name]);
    }
    ++cases, bf16 += most <= 8 ? 1 : 0, beyond_fp16 += most > 11 ? 1 : 0;
  }
  CHECK(cases >= 30);
  CHECK(bf16 >= 10);
  CHECK(beyond_fp16 >= 2);
}

TEST_CASE("exact tier: what balls prove of a whole layer is what exact arithmetic knows of it") {
  for (const char* activation :
       {"experts.activation=relu", "experts.activation=identity", "experts.activation=silu"}) {
    CAPTURE(activation);
    const Config config = small("mixtral", {activation, "shape.top_k=1"});
    const Inputs inputs = seeded_inputs(config, 3);
    const Certified proof = certify(config, inputs, {});
    std::set<std::string> known;
    for (const ExactTensor& e : exact_tensors(config, inputs, proof.decisions)) {
      CAPTURE(e.name);
      CHECK(e.values.bytes == tensor_in(proof.arrays, e.name).bytes);
      known.insert(e.name);
    }
    CHECK(known.count("router.logits") == 1);
    CHECK(known.count("router.scores") == 0);
    CHECK((known.count("y") == 1) == (std::string(activation) != "experts.activation=silu"));
  }
}

TEST_CASE("exact tier: a comparison of numbers that are not dyadic leaves nothing") {
  const Config config = small("deepseek_v3", {"router.n_group=2", "router.topk_group=1", "shape.top_k=1"});
  const Inputs inputs = seeded_inputs(config);
  CHECK(exact_tensors(config, inputs, decide(config, params_of<double>(config, inputs))).empty());
}
