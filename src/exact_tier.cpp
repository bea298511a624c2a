#include "moe/exact_tier.h"

namespace moe {
namespace {

/// A visitor of the lists of trace.h that keeps what is exact to the last element.
class ExactCollector {
 public:
  void operator()(const std::string& name, const Dims& dims, Index first, const Exact* data, Index count) {
    Entry& entry = find(name, dims);
    for (Index i = 0; i < count; ++i) {
      entry.known = entry.known && data[i].known();
      entry.need.include(data[i].need());
      at(entry.values, first + i) = approx(data[i]);
    }
  }
  template <typename Integer>
  void operator()(const std::string&, const Dims&, Index, const Integer*, Index) {}

  std::vector<ExactTensor> close() const {
    std::vector<ExactTensor> all;
    for (const Entry& e : entries_)
      if (e.known)
        all.push_back({e.name, array_of(e.dims, e.values.data()), e.need.bits > 0 ? e.need : Need{0, 0, 0}});
    return all;
  }

 private:
  struct Entry {
    std::string name;
    Dims dims;
    std::vector<double> values;
    Need need{};
    bool known = true;
  };

  Entry& find(const std::string& name, const Dims& dims) {
    for (Entry& entry : entries_)
      if (entry.name == name) return entry;
    return entries_.emplace_back(Entry{name, dims, buffer<double>(product(dims))});
  }

  std::vector<Entry> entries_;
};

}  // namespace

std::vector<ExactTensor> exact_tensors(const Config& config, const Inputs& inputs,
                                       const Decisions& decisions) {
  ExactCollector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  try {
    const Params<Exact> params = params_of<Exact>(config, inputs);
    const Trace<Exact> trace = layer_forward(config, params, decisions);
    each_tensor(config, trace, visit);
    const Grads<Exact> grads =
        layer_backward(config, params, trace,
                       [&](Index e, const ExpertWeightGrads<Exact>& g) { each_block(config, e, g, visit); });
    each_tensor(config, trace.dispatch, grads, visit);
  } catch (const Undecided&) {
    return {};
  }
  return collector.close();
}

}  // namespace moe
