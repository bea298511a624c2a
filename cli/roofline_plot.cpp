#include "roofline_plot.h"

#include <cmath>

#include "moe/occupancy.h"
#include "moe/twins.h"
#include "moe/units.h"
#include "sizing.h"
#include "table.h"

namespace moe::cli {
namespace {

/// Experts, or a dense block, which is one expert that every token uses; b bytes a weight.
struct Block {
  std::string name;
  double E, K, b;
  int colour;
  Beside side;
  Mark mark;
};

/// A block on the roof at batches 1, 4, 16, ... to the first that arithmetic limits. Batches that are nearer to each
/// other than `near`, a ratio of intensities, share a name.
void add_batches(Panel& panel, const Machine& m, const Block& block, double near) {
  Curve dots{block.name, {}, {}, block.mark, block.colour};
  std::int64_t first = 1;
  double named = 0;
  for (std::int64_t batch = 1;; batch *= 4) {
    const double x = expert_intensity(static_cast<double>(batch), block.E, block.K, block.b);
    const double y = std::min(m.peak, m.bandwidth * x);
    if (x > near * named) {
      panel.labels.push_back({x, y, "", block.side});
      first = batch, named = x;
    }
    panel.labels.back().text = std::to_string(first) + (batch > first ? " to " + std::to_string(batch) : "");
    dots.x.push_back(x), dots.y.push_back(y);
    if (x > m.ridge() || batch > INT32_MAX) break;
  }
  panel.curves.push_back(dots);
}

Panel roof(const Machine& m, const std::vector<Block>& blocks) {
  Panel panel;
  panel.title = m.name + ": " + amount(m.peak, "FLOP/s") + ", " + amount(m.bandwidth, "B/s");
  panel.x = {"FLOP/byte of weights", true, false, "FLOP/byte"};
  panel.y = {"attainable FLOP/s; at the dots the tokens in the batch", true, false, "FLOP/s"};
  double least = m.ridge() / 10;
  for (const Block& block : blocks) least = std::min(least, expert_intensity(1, block.E, block.K, block.b));
  const double from = least / 4, to = 12 * m.ridge();
  panel.curves.push_back({"limit of memory, then of arithmetic",
                          {from, m.ridge(), to},
                          {m.bandwidth * from, m.peak, m.peak},
                          Mark::Line,
                          6});
  const double bottom = m.bandwidth * from;
  panel.curves.push_back({"", {m.ridge(), m.ridge()}, {bottom, m.peak}, Mark::Dashes, 1});
  panel.curves.push_back({"", {m.ridge()}, {m.peak}, Mark::Dots, 1});
  panel.labels.push_back({m.ridge(), 2 * bottom, "ridge " + real(m.ridge()).text + " FLOP/byte"});
  for (const Block& block : blocks) add_batches(panel, m, block, std::pow(to / from, 0.09));
  return panel;
}

Curve decoding(const Model& model, const Machine& machine, DecodeSetting setting, double most) {
  Curve curve;
  for (const double batch : geometric(1, std::pow(10, 0.05), most)) {
    setting.batch = batch;
    curve.x.push_back(batch), curve.y.push_back(decode_bound(model, machine, setting).tokens_per_second);
  }
  return curve;
}

}  // namespace

Plot roofline_plot(const Model& model, const Machine& machine, const DecodeSetting& setting) {
  const bool sparse = count(model).moe_layers > 0;
  const double b = setting.weight_bytes[static_cast<std::size_t>(Component::Dense)],
               expert_bytes = setting.weight_bytes[static_cast<std::size_t>(Component::Routed)];
  std::vector<Block> blocks{{sparse ? "dense twin" : "dense block", 1, 1, b, 2, Beside::Below, Mark::Rings}};
  double most = 4 * crossover_batch(machine, 1, 1, b);
  if (sparse) {
    const auto E = static_cast<double>(model.moe->num_experts), K = static_cast<double>(model.moe->top_k);
    blocks.push_back({"experts, " + real(K).text + " of " + real(E).text + " a token", E, K, expert_bytes, 0,
                      Beside::Above, Mark::Dots});
    most = std::max(most, 4 * crossover_batch(machine, E, K, expert_bytes));
  }
  Panel speed;
  speed.title = "decoding at a context of " + with_commas(setting.context);
  speed.x = {"sequences in the batch", true}, speed.y = {"tokens/s, upper bound", true, false, "tokens/s"};
  Curve itself = decoding(model, machine, setting, most), arithmetic = itself;
  itself.title = model.name, arithmetic.title = "arithmetic alone";
  arithmetic.mark = Mark::Dashes, arithmetic.colour = 1;
  DecodeSetting largest = setting;
  largest.batch = most;
  const double alone = most * machine.peak / decode_bound(model, machine, largest).flops;
  std::fill(arithmetic.y.begin(), arithmetic.y.end(), alone);
  speed.curves = {itself};
  if (sparse && setting.devices.devices() == 1) {
    DecodeSetting at_home = setting;
    at_home.offloaded = 0;
    speed.curves.push_back(decoding(twin_of(model, Match::Flops, {}).model, machine, at_home, most));
    speed.curves.back().title = "dense twin of equal FLOPs", speed.curves.back().colour = 2;
  }
  speed.curves.push_back(arithmetic);
  return {model.name + " on " + machine.name, {roof(machine, blocks), speed}, {}, {}};
}

}  // namespace moe::cli
