#pragma once

#include "moe/check.h"
#include "moe/load.h"

/// Data sets that correct candidates and wrong ones are judged on.
namespace moe::calibration {

struct DataSet {
  std::string name;
  Config config;
  Inputs inputs;

  GoldenCase golden() const {
    GoldenCase c;
    c.id = name, c.inputs = inputs;
    return c;
  }
};

/// Numbers that round nowhere, changed so that sums drift and rounding errors are alike.
inline void change(Inputs& inputs, Tensor id, const std::function<double(double)>& f) {
  const auto found = inputs.find(id);
  if (found == inputs.end()) return;
  std::vector<double> values = buffer<double>(found->second.size());
  found->second.reals(0, values);
  for (double& v : values) v = f(v);
  found->second = array_of(found->second.dims, values.data());
}

/// Number i: the presets by turns, every third tiny (T, D, F at most 4), every second with activations of one sign,
/// weights off centre or ReLU experts.
inline DataSet data_set(int i) {
  constexpr std::array presets{"mixtral", "switch", "deepseek_v3", "shazeer2017", "gshard", "dense"};
  const std::string preset = presets[static_cast<std::size_t>(i) % presets.size()];
  std::vector<std::string> sets;
  const bool tiny = (i / 6 + i) % 3 == 2;
  const Index T = tiny ? 1 + i / 3 % 4 : 8 << (i / 6 % 4), D = tiny ? 1 + i / 2 % 4 : 16 << (i / 4 % 4),
              F = tiny ? 1 + i / 5 % 4 : 16 << (i / 3 % 4);
  const auto set = [&](const std::string& field, Index value) {
    sets.push_back(field + '=' + std::to_string(value));
  };
  set("shape.hidden_size", D), set("shape.ffn_size", F);
  if (preset == "deepseek_v3") {
    set("shape.num_experts", 16), set("shape.top_k", 4), set("router.n_group", 4),
        set("router.topk_group", 2);
    set("shared.ffn_size", F);
  }
  const int kind = i / 2 % 4;
  if (kind == 1) sets.push_back("experts.activation=relu");
  DataSet data{preset + " T " + std::to_string(T) + " D " + std::to_string(D) + " F " + std::to_string(F) +
                   " set " + std::to_string(i),
               {},
               {}};
  const Index groups = preset == "gshard" || preset == "deepseek_v3" ? 2 : 1;
  data.config = load_config(preset, sets, T * (T % groups == 0 ? 1 : groups)).config;
  data.inputs = seeded_inputs(data.config, kDefaultSeed + static_cast<std::uint64_t>(i));
  for (auto& [id, a] : data.inputs) a = materialized(std::move(a));
  if (kind == 2) change(data.inputs, Tensor::x, [](double v) { return std::abs(v); });
  if (kind == 3)
    for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down})
      change(data.inputs, id, [](double v) { return v + 0x1p-4; });
  return data;
}

/// A tensor in the format that the profile keeps it in, or computes in.
inline Array returned(const std::string& name, const Array& a, const Profile& profile) {
  Precision kept = profile.result;
  for (std::size_t i = 0; i < kTensors.size(); ++i)
    if (name == kTensors[i].name && profile.store[i].bits > 0) kept = profile.store[i];
  const Format format = kept.bits == 8    ? Format::BF16
                        : kept.bits == 11 ? Format::F16
                        : kept.bits == 24 ? Format::F32
                                          : Format::F64;
  return converted(a, format, name);
}

}  // namespace moe::calibration
