#include "moe/digests.h"

#include <exception>

#include "grid.h"
#include "moe/config_json.h"
#include "moe/encode.h"

namespace moe {
namespace {

constexpr Index kGroup = 1000;
constexpr std::string_view kIdPrefix = "exact/digest-";

/// The draws of one case: word i modulo n.
struct Draws {
  Stream stream;
  Index operator()(std::uint64_t i, Index n) const { return Index{stream.word(i)} % n; }
};
Draws draws_of(Index n) { return {{kDefaultSeed, 0, static_cast<std::uint32_t>(n)}}; }

Config drawn_config(const Draws& draw) {
  using enum Activation;
  Config c;
  const Index id_bits = draw(0, 5), choice_bits = std::min(draw(1, 3), id_bits);
  c.shape = {1 + draw(2, 12), 5 + draw(3, 8), 1 + draw(4, 8), Index{1} << id_bits, Index{1} << choice_bits};
  c.router.renorm = Renorm::Sum;
  c.experts.glu = draw(5, 2) == 1;
  c.experts.activation = std::array{Identity, Relu, Relu2}.at(static_cast<std::size_t>(draw(6, 3)));
  if (draw(7, 4) == 0) c.experts.bias = ExpertBias::PerExpert;
  if (draw(8, 4) == 0) c.shared = {SharedMode::Add, 1 + draw(9, 4)};
  if (draw(10, 2) == 1) return c;
  c.capacity.mode = CapacityMode::Fixed;
  c.capacity.fixed = draw(11, c.shape.num_tokens + 1);
  if (draw(12, 2) == 1) c.capacity.order = DropOrder::ChoiceMajor;
  if (draw(13, 2) == 1) c.capacity.dropped_output = DroppedOutput::Identity;
  if (draw(14, 2) == 1 && c.shape.top_k <= 2) c.router.renorm_stage = RenormStage::AfterDrop;
  return c;
}

/// Token t goes to an expert, and to those whose ids differ from it in some of log2 K bits that follow each other.
std::vector<std::vector<Index>> drawn_choices(const Draws& draw, const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index id_bits = std::countr_zero(static_cast<std::uint64_t>(E));
  std::vector<std::vector<Index>> chosen;
  for (Index t = 0; t < T; ++t) {
    const auto i = static_cast<std::uint64_t>(16 + 2 * t);
    std::vector<Index> ids{draw(i, E)};
    const Index first = draw(i + 1, std::max(id_bits, Index{1}));
    for (Index j = 0; Index{1} << j < K; ++j)
      for (std::size_t n = ids.size(); n > 0; --n)
        ids.push_back(ids[n - 1] ^ Index{1} << (first + j) % id_bits);
    chosen.push_back(std::move(ids));
  }
  return chosen;
}

struct Drawn {
  Config config;
  Inputs inputs;
};
Drawn drawn_case(Index n) {
  const Draws draw = draws_of(n);
  Drawn drawn{drawn_config(draw), {}};
  const bool wide = draw(15, 2) == 1 && !squares(drawn.config.experts.activation);
  drawn.inputs = grid_inputs(drawn.config, static_cast<std::uint32_t>(n), wide ? 3 : 1);
  choose_by_code(drawn.config, drawn_choices(draw, drawn.config), drawn.inputs);
  return drawn;
}

/// What is hashed of a case: y, then the gradient of every input but dy, in the order of the inputs.
struct Hashed {
  std::vector<std::byte> bytes;
  int bits = 0;
};
Hashed hashed_case(Index n) {
  const auto [config, inputs] = drawn_case(n);
  const std::vector<ExactTensor> exact =
      exact_tensors(config, inputs, decide(config, params_of<Exact>(config, inputs)));
  std::vector<std::string> names{name_of(Tensor::y)};
  for (const InputInfo& info : inputs_of(config))
    if (info.id != Tensor::dy) names.push_back(std::string("grad.") + name_of(info.id));
  Hashed hashed;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(exact.begin(), exact.end(), [&](const ExactTensor& e) { return e.name == name; });
    if (found == exact.end()) throw CertificateBroken(digest_case(n).id + ": " + name + " is not exact");
    hashed.bytes.insert(hashed.bytes.end(), found->values.bytes.begin(), found->values.bytes.end());
    hashed.bits = std::max(hashed.bits, found->need.bits);
  }
  return hashed;
}

Json group_json(const std::vector<Hashed>& cases, Index first) {
  std::vector<std::byte> all;
  std::string short_hashes;
  Json bits = Json::array();
  for (Index n = first; n < first + kGroup; ++n) {
    const Hashed& c = at(cases, n);
    all.insert(all.end(), c.bytes.begin(), c.bytes.end());
    short_hashes += sha256(c.bytes).substr(0, 16);
    bits.push_back(c.bits);
  }
  return {{"first", first},
          {"sha256", sha256(all)},
          {"bits", std::move(bits)},
          {"cases", std::move(short_hashes)}};
}

}  // namespace

GoldenCase digest_case(Index n) {
  Drawn drawn = drawn_case(n);
  const std::string digits = std::to_string(n);
  return {.id = std::string(kIdPrefix) + std::string(6 - digits.size(), '0') + digits,
          .comment = "Case " + digits + " of digests.json.",
          .catches = {},
          .flags = {"Exact"},
          .source = "Drawn by the recipe of golden/README.md.",
          .config = config_to_json(drawn.config),
          .inputs = std::move(drawn.inputs)};
}

std::optional<Index> digest_number(const std::string& id) {
  const std::size_t prefix = kIdPrefix.size();
  if (!id.starts_with(kIdPrefix) || id.size() != prefix + 6 ||
      id.find_first_not_of("0123456789", prefix) != std::string::npos)
    return std::nullopt;
  const Index n = std::stol(id.substr(prefix));
  return n < kDigestCases ? std::optional(n) : std::nullopt;
}

std::string digests_json() {
  std::vector<Hashed> cases(static_cast<std::size_t>(kDigestCases));
  std::exception_ptr failed;
#pragma omp parallel for schedule(dynamic, 16)
  for (Index n = 0; n < kDigestCases; ++n) try {
      at(cases, n) = hashed_case(n);
    } catch (...) {
#pragma omp critical
      if (!failed) failed = std::current_exception();
    }
  if (failed) std::rethrow_exception(failed);
  Json groups = Json::array();
  for (Index first = 0; first < kDigestCases; first += kGroup) groups.push_back(group_json(cases, first));
  return print_json({{"format", "moe-golden-digests"},
                     {"formatVersion", "1.0.0"},
                     {"licence", "CC0-1.0"},
                     {"recipe", "README.md, The exact tier"},
                     {"numberOfCases", kDigestCases},
                     {"groups", std::move(groups)}});
}

}  // namespace moe
