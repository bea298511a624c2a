#include <cstdlib>

#include "moe/deployment.h"
#include "moe/error.h"
#include "moe/sizing_json.h"

using namespace moe;

/// Whatever a config.json holds, it is a model whose counts fit 64 bits, or an Error of one line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const Model model = model_from_huggingface(parse_python_json(text, "config.json"), "config.json").model;
    if (count(model).total <= 0 || flops(model, 4096).forward_total <= 0) std::abort();
    if (kv_numbers_per_token(model) < 0 || state_numbers(model) < 0) std::abort();
    if (kv_numbers_in_windows(model, 4096) < 0) std::abort();
    std::int64_t held = 0;
    for (const DeviceCount& device : deploy(model, {.tp = 2, .pp = 2, .ep = 2, .dp = 2, .zero = 1})) {
      if (device.total < 0 || training_bytes(device, {}, "adamw16") < 0) std::abort();
      held += device.total;
    }
    if (held <= 0) std::abort();
  } catch (const Error& e) {
    const std::string line = e.what();
    if (line.empty() || line.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
