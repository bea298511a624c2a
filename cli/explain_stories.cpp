#include "explain.h"

namespace moe::cli {
namespace {

constexpr double kBudget = 1e11;  // FLOPs of a token

double real_of(std::int64_t n) { return static_cast<double>(n); }

Step ratio(const std::string& what, const std::string& symbols, const std::string& numbers, double value,
           Kind kind = Kind::Exact) {
  return {what, symbols, numbers, value, kind};
}

Story what_flops_buy(const Model& m, const ModelCount& c) {
  const double dense = kBudget / 2, for_each = real_of(c.total) / real_of(c.matmul);
  return {"What do 1e11 FLOPs per token buy?",
          {ratio("dense", "C / 2 parameters", "1e11 / 2", dense),
           ratio("sparse, as in " + m.name, "C / 2 x total / multiply-adds",
                 "5e10 x " + rounded(real_of(c.total)) + " / " + rounded(real_of(c.matmul)), dense * for_each,
                 Kind::Model)},
          "A multiply-add is two FLOPs, and a token meets each weight that it uses once: so a dense model "
          "has half as many "
          "parameters as FLOPs. A sparse one has " +
              real(for_each, 3).text +
              " times as many for the same FLOPs, if it keeps these proportions. They have to be stored, not "
              "computed."};
}

Story why_so_few_are_active(const ModelCount& c, const Mixture& x) {
  const std::int64_t routed = c.moe_layers * x.num_experts * c.expert,
                     used = c.moe_layers * x.top_k * c.expert;
  const std::int64_t rest = c.total - routed;
  return {"Why do " + rounded(real_of(c.total)) + " parameters hold " + rounded(real_of(c.active.full)) +
              " active ones?",
          {{"shared by all tokens", "total - experts", digits(c.total) + " - " + digits(routed), rest,
            Kind::Exact},
           {"experts", "K / E of theirs",
            digits(x.top_k) + " / " + digits(x.num_experts) + " of " + digits(routed), used, Kind::Exact},
           {"together", "active, full", digits(rest) + " + " + digits(used), rest + used, Kind::Exact}},
          "Only experts are chosen; attention, tables and whatever else there is are used by all tokens. So "
          "K / E = " +
              real(real_of(x.top_k) / real_of(x.num_experts), 3).text + " of the experts is " +
              real(real_of(c.active.full) / real_of(c.total), 3).text +
              " of the model. And E experts of a model of a size do not make E models of it: they share the "
              "rest."};
}

Story what_17x_would_be() {
  return {"What would 137 B parameters at 8 B active buy?",
          {ratio("parameters for each active one", "total / active", "137e9 / 8e9", 137e9 / 8e9)},
          "17 times the parameters of a dense model of the same FLOPs per token. The model of that size that "
          "was published "
          "in 2017, and is often told so, is another one:"};
}

Story shazeer() {
  const Published* p = find_published("shazeer2017-moe-131072-h");
  if (p == nullptr) return {};
  const ModelCount c = count(p->model);
  const double adds = p->multiply_adds.value_or(0);
  return {"What did the 137 B model of Shazeer et al. 2017 compute?",
          {{"parameters", "without tables and softmax",
            "published: " + digits(static_cast<std::int64_t>(p->total)), c.total, Kind::Exact},
           {"multiply-adds a timestep", "as counted here",
            "published: " + digits(static_cast<std::int64_t>(adds)), c.matmul, Kind::Exact},
           ratio("ratio", "parameters / published multiply-adds", rounded(p->total) + " / " + rounded(adds),
                 p->total / adds)},
          "9.7 million multiply-adds a timestep, not 8 billion: four experts of 131,072, each of two small "
          "matrices. Its parameters are " +
              rounded(p->total / adds) + " for each multiply-add, which is not 17."};
}

Story textbook(const Model& m, const Mixture& x) {
  const std::int64_t W = x.latent_size > 0 ? x.latent_size : m.hidden_size,
                     one = x.top_k * 2 * W * x.ffn_size, n = x.glu ? 3 : 2;
  const std::string product = digits(x.top_k) + " x 2 x 1 x " + digits(W) + " x " + digits(x.ffn_size);
  return {"Is a token's share of the experts of a layer k x 2 x tokens x d_model x d_expert?",
          {{"as often written", "K 2 T D F, T = 1", product, one, Kind::Exact},
           {"all matrices", digits(n) + " K 2 T D F", digits(n) + " x " + digits(one), n * one, Kind::Exact}},
          std::string("That is one of an expert's ") +
              (x.glu ? "three matrices (gate, up and down)" : "two matrices (up and down)") +
              ": the FLOPs of a token in a layer's experts are " + digits(n) + " times as many."};
}

}  // namespace

std::vector<Story> stories_of(const NamedModel& named, const ModelCount& counted) {
  std::vector<Story> all{what_flops_buy(named.model, counted)};
  if (counted.moe_layers > 0) all.push_back(why_so_few_are_active(counted, *named.model.moe));
  all.push_back(what_17x_would_be());
  all.push_back(shazeer());
  if (counted.moe_layers > 0) all.push_back(textbook(named.model, *named.model.moe));
  return all;
}

}  // namespace moe::cli
