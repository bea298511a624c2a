#include "../backends.h"
#include "../known.h"
#include "layer.h"

namespace moe {

const Backend kCudaBackend{
    "cuda",
    [](const Config& config, Format) -> std::string {
      const std::string unknown = unknown_to("cuda", config);
      return unknown.empty() ? cuda::why_not() : unknown;
    },
    [](const Config& config, const Inputs& inputs, Format dtype) -> std::unique_ptr<LoadedLayer> {
      switch (dtype) {
        case Format::F64:
          return std::make_unique<cuda::Layer<double>>(config, inputs);
        case Format::BF16:
          return std::make_unique<cuda::Layer<cuda::Bf16>>(config, inputs);
        case Format::F16:
          return std::make_unique<cuda::Layer<cuda::Half>>(config, inputs);
        default:
          return std::make_unique<cuda::Layer<float>>(config, inputs);
      }
    },
    Format::F32,
    [] { return cuda::device_text(); },
    [](LoadedLayer& layer, bool backward, int repeats) {
      return dynamic_cast<cuda::TimedLayer&>(layer).times(backward, repeats);
    }};

}  // namespace moe
