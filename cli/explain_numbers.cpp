#include "explain.h"

// Stories of any numbers: no model is needed.
namespace moe::cli {

std::string power_text(double x) {
  std::string text = real(x).text;
  if (const std::size_t e = text.find("e+"); e != std::string::npos)
    text.erase(e + 1, text[e + 2] == '0' ? 2 : 1);
  return text;
}

Proportions proportions_of(const Model& model, const ModelCount& counted) {
  return {model.name, static_cast<double>(counted.total), static_cast<double>(counted.matmul)};
}

Story what_flops_buy(double budget, const std::optional<Proportions>& like) {
  const double dense = budget / 2;
  Story story{
      "What do " + power_text(budget) + " FLOPs per token buy?",
      {{"dense", "C / 2 parameters", power_text(budget) + " / 2", dense, Kind::Exact}},
      "A multiply-add is two FLOPs, and a token meets each weight that it uses once: so a dense model "
      "has half as many parameters as FLOPs, scores of attention and input table aside."};
  if (!like) return story;
  const double for_each = like->total / like->active;
  story.steps.push_back({"sparse, as in " + like->name, "C / 2 x total / multiply-adds",
                         power_text(dense) + " x " + rounded(like->total) + " / " + rounded(like->active),
                         dense * for_each, Kind::Model});
  story.moral += " A sparse one has " + real(for_each, 3).text +
                 " times as many for the same FLOPs, if it keeps these proportions. They have to be stored, "
                 "not computed.";
  return story;
}

Story what_sizes_buy(double total, double active) {
  const double ratio = total / active;
  Story story{"What do " + rounded(total) + " parameters buy at " + rounded(active) + " active?",
              {{"parameters for each active one", "total / active",
                power_text(total) + " / " + power_text(active), ratio, Kind::Exact},
               {"FLOPs of a token, forward", "2 x active", "2 x " + rounded(active), 2 * active, Kind::Model},
               {"bytes of weights in bf16", "2 x total", "2 x " + rounded(total), 2 * total, Kind::Exact}},
              ""};
  story.moral = ratio == 1 ? "That is a dense model: a token uses all of it."
                           : real(ratio, 3).text +
                                 " times the parameters of a dense model of the same FLOPs per token, which "
                                 "has " +
                                 rounded(active) +
                                 ". Memory follows the total, FLOPs follow what is active; scores of "
                                 "attention are not in them.";
  return story;
}

Story below_uniform() {
  return {
      "Is the auxiliary loss E sum f P least where traffic is uniform?",
      {{"uniform, E = 2", "E sum f P", "2 x (0.5 x 0.5 + 0.5 x 0.5)", 1, Kind::Exact},
       {"f of 60 % at p = (0.51, 0.49), 40 % at (0.01, 0.99)", "tokens by first choice", "the first expert",
        6. / 10, Kind::Exact},
       {"P of the same", "mean of p", "0.6 x 0.51 + 0.4 x 0.01", 31. / 100, Kind::Exact},
       {"the loss there", "E sum f P", "2 x (0.6 x 0.31 + 0.4 x 0.69)", 924. / 1000, Kind::Exact}},
      "No: 0.924 is less than 1. f counts choices and P says how sure they are, and the two are against "
      "each other where those who choose the less used expert are surer. It is E sum P P that is least at "
      "even shares. The gradient is that of P, with f held fixed, and lowers the expert of more choices "
      "all the same. The golden case losses/below-uniform has the loss proven."};
}

}  // namespace moe::cli
