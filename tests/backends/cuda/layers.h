#pragma once

#include <cstdio>

#include "../../support.h"
#include "moe/backend.h"
#include "moe/check.h"

/// Layers, what the CUDA backend makes of them, and what `check` says of that.
namespace moe {

inline const std::vector<std::string> kPresetNames{"dense",  "shazeer2017", "gshard",
                                                   "switch", "mixtral",     "deepseek_v3"};
inline constexpr std::array kDtypes{Format::F64, Format::F32, Format::BF16, Format::F16};

struct Layer {
  Config config;
  Inputs inputs;
};
inline Layer layer_of(const std::string& preset, const std::vector<std::string>& sets = {}) {
  Layer layer{load_config(preset, sets).config, {}};
  layer.inputs = seeded_inputs(layer.config);
  for (auto& [id, a] : layer.inputs) a = materialized(std::move(a));
  return layer;
}

/// Says so, for ctest to count it, where nothing can be computed.
inline bool no_device() {
  const std::string reason = backend_called("cuda").declines(Config(), Format::F32);
  if (!reason.empty()) std::printf("SKIPPED: no device: %s\n", reason.c_str());
  return !reason.empty();
}

inline Arrays on_cuda(const Layer& layer, Format dtype) {
  return evaluate_on(backend_called("cuda"), layer.config, layer.inputs, dtype, true);
}

/// "" if the answer passes in every tensor, else the first that does not and why.
inline std::string wrong_in(const CheckCase& c, const Arrays& answer) {
  const CaseVerdict verdict = check(c, {answer, {}, {}}, {});
  for (const std::string& name : verdict.missing) return name + " is missing";
  for (const std::string& name : verdict.unknown) return name + " is unknown";
  if (verdict.routing && verdict.routing->status != Status::Pass)
    return "routing: " + verdict.routing->reason;
  for (const TensorVerdict& v : verdict.tensors)
    if (v.status != Status::Pass && v.status != Status::LowPower && v.status != Status::Skipped)
      return v.name + ": " + v.reason;
  if (verdict.status == Status::Flag || verdict.status == Status::Fail) return verdict.reason;
  return "";
}
inline std::string wrong_in(const Layer& layer, const Arrays& answer) {
  CheckCase c;
  c.golden.id = "test/layer", c.golden.inputs = layer.inputs, c.config = layer.config;
  return wrong_in(c, answer);
}

inline const Array& tensor_of(const Arrays& arrays, const std::string& name) {
  for (const auto& [known, a] : arrays)
    if (known == name) return a;
  throw std::out_of_range(name);
}

/// Where two answers differ in a bit; "" if nowhere.
inline std::string other_bits(const Arrays& a, const Arrays& b) {
  if (a.size() != b.size() || a.empty()) return "other tensors";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || a[i].second.bytes != b[i].second.bytes) return a[i].first;
  return "";
}

}  // namespace moe
