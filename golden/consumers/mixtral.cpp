// A Mixtral layer, forward, in plain C++ and double, that answers `moe-oracle check CASE... --exec ./mixtral`.
//   g++ -std=c++20 -O2 mixtral.cpp -o mixtral          (needs nlohmann/json, Debian's nlohmann-json3-dev)
//
// Jiang et al., "Mixtral of Experts", arXiv 2401.04088, sec. 2.1; the loss is Hugging Face's load_balancing_loss_func.
// T tokens, D model, F hidden, E experts, K choices, N = T K rows, by expert, then token, then slot. Matrices are row-major.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

using nlohmann::json;
using std::size_t;
using Reals = std::vector<double>;
using Integers = std::vector<std::int64_t>;

// A refusal goes back as the answer: right for what this layer cannot express, and for what no layer can.
void need(bool holds, const std::string& field, const std::string& rule) {
  if (!holds) throw std::invalid_argument(field + ' ' + rule);
}

// The one layer that this program is. What is not here is free: all of shape but its groups, the names and coefficients
// of losses.
const json kLayer = json::parse(R"({
  "router": {"score_function": "softmax", "selection_bias": false, "n_group": 1, "renorm": "sum",
             "renorm_stage": "before_drop", "routed_scaling_factor": 1, "second_policy": "all"},
  "noise": {"kind": "none"}, "capacity": {"mode": "none"}, "shared": {"mode": "none"}, "bias_update": {"kind": "none"},
  "experts": {"glu": true, "activation": "silu", "bias": "none"}})");
const json kLoss = json::parse(R"({
  "kind": "switch", "f_source": "all_k", "f_divide_by_k": false, "f_from": "selected", "f_stage": "pre_drop",
  "multiply": "E2_mean", "scope": "batch"})");

// Each field of an object must be there with my value, and no other field.
void require_same(const json& section, const json& mine, const std::string& where) {
  need(section.is_object(), where, "must be an object");
  for (const auto& field : mine.items())
    need(section.value(field.key(), json()) == field.value(), where + '.' + field.key(),
         "must be " + field.value().dump());
  for (const auto& field : section.items())
    need(mine.contains(field.key()), where + '.' + field.key(), "is not known");
}

struct Sizes {
  size_t T, D, F, E, K;
};

Sizes sizes_of(const json& config) {
  json free = config;
  for (const auto& section : kLayer.items()) {
    need(config.contains(section.key()), section.key(), "must be there");
    require_same(config[section.key()], section.value(), section.key());
    free.erase(section.key());
  }
  for (const auto& section : free.items())
    need(section.key() == "shape" || section.key() == "aux", section.key(), "is not a section of a layer");
  need(free.contains("aux") && free["aux"].is_array(), "aux", "must be an array");
  for (json loss : free["aux"]) {
    const bool named = loss.is_object() && loss.value("name", json()).is_string() &&
                       loss.value("coefficient", json()).is_number();
    need(named, "aux", "must be losses with a name and a coefficient");
    loss.erase("name"), loss.erase("coefficient");
    require_same(loss, kLoss, "aux");
  }
  need(free.contains("shape") && free["shape"].is_object(), "shape", "must be an object");
  const auto size = [&](const std::string& name, std::int64_t least) {
    const json n = free["shape"].value(name, json());
    const bool fits = n.is_number_integer() && n >= least && n <= INT32_MAX;
    need(fits, "shape." + name, "must be a size of at least " + std::to_string(least));
    return n.get<size_t>();
  };
  need(size("num_groups", 1) == 1, "shape.num_groups", "must be 1");
  const Sizes n{size("num_tokens", 0), size("hidden_size", 1), size("ffn_size", 1), size("num_experts", 1),
                size("top_k", 1)};
  need(n.K <= n.E, "shape.top_k", "must not exceed shape.num_experts");
  return n;
}

std::string from_base64(const std::string& text) {
  static const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, held = 0;  // `held` bits that make no whole byte yet
  for (const char c : text) {
    if (c == '=') break;
    const size_t digit = digits.find(c);
    need(digit != std::string::npos, "b64", "must be base64");
    bits = bits << 6 | static_cast<unsigned>(digit), held += 6;
    if (held >= 8) held -= 8, bytes += static_cast<char>(bits >> held & 0xFF);
  }
  return bytes;
}

// The bytes of a tensor in a safetensors file: 8 bytes, the size of a header in JSON, the header, the data.
std::string from_file(const json& t) {
  std::ifstream file(t["file"].get<std::string>(), std::ios::binary);
  const std::string raw{std::istreambuf_iterator<char>(file), {}};
  need(raw.size() >= 8, t["file"], "must be a safetensors file");
  std::uint64_t header = 0;
  std::memcpy(&header, raw.data(), 8);
  const json offsets =
      json::parse(raw.substr(8, header)).at(t["tensor"].get<std::string>()).at("data_offsets");
  return raw.substr(8 + header + offsets[0].get<size_t>(),
                    offsets[1].get<size_t>() - offsets[0].get<size_t>());
}

template <typename Stored>
Reals each_of(const std::string& bytes, auto value) {
  Reals numbers;
  for (size_t i = 0; i + sizeof(Stored) <= bytes.size(); i += sizeof(Stored)) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i, sizeof stored);
    numbers.push_back(value(stored));
  }
  return numbers;
}

// The numbers of a tensor: `data`, or bytes in base64 or in a file.
Reals numbers(const json& t) {
  Reals values;
  if (t.contains("data")) {
    for (const json& item : t["data"]) values.push_back(item.is_number() ? item.get<double>() : NAN);
    return values;
  }
  const std::string dtype = t["dtype"], bytes = t.contains("b64") ? from_base64(t["b64"]) : from_file(t);
  const auto widen = [](auto v) { return static_cast<double>(v); };
  if (dtype == "f64") return each_of<double>(bytes, widen);
  if (dtype == "f32") return each_of<float>(bytes, widen);
  if (dtype == "i32") return each_of<std::int32_t>(bytes, widen);
  need(dtype == "bf16", "dtype", "must be f64, f32, bf16 or i32, not " + dtype);  // the upper half of a float
  return each_of<std::uint16_t>(bytes, [](std::uint32_t v) { return std::bit_cast<float>(v << 16); });
}

Reals input(const json& given, const std::string& name, const std::vector<size_t>& shape) {
  need(given.contains(name), name, "must be there");
  const json& t = given[name];
  need(t["shape"] == json(shape) && t["dtype"] != "i32", name,
       "must be real numbers of shape " + json(shape).dump());
  Reals values = numbers(t);
  const size_t size = std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
  need(values.size() == size &&
           std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }),
       name, "must be finite, and all there");
  return values;
}

// W x of the matrix W (out, in) at `w`.
void multiply(const double* w, const double* x, size_t out, size_t in, double* y) {
  for (size_t o = 0; o < out; ++o) y[o] = std::inner_product(x, x + in, w + o * in, 0.0);
}

double log_sum_exp(const Reals& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double v : z) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

json tensor(const char* dtype, std::vector<size_t> shape, const auto& values) {
  return {{"dtype", dtype}, {"shape", std::move(shape)}, {"data", values}};
}

struct Routing {
  Reals logits, scores, logsumexp, denominator, weights;
  Integers ids;
};

// The K largest logits, the largest first; of equal ones the lower id first.
Integers best(const Reals& z, size_t K) {
  Integers ids(z.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&z](auto a, auto b) { return z[size_t(a)] > z[size_t(b)]; });
  ids.resize(K);
  return ids;
}

// x (T, D), w (E, D); `given` are the choices where the mode is pinned, else null.
Routing route(const Sizes& n, const Reals& x, const Reals& w, const json& given) {
  Routing r;
  if (!given.is_null())
    for (const double id : numbers(given["router.topk_ids"])) r.ids.push_back(static_cast<std::int64_t>(id));
  for (size_t t = 0; t < n.T; ++t) {
    Reals z(n.E), chosen;
    multiply(w.data(), &x[t * n.D], n.E, n.D, z.data());
    r.logits.insert(r.logits.end(), z.begin(), z.end());
    r.logsumexp.push_back(log_sum_exp(z));
    for (const double v : z) r.scores.push_back(std::exp(v - r.logsumexp[t]));
    if (given.is_null()) {
      const Integers ids = best(z, n.K);
      r.ids.insert(r.ids.end(), ids.begin(), ids.end());
    }
    r.denominator.push_back(0);
    for (size_t k = 0; k < n.K; ++k) {
      const size_t e = size_t(r.ids[t * n.K + k]);
      chosen.push_back(z[e]);
      r.denominator[t] += r.scores[t * n.E + e];
    }
    for (const double v : chosen)
      r.weights.push_back(std::exp(v - log_sum_exp(chosen)));  // Softmax(TopK(x Wg))
  }
  return r;
}

json layer(const json& request) {
  const Sizes n = sizes_of(request["config"]);
  const size_t T = n.T, D = n.D, F = n.F, E = n.E, K = n.K, N = T * K;
  const json& given = request["inputs"];
  need(given.size() == 6, "inputs",
       "must be x, dy, router.weight, experts.gate, experts.up and experts.down");
  const Reals x = input(given, "x", {T, D}), dy = input(given, "dy", {T, D});
  const Reals router = input(given, "router.weight", {E, D}), gate = input(given, "experts.gate", {E, F, D});
  const Reals up = input(given, "experts.up", {E, F, D}), down = input(given, "experts.down", {E, D, F});
  const Routing r = route(n, x, router, request.value("routing", json()));

  Integers order(N), counts(E), offsets(E + 1);
  std::iota(order.begin(), order.end(), 0);  // assignments t K + k
  std::stable_sort(order.begin(), order.end(),
                   [&r](auto a, auto b) { return r.ids[size_t(a)] < r.ids[size_t(b)]; });
  for (const std::int64_t id : r.ids) ++counts[size_t(id)];
  std::partial_sum(counts.begin(), counts.end(), offsets.begin() + 1);

  Reals g(N * F), u(N * F), h(N * F), out(N * D), weighted(N * D), y(T * D);
  for (size_t row = 0; row < N; ++row) {
    const size_t choice = size_t(order[row]), t = choice / K, e = size_t(r.ids[choice]);
    multiply(&gate[e * F * D], &x[t * D], F, D, &g[row * F]);
    multiply(&up[e * F * D], &x[t * D], F, D, &u[row * F]);
    for (size_t i = row * F; i < (row + 1) * F; ++i) h[i] = g[i] / (1 + std::exp(-g[i])) * u[i];  // silu(g) u
    multiply(&down[e * D * F], &h[row * F], D, F, &out[row * D]);
    for (size_t d = 0; d < D; ++d) {
      weighted[row * D + d] = r.weights[choice] * out[row * D + d];
      y[t * D + d] += weighted[row * D + d];
    }
  }

  const double task = std::inner_product(y.begin(), y.end(), dy.begin(), 0.0), S = T > 0 ? double(T) : 1;
  double balance = 0, total = task;  // E sum_e f_e P_e
  for (size_t i = 0; i < T * E; ++i) balance += double(E) * double(counts[i % E]) / S * r.scores[i] / S;
  json tensors;
  tensors["router.logits"] = tensor("f64", {T, E}, r.logits);
  tensors["router.scores"] = tensor("f64", {T, E}, r.scores);
  tensors["router.logsumexp"] = tensor("f64", {T}, r.logsumexp);
  tensors["router.denominator"] = tensor("f64", {T}, r.denominator);
  tensors["router.topk_ids"] = tensor("i32", {T, K}, r.ids);
  tensors["router.topk_weights"] = tensor("f64", {T, K}, r.weights);
  tensors["dispatch.counts"] = tensor("i64", {E}, counts);
  tensors["dispatch.offsets"] = tensor("i64", {E + 1}, offsets);
  tensors["dispatch.order"] = tensor("i64", {N}, order);
  tensors["dispatch.kept"] = tensor("u8", {T, K}, Integers(N, 1));  // nothing is dropped
  tensors["expert.gate"] = tensor("f64", {N, F}, g);
  tensors["expert.up"] = tensor("f64", {N, F}, u);
  tensors["expert.hidden"] = tensor("f64", {N, F}, h);
  tensors["expert.out"] = tensor("f64", {N, D}, out);
  tensors["combine.weighted"] = tensor("f64", {N, D}, weighted);
  tensors["y"] = tensor("f64", {T, D}, y);
  tensors["loss.task"] = tensor("f64", {}, Reals{task});
  for (const json& loss : request["config"]["aux"]) {
    tensors["loss." + loss["name"].get<std::string>()] = tensor("f64", {}, Reals{balance});
    total += loss["coefficient"].get<double>() * balance;
  }
  tensors["loss.total"] = tensor("f64", {}, Reals{total});
  return tensors;
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const json request = json::parse(line);
    json answer = {{"id", request["id"]}};
    try {
      answer["tensors"] = layer(request);
    } catch (const std::invalid_argument& refusal) {
      answer["error"] = refusal.what();
    }
    std::cout << answer.dump() << std::endl;
  }
}
