#include "explain.h"

namespace moe::cli {
namespace {

double real_of(std::int64_t n) { return static_cast<double>(n); }

Step ratio(const std::string& what, const std::string& symbols, const std::string& numbers, double value,
           Kind kind = Kind::Exact) {
  return {what, symbols, numbers, value, kind};
}

/// Of the feed-forward part and attention, the first; both of them of what a token uses.
Story two_thirds(const Model& m, const ModelCount& c, std::int64_t context) {
  const ModelFlops f = flops(m, context);
  const auto sum = [](const auto& of) {
    return of(Component::Dense) + of(Component::Shared) + of(Component::Routed);
  };
  const std::int64_t ffn = sum([&](Component part) { return c[part].active; });
  const std::int64_t attention = c[Component::Attention].active;
  const std::int64_t flops_ffn =
      sum([&](Component part) { return f.forward[static_cast<std::size_t>(part)]; });
  const std::int64_t flops_both =
      flops_ffn + f.forward[static_cast<std::size_t>(Component::Attention)] + f.scores;
  return {
      "Is the MLP two thirds of a block?",
      {ratio("plain, F = 4 D, all heads with keys of their own", "2 D F of 2 D F + 4 D D", "8 / 12", 8. / 12),
       ratio("gated, F = 8/3 D, the same heads", "3 D F of 3 D F + 4 D D", "8 / 12", 8. / 12),
       ratio("gated, F = 3.5 D, keys for four heads each", "3 D F of 3 D F + 2.5 D D", "10.5 / 13",
             10.5 / 13),
       ratio("the first, in FLOPs, with scores over D tokens", "16 D D of 24 D D + 2 D D", "16 / 26",
             16. / 26),
       ratio("what a token uses here", "feed-forward of that and attention",
             digits(ffn) + " of " + digits(ffn) + " + " + digits(attention),
             real_of(ffn) / real_of(ffn + attention)),
       ratio("the same in FLOPs", "with scores over " + digits(context) + " tokens",
             digits(flops_ffn) + " of " + digits(flops_both), real_of(flops_ffn) / real_of(flops_both))},
      "Two thirds is what two widths give, together with heads that all have keys of their own. Shared keys "
      "make it more; and scores, which grow with the context, make it less in FLOPs."};
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
  Story story = what_sizes_buy(137e9, 8e9);
  story.moral += " The model of that size that was published in 2017, and is often told so, is another one:";
  return story;
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

std::vector<Story> stories_of(const NamedModel& named, const ModelCount& counted, std::int64_t context) {
  std::vector<Story> all;
  if (counted[Component::Attention].active > 0) all.push_back(two_thirds(named.model, counted, context));
  all.push_back(small_activations());
  all.push_back(what_flops_buy(1e11, proportions_of(named.model, counted)));
  if (counted.moe_layers > 0) all.push_back(why_so_few_are_active(counted, *named.model.moe));
  all.push_back(what_17x_would_be());
  all.push_back(shazeer());
  if (counted.moe_layers > 0)
    all.insert(all.end(), {textbook(named.model, *named.model.moe), below_uniform()});
  return all;
}

}  // namespace moe::cli
