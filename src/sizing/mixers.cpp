#include "mixers.h"

namespace moe {
namespace {

/// Matrices and the rest, from which params follow.
BlockCount block(Whole matrices, Whole rest, const Extra& extra = {}) {
  BlockCount sum = count_of(extra);
  sum.params += matrices + rest, sum.matmul += matrices;
  return sum;
}

/// The width of a head's values.
Whole value_size(const Gqa& a) { return a.value_size > 0 ? a.value_size : a.head_size; }

/// (D1)
BlockCount count_of(const Gqa& a, Whole D) {
  const Whole h = a.head_size, v = value_size(a), queries = (a.output_gate ? 2 : 1) * a.heads * h;
  const Whole keys = a.kv_heads * h, values = a.kv_heads * v;
  Whole rest = 0;
  if (a.qkv_bias) rest += queries + keys + (a.value_is_key ? 0 : values);
  if (a.output_bias) rest += D;
  if (a.sinks) rest += a.heads;
  if (a.qk_norm == Gqa::QkNorm::PerHead) rest += 2 * h;
  if (a.qk_norm == Gqa::QkNorm::Full) rest += a.heads * h + keys;
  Whole matrices = D * (queries + keys + (a.value_is_key ? 0 : values)) + a.heads * v * D;
  if (a.head_gate) matrices += D * a.heads;
  return block(matrices, rest, a.extra);
}

/// (D2)
BlockCount count_of(const Mla& a, Whole D) {
  const Whole H = a.heads, q = a.q_rank, c = a.kv_rank, n = a.nope_size, r = a.rope_size, v = a.value_size;
  const Whole queries = a.q_rank > 0 ? D * q + q * H * (n + r) : D * H * (n + r);
  Whole matrices = queries + D * (c + r) + c * H * (n + v) + H * v * D, rest = q + c;
  if (a.index_heads > 0) {
    const Whole I = a.index_size;
    matrices += (a.q_rank > 0 ? q : D) * a.index_heads * I + D * I + D * a.index_heads;
    rest += 2 * I;  // the keys' layer norm has a bias
  }
  if (a.bias) rest += q + c + r + D;
  if (a.sinks) rest += H;
  if (a.head_gate) matrices += D * H;
  if (a.output_gate) matrices += D * H * v;
  return block(matrices, rest, a.extra);
}

/// (D3)
BlockCount count_of(const Lightning& a, Whole D) {
  const Whole Hh = Whole(a.heads) * a.head_size;
  return block(5 * D * Hh, Hh);
}

/// (D4)
BlockCount count_of(const DeltaNet& a, Whole D) {
  const Whole keys = Whole(a.key_heads) * a.key_size, values = Whole(a.value_heads) * a.value_size;
  const Whole matrices = D * (2 * keys + 2 * values) + 2 * D * a.value_heads + values * D;
  return block(matrices, a.convolution * (2 * keys + values) + 2 * Whole(a.value_heads) + a.value_size);
}

/// (D5)
BlockCount count_of(const Mamba1& a, Whole D) {
  const Whole I = a.inner_size, N = a.state_size, dt = a.step_rank;
  const Whole matrices = 2 * D * I + I * (dt + 2 * N) + dt * I + I * D;
  // Convolution; the bias of the step, and the skip; the decays; norms of step and state.
  const Whole biases = (a.convolution_bias ? I : 0) + (a.projection_bias ? 2 * I + D : 0);
  return block(matrices, a.convolution * I + biases + 2 * I + N * I + dt + 2 * N);
}

/// (D6)
BlockCount count_of(const Mamba2& a, Whole D) {
  const Whole I = Whole(a.heads) * a.head_size, GN = Whole(a.groups) * a.state_size, H = a.heads;
  const Whole matrices = D * (2 * I + 2 * GN + H) + I * D;
  const Whole biases = a.projection_bias ? 2 * I + 2 * GN + H + D : 0;
  const Whole taps = Whole(a.convolution) + (a.convolution_bias ? 1 : 0);
  return block(matrices, taps * (I + 2 * GN) + biases + 3 * H + I);
}

/// (D10)
BlockCount count_of(const KimiDelta& a, Whole D) {
  const Whole H = a.heads, h = a.head_size, Hh = H * h;
  const auto map = [&](Whole rank, bool low) { return low ? D * rank + rank * Hh : D * Hh; };
  const Whole matrices =
      4 * D * Hh + D * H + map(a.decay_rank, a.decay_rank > 0) + map(a.gate_rank, a.gate_rank > 0);
  return block(matrices, 3 * Whole(a.convolution) * Hh + Hh + H + h);
}

/// (D11)
BlockCount count_of(const ShortConvolution& a, Whole D) {
  return block(4 * D * D, a.convolution * D + (a.bias ? 5 * D : 0));
}

/// (D7)
BlockCount count_of(const Lstm&, Whole D) { return block(4 * (D + D) * D, 0); }

void field(const char* name, std::int64_t value, std::int64_t least) {
  constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;
  require(least <= value && value <= kMost, name, value, "must lie in [", least, ", ", kMost, ']');
}

void validate_of(const Gqa& a) {
  field("heads", a.heads, 1), field("kv_heads", a.kv_heads, 0), field("head_size", a.head_size, 1);
  field("value_size", a.value_size, 0);
}
void validate_of(const Mla& a) {
  field("heads", a.heads, 1), field("q_rank", a.q_rank, 0), field("kv_rank", a.kv_rank, 1);
  field("nope_size", a.nope_size, 0), field("rope_size", a.rope_size, 0),
      field("value_size", a.value_size, 1);
  field("index_heads", a.index_heads, 0), field("index_size", a.index_size, a.index_heads > 0 ? 1 : 0);
}
void validate_of(const Lightning& a) { field("heads", a.heads, 1), field("head_size", a.head_size, 1); }
void validate_of(const DeltaNet& a) {
  field("key_heads", a.key_heads, 1), field("value_heads", a.value_heads, 1),
      field("key_size", a.key_size, 1);
  field("value_size", a.value_size, 1), field("convolution", a.convolution, 1);
}
void validate_of(const Mamba1& a) {
  field("inner_size", a.inner_size, 1), field("state_size", a.state_size, 1);
  field("convolution", a.convolution, 1), field("step_rank", a.step_rank, 1);
}
void validate_of(const Mamba2& a) {
  field("heads", a.heads, 1), field("head_size", a.head_size, 1), field("state_size", a.state_size, 1);
  field("groups", a.groups, 1), field("convolution", a.convolution, 1);
}
void validate_of(const Lstm&) {}
void validate_of(const KimiDelta& a) {
  field("heads", a.heads, 1), field("head_size", a.head_size, 1), field("convolution", a.convolution, 1);
  field("decay_rank", a.decay_rank, 0), field("gate_rank", a.gate_rank, 0);
}
void validate_of(const ShortConvolution& a) { field("convolution", a.convolution, 1); }

}  // namespace

BlockCount count_of(const Extra& extra) {
  return {extra.matmul + extra.rest + extra.idle, extra.matmul, extra.idle};
}

BlockCount count_mixer(const Mixer& mixer, Whole D) {
  return std::visit([&](const auto& a) { return count_of(a, D); }, mixer);
}

Whole score_flops(const Mixer& mixer) {
  if (const auto* a = std::get_if<Gqa>(&mixer)) return 2 * Whole(a->heads) * (a->head_size + value_size(*a));
  if (const auto* a = std::get_if<Mla>(&mixer))
    return 2 * Whole(a->heads) * (Whole(a->nope_size) + a->rope_size + a->value_size);
  return 0;
}

CacheCount cache_of(const Mixer& mixer, Whole D) {
  CacheCount cache;
  if (const auto* a = std::get_if<Gqa>(&mixer)) {
    cache.per_token = a->kv_heads * (a->head_size + value_size(*a));
  } else if (const auto* b = std::get_if<Mla>(&mixer)) {
    cache.per_token = Whole(b->kv_rank) + b->rope_size;
    cache.index_per_token = b->index_size;
  } else if (const auto* c = std::get_if<Lightning>(&mixer)) {
    cache.state = Whole(c->heads) * c->head_size * c->head_size;
  } else if (const auto* d = std::get_if<DeltaNet>(&mixer)) {
    const Whole keys = Whole(d->key_heads) * d->key_size, values = Whole(d->value_heads) * d->value_size;
    cache.state = Whole(d->key_size) * values + (Whole(d->convolution) - 1) * (2 * keys + values);
  } else if (const auto* e = std::get_if<Mamba1>(&mixer)) {
    cache.state = Whole(e->inner_size) * (Whole(e->state_size) + e->convolution - 1);
  } else if (const auto* f = std::get_if<Mamba2>(&mixer)) {
    const Whole I = Whole(f->heads) * f->head_size, GN = Whole(f->groups) * f->state_size;
    cache.state = I * f->state_size + (Whole(f->convolution) - 1) * (I + 2 * GN);
  } else if (const auto* g = std::get_if<KimiDelta>(&mixer)) {
    const Whole Hh = Whole(g->heads) * g->head_size;
    cache.state = Hh * g->head_size + (Whole(g->convolution) - 1) * 3 * Hh;
  } else if (const auto* k = std::get_if<ShortConvolution>(&mixer)) {
    cache.state = (Whole(k->convolution) - 1) * D;
  } else {
    cache.state = 2 * D;  // the cell and what it shows
  }
  return cache;
}

std::int64_t window_of(const Mixer& mixer) {
  if (const auto* a = std::get_if<Gqa>(&mixer)) return a->window;
  if (const auto* a = std::get_if<Mla>(&mixer)) return a->window;
  return 0;
}

const char* kind_of(const Mixer& mixer) {
  static constexpr const char* kKinds[] = {"gqa",    "mla",  "lightning",  "delta_net",        "mamba1",
                                           "mamba2", "lstm", "kimi_delta", "short_convolution"};
  return kKinds[mixer.index()];
}

void validate(const Mixer& mixer) {
  std::visit([](const auto& a) { validate_of(a); }, mixer);
}

}  // namespace moe
