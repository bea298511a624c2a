#include "moe/inputs_digest.h"

#include "moe/encode.h"

namespace moe {
namespace {

constexpr Index kDrawn = Index{1} << 26, kChunk = 65536;

/// The digests of all chunks of 65,536 numbers as binary64, one after the other.
std::string values_digest(const Array& a) {
  std::string digests;
  std::vector<double> values;
  for (Index first = 0; first < a.size(); first += kChunk) {
    values.resize(static_cast<std::size_t>(std::min(kChunk, a.size() - first)));
    a.reals(first, values);
    for (double& x : values) x += 0.0;  // -0 and 0 are one number
    digests += sha256(std::as_bytes(std::span(values)));
  }
  return sha256(digests);
}

}  // namespace

std::string inputs_digest(const Inputs& inputs) {
  std::ostringstream text;
  for (const auto& [id, a] : inputs) {
    text << name_of(id) << ' ' << shape_text(a.dims) << ' ';
    if (a.bytes.empty() && a.recipe && a.size() > kDrawn)
      text << "philox4x32-10 " << a.recipe->stream.seed << ' ' << a.recipe->stream.tensor << ' '
           << a.recipe->stream.case_number << ' ' << a.recipe->shift << '\n';
    else
      text << values_digest(a) << '\n';
  }
  return sha256(text.str());
}

}  // namespace moe
