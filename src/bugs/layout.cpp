#include <memory>

#include "list.h"

// Mistakes in where experts' weights are read from: right numbers at wrong places.
namespace moe {
namespace {

/// Where an implementation finds element i of a tensor: in which one, and at which place.
struct Read {
  Tensor id;
  Index i;
};
using Reads = std::function<Read(Tensor id, Index i)>;

constexpr std::array kWeights{Tensor::experts_gate,      Tensor::experts_up,      Tensor::experts_down,
                              Tensor::experts_gate_bias, Tensor::experts_up_bias, Tensor::experts_down_bias};

/// Weights read from other places, each from one; their gradients go to where they were read from. `reading` gives no
/// function where a layer leaves no room for the mistake.
Bug misreads(std::string name, const std::function<Reads(const Config&, const Plan&)>& reading) {
  Bug bug{std::move(name)};
  bug.inputs = [reading](const Config& config, Inputs& inputs) {
    const Reads from = reading(config, decide(config, params_of<double>(config, inputs)).plan);
    const Inputs before = inputs;
    for (const Tensor id : kWeights) {
      const auto found = inputs.find(id);
      if (!from || found == inputs.end()) continue;
      std::vector<double> values;
      for (Index i = 0; i < found->second.size(); ++i) {
        const Read place = from(id, i);
        values.push_back(before.at(place.id).real(place.i));
      }
      found->second = array_of(found->second.dims, values.data());
    }
  };
  bug.tensors = [reading](const Config& config, const Inputs&, const Decisions& d, Arrays& answer) {
    const Reads from = reading(config, d.plan);
    const Arrays before = answer;
    std::map<Tensor, std::unique_ptr<Editable>> gradient;
    for (const Tensor id : kWeights)
      gradient[id] = std::make_unique<Editable>(answer, std::string("grad.") + name_of(id));
    for (const Tensor id : kWeights)
      for (const auto& [known, g] : before)
        for (Index i = 0; from && known == std::string("grad.") + name_of(id) && i < g.size(); ++i) {
          const Read place = from(id, i);
          (*gradient[place.id])[place.i] = g.real(i);
        }
  };
  return bug;
}

/// Rows of gate and up (and of their biases) taken from a matrix in which they stand together: `from(which, f)`, which 0 for
/// gate and 1 for up, gives the same of the row that is read.
using Row = std::pair<Index, Index>;
Bug takes_rows(std::string name, std::function<Row(Index which, Index f, Index F)> from) {
  return misreads(std::move(name), [from = std::move(from)](const Config& config, const Plan&) -> Reads {
    if (!config.experts.glu) return {};
    return [from, F = config.shape.ffn_size, D = expert_width(config)](Tensor id, Index i) -> Read {
      const bool bias = id == Tensor::experts_gate_bias || id == Tensor::experts_up_bias;
      if (!bias && id != Tensor::experts_gate && id != Tensor::experts_up) return {id, i};
      const Index width = bias ? 1 : D, e = i / (F * width), f = i / width % F;
      const auto [which, row] = from(id == Tensor::experts_up || id == Tensor::experts_up_bias ? 1 : 0, f, F);
      const Tensor gate = bias ? Tensor::experts_gate_bias : Tensor::experts_gate,
                   up = bias ? Tensor::experts_up_bias : Tensor::experts_up;
      return {which == 0 ? gate : up, (e * F + row) * width + i % width};
    };
  });
}

/// Each matrix of an expert read as if it lay the other way round in memory.
Bug transposes(std::string name, bool into, bool down) {
  return misreads(std::move(name), [=](const Config& config, const Plan&) -> Reads {
    return [=, F = config.shape.ffn_size, D = expert_width(config)](Tensor id, Index i) -> Read {
      const bool is_into = id == Tensor::experts_gate || id == Tensor::experts_up,
                 is_down = id == Tensor::experts_down;
      if (!(is_into && into) && !(is_down && down)) return {id, i};
      const Index rows = is_into ? F : D, cols = is_into ? D : F, e = i / (rows * cols);
      return {id, e * rows * cols + i % cols * rows + i / cols % rows};
    };
  });
}

/// The weights of expert from(e) for those of e.
Bug takes_experts(std::string name,
                  std::function<std::function<Index(Index e)>(const Config&, const Plan&)> from) {
  return misreads(std::move(name), [from = std::move(from)](const Config& config, const Plan& plan) -> Reads {
    const auto other = from(config, plan);
    if (!other) return {};
    return [other, F = config.shape.ffn_size, D = expert_width(config)](Tensor id, Index i) -> Read {
      const Index size = id == Tensor::experts_down_bias                                    ? D
                         : id == Tensor::experts_gate_bias || id == Tensor::experts_up_bias ? F
                                                                                            : F * D;
      return {id, other(i / size) * size + i % size};
    };
  });
}
std::function<Index(Index)> exchange(Index a, Index b) {
  return [=](Index e) { return e == a ? b : e == b ? a : e; };
}

/// The first two experts that get equally many rows.
std::function<Index(Index)> equal_load(const Config& config, const Plan& plan) {
  for (Index b = 1; b < computed_experts(config); ++b)
    for (Index a = 0; a < b; ++a)
      if (plan.count(a) == plan.count(b) && plan.count(a) > 0) return exchange(a, b);
  return {};
}

}  // namespace

Bug exchanges(Index a, Index b) {
  return takes_experts(
      "expert: the weights of experts " + std::to_string(a) + " and " + std::to_string(b) + " exchanged",
      [=](const Config&, const Plan&) { return exchange(a, b); });
}

std::vector<Bug> layout_bugs() {
  return {
      takes_rows("expert: gate and up exchanged",
                 [](Index which, Index f, Index) {
                   return Row{1 - which, f};
                 }),
      takes_rows("expert: gate and up taken for interleaved, where they are halves",
                 [](Index which, Index f, Index F) {
                   const Index row = 2 * f + which;
                   return Row{row / F, row % F};
                 }),
      takes_rows("expert: gate and up taken for halves, where they are interleaved",
                 [](Index which, Index f, Index F) {
                   const Index row = which * F + f;
                   return Row{row % 2, row / 2};
                 }),
      transposes("expert: gate, up and down read in the order of their transposes", true, true),
      transposes("expert: gate and up read in the order of their transposes", true, false),
      transposes("expert: down read in the order of its transpose", false, true),
      takes_experts("expert: two experts of equal load exchanged", equal_load),
      takes_experts("expert: the weights of the next expert",
                    [](const Config& config, const Plan&) -> std::function<Index(Index)> {
                      return [E = computed_experts(config)](Index e) { return (e + 1) % E; };
                    }),
  };
}

}  // namespace moe
