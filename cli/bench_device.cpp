#include "bench_device.h"

#include "moe/backend.h"
#include "moe/validate.h"

namespace moe::cli {
namespace {

constexpr double kMostBytes =
    24e9;  // of the weights of a layer's experts, so that their gradients fit beside them

struct DeviceRow {
  std::string shape, dtype, load;
  Config config;
  PartTime time;

  double floor() const { return std::max(time.arithmetic, time.memory); }
};

/// The layer of a model, made smaller until it fits.
NamedConfig layer_that_fits(const NamedModel& named, Format dtype) {
  if (!named.model.moe || named.model.moe->branches > 0 || named.model.moe->latent_size > 0)
    throw Error("MODEL", "MODEL = " + named.model.name + " must have experts that this program computes");
  std::int64_t s = 1;
  NamedConfig layer;
  do {
    layer.config = layer_of(*named.model.moe, named.model.hidden_size, 1, s);
    layer.name = named.model.name + (s > 1 ? " / " + std::to_string(s) : "");
    s *= 2;
  } while (expert_weights(layer.config) * static_cast<double>(info_of(dtype).bytes) > kMostBytes);
  validate(layer.config);
  return layer;
}

Json row_json(const DeviceRow& r) {
  return {{"shape", r.shape},
          {"dtype", r.dtype},
          {"tokens", r.config.shape.num_tokens},
          {"load", r.load},
          {"part", r.time.part},
          {"seconds", r.time.seconds},
          {"floor_arithmetic_seconds", r.time.arithmetic},
          {"floor_memory_seconds", r.time.memory},
          {"floor_ratio", r.floor() / r.time.seconds},
          {"hidden_size", r.config.shape.hidden_size},
          {"ffn_size", r.config.shape.ffn_size},
          {"num_experts", r.config.shape.num_experts},
          {"top_k", r.config.shape.top_k}};
}

int print(const std::vector<DeviceRow>& rows, const Backend& backend, const Output& output) {
  Table table(
      {"shape", "dtype", "tokens", "load", "part", "ms", "arithmetic_ms", "memory_ms", "floor_ratio"});
  Json document{{"device", backend.how()}, {"rows", Json::array()}};
  for (const DeviceRow& r : rows) {
    table.add({words(r.shape), words(r.dtype), whole(r.config.shape.num_tokens), words(r.load),
               words(r.time.part), real(1e3 * r.time.seconds, 3), real(1e3 * r.time.arithmetic, 3),
               real(1e3 * r.time.memory, 3), real(r.floor() / r.time.seconds, 3)});
    document["rows"].push_back(row_json(r));
  }
  const std::string note = "On " + backend.how() +
                           ": medians by the device's own clock, with the batch already there. arithmetic: "
                           "the layer's FLOPs at the rate of a "
                           "large product of the same format; memory: what has to be read and written at the "
                           "rate of a copy; floor_ratio: the "
                           "larger of the two over what was taken.";
  return output.print(document, table, table.text() + '\n' + wrapped(note));
}

}  // namespace

int bench_device(const DeviceBench& bench, const Output& output) {
  const Backend& backend = backend_called(bench.backend);
  if (backend.times == nullptr)
    throw CannotRun("backend " + bench.backend + " has no clock of its own: bench times only cpu and cuda");
  std::vector<DeviceRow> rows;
  for (const std::string& model : bench.models)
    for (const std::string& dtype : bench.dtypes) {
      const Format format = real_format("--dtype", dtype);
      if (const std::string reason = backend.declines(Config(), format); !reason.empty())
        throw CannotRun(reason);
      const NamedConfig named = layer_that_fits(model_called(model), format);
      const Inputs weights = weights_for(named.config);
      const std::unique_ptr<LoadedLayer> layer = load_on(backend, named.config, weights, format);
      for (const Load load : bench.loads)
        for (const Index T : bench.tokens) {
          Config at_tokens = named.config;
          at_tokens.shape.num_tokens = T;
          layer->forward(batch_for(at_tokens, load, 0));
          for (PartTime& time : backend.times(*layer, bench.backward, bench.repeats))
            rows.push_back(
                {named.name, dtype, kLoads[static_cast<std::size_t>(load)], at_tokens, std::move(time)});
        }
    }
  return print(rows, backend, output);
}

}  // namespace moe::cli
