#pragma once

#include "moe/json.h"
#include "moe/safetensors.h"

namespace moe {

/// Arrays as JSON: {dtype, shape, axes, data | b64 | file and tensor, recipe, sha256}. Up to 4,096 elements stand as
/// numbers, up to 65,536 as base64; larger ones are a recipe, or go to the safetensors file `sidecar`. A recipe of more than
/// 2^26 elements is not drawn, so it has no sha256.
class TensorWriter {
 public:
  explicit TensorWriter(std::string sidecar) : sidecar_(std::move(sidecar)) {}

  Json operator()(const std::string& name, const Array& array);
  /// From here on, tensors stand in the sidecar as `prefix` and their names: those of several cases share it.
  void begin(std::string prefix) { prefix_ = std::move(prefix); }
  /// What must be written to the sidecar; empty if nothing was too large.
  const Arrays& large() const { return large_; }

 private:
  std::string sidecar_, prefix_;
  Arrays large_;
};

/// The array that such JSON describes; `file` is looked for beside `document`. Throws Error for whatever does not fit
/// together, the sha256 included.
Array array_from_json(const std::string& name, const Json& json, const std::string& document);
/// Its format and shape alone, without elements.
Array shape_from_json(const std::string& name, const Json& json, const std::string& document);

}  // namespace moe
