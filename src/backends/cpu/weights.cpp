#include "weights.h"

#include "moe/parallel.h"
#include "numbers.h"

namespace moe::cpu {
namespace {

/// Rows of a block: of f32 weights, 2 MiB for D = 2048; less of bf16 ones that a thread widens into memory of its own.
Index block_of(Storage kept) { return kept == Storage::F32 || multiplies_bf16() ? 256 : 64; }

/// A matrix (rows, cols) as it lies in a tensor of the inputs, from element `first` on.
struct Stored {
  const Array* a;
  Tensor id;
  Index first, rows, cols;

  /// Elements [i, i + n), none of them rounded.
  void read(Index i, Index n, Storage storage, float* to) const {
    if (copied(i, n, storage, to)) return;
    thread_local std::vector<double> values;
    values.resize(static_cast<std::size_t>(n));
    a->reals(first + i, values);
    for (Index j = 0; j < n; ++j) {
      const double value = at(values, j);
      to[j] = static_cast<float>(value);
      if (static_cast<double>(storage == Storage::F32 ? to[j] : rounded_to_bf16(to[j])) != value)
        refuse(first + i + j, value, storage);
    }
  }
  /// to[c stride + i] = W_i,j+c for c < n: columns as rows, by squares that a cache holds.
  void read_columns(Index j, Index n, Storage storage, float* to, Index stride) const {
    constexpr Index kSquare = 16;
    std::vector<float> part = buffer<float>(kSquare * n);
    for (Index i = 0; i < rows; i += kSquare) {
      const Index some = std::min(kSquare, rows - i);
      for (Index r = 0; r < some; ++r) read((i + r) * cols + j, n, storage, part.data() + r * n);
      for (Index c = 0; c < n; ++c)
        for (Index r = 0; r < some; ++r) to[c * stride + i + r] = at(part, r * n + c);
    }
  }
  /// Reads formats that the storage holds anyway: bytes as they are.
  bool copied(Index i, Index n, Storage storage, float* to) const {
    if (a->bytes.empty()) return false;
    const std::byte* from = a->bytes.data() + (first + i) * info_of(a->format).bytes;
    if (a->format == Format::F32 && storage == Storage::F32) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
      return true;
    }
    if (a->format != Format::BF16) return false;
    thread_local std::vector<std::uint16_t> halves;
    halves.resize(static_cast<std::size_t>(n));
    std::memcpy(halves.data(), from, halves.size() * sizeof(std::uint16_t));
    widen(halves.data(), n, to);
    return true;
  }
  void refuse(Index i, double value, Storage storage) const {
    std::ostringstream text;
    text << name_of(id) << '[' << i << "] = ";
    show(text, value);
    text << " is no number of " << (storage == Storage::F32 ? "f32" : "bf16")
         << ", and backend cpu rounds no inputs";
    throw CannotRun(text.str());
  }
};

std::vector<Index> widths_of(Index rows, Index block, Index parts) {
  std::vector<Index> widths;
  for (Index first = 0; first < rows; first += block) widths.push_back(parts * std::min(block, rows - first));
  return widths;
}

/// x -> x W^T for matrices of equal shapes, whose numbers are ones of the storage and are kept as `kept`; each block has
/// rows of the first, then the same rows of the next.
Linear map_of(const std::vector<Stored>& W, Storage storage, Storage kept) {
  const auto parts = static_cast<Index>(W.size());
  const Index block = block_of(kept) / parts, rows = W.front().rows, cols = W.front().cols;
  return {widths_of(rows, block, parts), cols, kept, [&](Index b, float* to) {
            const Index first = b * block, n = std::min(block, rows - first) * cols;
            for (const Stored& matrix : W) matrix.read(first * cols, n, storage, to), to += n;
          }};
}

/// dy -> dy W; dy has the columns of the first matrix, then those of the next.
Linear map_back(const std::vector<Stored>& W, Storage storage, Storage kept) {
  const Index block = block_of(kept), rows = W.front().rows, cols = W.front().cols;
  const Index k = static_cast<Index>(W.size()) * rows;
  return {widths_of(cols, block, 1), k, kept, [&](Index b, float* to) {
            const Index first = b * block, n = std::min(block, cols - first);
            for (const Stored& matrix : W) matrix.read_columns(first, n, storage, to, k), to += rows;
          }};
}

/// Where the matrices of expert e lie: gate, if there is one, and up; down.
struct ExpertMatrices {
  std::vector<Stored> in, out;
};
ExpertMatrices matrices_of(const Config& config, const Inputs& inputs, Index e) {
  const bool shared = e == config.shape.num_experts;
  const Index D = shared ? config.shape.hidden_size : expert_width(config),
              F = shared ? config.shared.ffn_size : config.shape.ffn_size;
  const Index first = shared ? 0 : e * F * D;
  const auto stored = [&](Tensor id, Index rows, Index cols) {
    return Stored{&inputs.at(id), id, first, rows, cols};
  };
  ExpertMatrices all;
  if (config.experts.glu) all.in.push_back(stored(shared ? Tensor::shared_gate : Tensor::experts_gate, F, D));
  all.in.push_back(stored(shared ? Tensor::shared_up : Tensor::experts_up, F, D));
  all.out.push_back(stored(shared ? Tensor::shared_down : Tensor::experts_down, D, F));
  return all;
}

std::vector<Stored> whole(const Inputs& inputs, Tensor id, Index rows, Index cols) {
  return {{&inputs.at(id), id, 0, rows, cols}};
}

}  // namespace

Expert load_expert(const Config& config, const Inputs& inputs, Index e, Storage storage, Storage kept) {
  const ExpertMatrices W = matrices_of(config, inputs, e);
  Expert expert;
  expert.F = W.in.front().rows, expert.F1 = expert.F * static_cast<Index>(W.in.size());
  expert.in = map_of(W.in, storage, kept);
  expert.out = map_of(W.out, storage, kept);
  if (!has_bias(config) || e == config.shape.num_experts) return expert;
  const auto bias = [&](Tensor id, Index n) {
    Matrix<float> b(1, n);
    Stored{&inputs.at(id), id, e * n, 1, n}.read(0, n, storage, b.data());
    return b;
  };
  if (config.experts.glu) expert.gate_bias = bias(Tensor::experts_gate_bias, expert.F);
  expert.up_bias = bias(Tensor::experts_up_bias, expert.F);
  expert.down_bias = bias(Tensor::experts_down_bias, expert_width(config));
  return expert;
}

void load_transposes(const Config& config, const Inputs& inputs, Index e, Storage storage, Storage kept,
                     Expert& expert) {
  const ExpertMatrices W = matrices_of(config, inputs, e);
  expert.in_back = map_back(W.in, storage, kept);
  expert.out_back = map_back(W.out, storage, kept);
}

Linear load_map(const Inputs& inputs, Tensor id, Index rows, Index D, Storage storage) {
  return map_of(whole(inputs, id, rows, D), storage, Storage::F32);
}
Linear load_map_back(const Inputs& inputs, Tensor id, Index rows, Index D, Storage storage) {
  return map_back(whole(inputs, id, rows, D), storage, Storage::F32);
}

void load_matrix(const Inputs& inputs, Tensor id, Index rows, Index cols, Storage storage, Floats& to) {
  const auto found = inputs.find(id);
  if (found == inputs.end()) return to.prepare(0, cols);
  const Stored stored{&found->second, id, 0, rows, cols};
  to.prepare(rows, cols);
  parallel_for(rows, [&](Index i) { stored.read(i * cols, cols, storage, to.row(i)); });
}

}  // namespace moe::cpu
