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

}  // namespace moe::cli
