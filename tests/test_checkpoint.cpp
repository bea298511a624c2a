#include <fstream>

#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "scratch.h"

using namespace moe;

namespace {

Config tiny(const std::string& preset, const std::vector<std::string>& sets = {}) {
  std::vector<std::string> all{"shape.num_tokens=2", "shape.hidden_size=2", "shape.ffn_size=3",
                               "shape.num_experts=2", "shape.top_k=1"};
  all.insert(all.end(), sets.begin(), sets.end());
  return load_config(preset, all).config;
}
Config deepseek() {
  return tiny("deepseek_v3",
              {"router={\"score_function\":\"sigmoid\",\"selection_bias\":true}", "shared.ffn_size=4"});
}
Config qwen2() { return tiny("mixtral", {"shared={\"mode\":\"sigmoid_gate\",\"ffn_size\":4}"}); }

/// The seeded tensor `id` or one expert's part of it, under another name.
struct Entry {
  std::string name;
  Tensor id;
  Index e = -1;
};
using Entries = std::vector<Entry>;

/// A checkpoint made of seeded numbers, so that reading it back must give the seeded inputs.
Arrays checkpoint(const Config& config, const std::string& module, const Entries& parts) {
  Arrays arrays;
  const Inputs inputs = seeded_inputs(config);
  for (const Entry& part : parts) {
    const Array all = materialized(inputs.at(part.id));
    Array one = all;
    if (part.e >= 0) {
      one.dims.erase(one.dims.begin());
      const Index size = one.size() * 2;
      one.bytes.assign(all.bytes.begin() + part.e * size, all.bytes.begin() + (part.e + 1) * size);
    }
    arrays.emplace_back("model.layers.5." + module + part.name, one);
  }
  return arrays;
}

Entries experts(const char* gate, const char* up, const char* down) {
  Entries parts;
  for (Index e = 0; e < 2; ++e) {
    const std::string prefix = "experts." + std::to_string(e) + '.';
    parts.push_back({prefix + gate + ".weight", Tensor::experts_gate, e});
    parts.push_back({prefix + up + ".weight", Tensor::experts_up, e});
    parts.push_back({prefix + down + ".weight", Tensor::experts_down, e});
  }
  return parts;
}
Entries projections() { return experts("gate_proj", "up_proj", "down_proj"); }
Entries operator+(Entries a, const Entries& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// gate and up of each expert, one after the other: (E, 2 F, D).
Array fused(const Config& config) {
  const Inputs inputs = seeded_inputs(config);
  const Array gate = materialized(inputs.at(Tensor::experts_gate)),
              up = materialized(inputs.at(Tensor::experts_up));
  Array both{gate.format, {gate.dims[0], 2 * gate.dims[1], gate.dims[2]}, {}, {}};
  const Index size = gate.dims[1] * gate.dims[2] * 2;
  for (Index e = 0; e < gate.dims[0]; ++e)
    for (const Array* half : {&gate, &up})
      both.bytes.insert(both.bytes.end(), half->bytes.begin() + e * size,
                        half->bytes.begin() + (e + 1) * size);
  return both;
}

/// "" if layer 5 of the file holds the seeded weights of the config; else what is wrong.
std::string wrong(const std::string& path, const Config& config) {
  const Inputs want = seeded_inputs(config);
  const Inputs got = checkpoint_weights(path, config, 5);
  if (got.size() != want.size() - 2) return "other tensors";  // all but x and dy
  for (const auto& [id, a] : got) {
    if (a.dims != want.at(id).dims) return std::string(name_of(id)) + " has another shape";
    for (Index i = 0; i < a.size(); ++i)
      if (a.real(i) != want.at(id).real(i)) return std::string(name_of(id)) + " differs";
  }
  return "";
}

}  // namespace

TEST_CASE("checkpoint: the names of each family, and the same numbers as under ours") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const auto wrong_with = [&](const Config& config, const Arrays& arrays) {
    write_safetensors(path, arrays);
    return wrong(path, config);
  };
  const Entry router{"gate.weight", Tensor::router_weight};
  const Config mixtral = tiny("mixtral");
  CHECK(wrong_with(mixtral, checkpoint(mixtral, "block_sparse_moe.",
                                       experts("w1", "w3", "w2") + Entries{router})) == "");
  CHECK(wrong_with(mixtral, checkpoint(mixtral, "mlp.", projections() + Entries{router})) == "");
  CHECK(wrong_with(mixtral, checkpoint(mixtral, "feed_forward.",
                                       projections() + Entries{{"router.weight", Tensor::router_weight}})) ==
        "");
  const Entries bias{router, {"gate.e_score_correction_bias", Tensor::router_selection_bias}};
  const auto shared = [](const std::string& module) {
    return Entries{{module + ".gate_proj.weight", Tensor::shared_gate},
                   {module + ".up_proj.weight", Tensor::shared_up},
                   {module + ".down_proj.weight", Tensor::shared_down}};
  };
  CHECK(wrong_with(deepseek(),
                   checkpoint(deepseek(), "mlp.", projections() + bias + shared("shared_experts"))) == "");
  CHECK(wrong_with(qwen2(),
                   checkpoint(qwen2(), "mlp.",
                              projections() + shared("shared_expert") +
                                  Entries{router,
                                          {"shared_expert_gate.weight", Tensor::shared_gate_weight}})) == "");
  Arrays five = checkpoint(mixtral, "mlp.", {router, {"experts.down_proj", Tensor::experts_down}});
  five.emplace_back("model.layers.5.mlp.experts.gate_up_proj", fused(mixtral));
  CHECK(wrong_with(mixtral, five) == "");
  Arrays granite = checkpoint(
      mixtral, "block_sparse_moe.",
      {{"router.layer.weight", Tensor::router_weight}, {"output_linear.weight", Tensor::experts_down}});
  granite.emplace_back("model.layers.5.block_sparse_moe.input_linear.weight", fused(mixtral));
  CHECK(wrong_with(mixtral, granite) == "");
}

TEST_CASE("checkpoint: fused matrices in every layout, as their shapes and their biases tell") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const auto wrong_with = [&](const Config& config, const Arrays& arrays) {
    write_safetensors(path, arrays);
    return wrong(path, config);
  };
  const std::string start = "model.layers.5.mlp.";
  const auto value = [](const Array& a, Index m, Index i, Index j) {
    return a.real((m * a.dims[1] + i) * a.dims[2] + j);
  };
  // (E, D, 2 F) and (E, F, D), with gate and up as halves or in turns; where F = D or 2 F = D one of them is square.
  for (const bool in_turns : {false, true})
    for (const char* hidden : {"shape.hidden_size=2", "shape.hidden_size=3", "shape.hidden_size=6"}) {
      CAPTURE(hidden);
      const Config config =
          tiny("gpt_oss", {hidden, in_turns ? "experts.bias=per_expert" : "experts.bias=none"});
      const Inputs inputs = seeded_inputs(config);
      const Array gate = materialized(inputs.at(Tensor::experts_gate)),
                  up = materialized(inputs.at(Tensor::experts_up)),
                  down = materialized(inputs.at(Tensor::experts_down));
      const Index E = 2, F = 3, D = config.shape.hidden_size;
      std::vector<double> in, out, bias;
      for (Index e = 0; e < E; ++e) {
        for (Index d = 0; d < D; ++d)
          for (Index f = 0; f < 2 * F; ++f)
            in.push_back(in_turns ? value(f % 2 == 0 ? gate : up, e, f / 2, d)
                                  : value(f < F ? gate : up, e, f % F, d));
        for (Index f = 0; f < F; ++f)
          for (Index d = 0; d < D; ++d) out.push_back(value(down, e, d, f));
      }
      Arrays arrays = checkpoint(
          config, "mlp.", {{"router.weight", Tensor::router_weight}, {"router.bias", Tensor::router_bias}});
      arrays.emplace_back(start + "experts.gate_up_proj", array_of({E, D, 2 * F}, in.data()));
      arrays.emplace_back(start + "experts.down_proj", array_of({E, F, D}, out.data()));
      if (in_turns) {
        for (Index e = 0; e < E; ++e)
          for (Index f = 0; f < 2 * F; ++f)
            bias.push_back(inputs.at(f % 2 == 0 ? Tensor::experts_gate_bias : Tensor::experts_up_bias)
                               .real(e * F + f / 2));
        arrays.emplace_back(start + "experts.gate_up_proj_bias", array_of({E, 2 * F}, bias.data()));
        arrays.emplace_back(start + "experts.down_proj_bias",
                            materialized(inputs.at(Tensor::experts_down_bias)));
      }
      CHECK(wrong_with(config, arrays) == "");
    }
}

TEST_CASE("checkpoint: layers under another prefix, experts without weights, and experts of no width") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config mixtral = tiny("mixtral");
  Arrays arrays =
      checkpoint(mixtral, "mlp.", projections() + Entries{{"gate.weight", Tensor::router_weight}});
  arrays.emplace_back("model.layers.5.mlp.shared_experts.up_proj.weight", Array{Format::F64, {0, 2}, {}, {}});
  for (const char* prefix : {"model.language_model.layers.", "backbone.layers.", "layers."}) {
    Arrays renamed;
    for (const auto& [name, a] : arrays)
      renamed.emplace_back(prefix + name.substr(std::string("model.layers.").size()), a);
    write_safetensors(path, renamed);
    CHECK(wrong(path, mixtral) == "");
  }
  // LongCat's module keeps gates and ups for all experts, those without weights included.
  const Config longcat = tiny("longcat_flash", {"experts.identity_experts=1"});
  const Array both = fused(longcat);
  Array padded{both.format, {2, both.dims[1], both.dims[2]}, both.bytes, {}};
  padded.bytes.resize(2 * both.bytes.size());
  Arrays of_two = checkpoint(longcat, "mlp.",
                             {{"router.classifier.weight", Tensor::router_weight},
                              {"router.e_score_correction_bias", Tensor::router_selection_bias},
                              {"experts.down_proj", Tensor::experts_down}});
  of_two.emplace_back("model.layers.5.mlp.experts.gate_up_proj", padded);
  write_safetensors(path, of_two);
  CHECK(wrong(path, longcat) == "");
}

TEST_CASE("checkpoint: shards are found by their index") {
  const Scratch folder;
  const Config config = tiny("mixtral");
  const Arrays all =
      checkpoint(config, "mlp.", projections() + Entries{{"gate.weight", Tensor::router_weight}});
  Json index{{"metadata", Json::object()}, {"weight_map", Json::object()}};
  for (int shard = 0; shard < 2; ++shard) {
    Arrays part;
    for (std::size_t i = static_cast<std::size_t>(shard); i < all.size(); i += 2) part.push_back(all[i]);
    const std::string file = "model-" + std::to_string(shard) + ".safetensors";
    for (const auto& [name, a] : part) index["weight_map"][name] = file;
    write_safetensors(folder / file, part);
  }
  const std::string path = folder / "model.safetensors.index.json";
  std::ofstream(path) << print_json(index);
  CHECK(wrong(path, config) == "");
  CHECK(checkpoint_files(path) ==
        std::vector{folder / "model-0.safetensors", folder / "model-1.safetensors", path});
  CHECK(checkpoint_files("w.safetensors") == std::vector<std::string>{"w.safetensors"});

  const auto error_with = [&](const Json& json) {
    std::ofstream(path) << print_json(json);
    return error_of([&] { checkpoint_weights(path, config, 5); }).substr(path.size());
  };
  CHECK(error_with(Json::object()) == ": must have the object weight_map");
  for (const Json& file : {Json("../model-0.safetensors"), Json(3), Json("")})
    CHECK(error_with({{"weight_map", {{"w", file}}}}) == ": w must be the name of a file beside it");
  index["weight_map"]["model.layers.5.mlp.gate.weight"] = "model-0.safetensors";
  index["weight_map"]["model.layers.5.mlp.experts.0.up_proj.weight"] = "model-0.safetensors";
  std::ofstream(path) << print_json(index);
  CHECK(error_of([&] { checkpoint_weights(path, config, 5); }) ==
        (folder / "model-0.safetensors") +
            ": must hold a tensor model.layers.5.mlp.experts.0.up_proj.weight");
}

TEST_CASE("checkpoint: the layers of a decoder come after those of its encoder") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny("switch", {"experts.glu=false"});
  const auto layer = [&](const std::string& start, std::uint64_t seed, Arrays& all) {
    const Inputs own = seeded_inputs(config, seed);
    all.emplace_back(start + "router.classifier.weight", materialized(own.at(Tensor::router_weight)));
    for (Index e = 0; e < 2; ++e)
      for (const auto& [name, id] : {std::pair{"wi", Tensor::experts_up}, {"wo", Tensor::experts_down}}) {
        const Array every = materialized(own.at(id));
        const Index size = every.size() / 2 * 2;
        Array one{every.format, {every.dims[1], every.dims[2]}, {}, {}};
        one.bytes.assign(every.bytes.begin() + e * size, every.bytes.begin() + (e + 1) * size);
        all.emplace_back(start + "experts.expert_" + std::to_string(e) + '.' + name + ".weight", one);
      }
  };
  Arrays all;
  layer("encoder.block.0.layer.1.mlp.", 1, all), layer("decoder.block.0.layer.2.mlp.", 2, all);
  write_safetensors(path, all);
  for (const Index i : {Index{0}, Index{1}}) {
    const Inputs want = seeded_inputs(config, static_cast<std::uint64_t>(i) + 1),
                 got = checkpoint_weights(path, config, i);
    REQUIRE(got.size() == 3);
    for (const auto& [id, a] : got)
      for (Index j = 0; j < a.size(); ++j) CHECK(a.real(j) == want.at(id).real(j));
  }
}

TEST_CASE(
    "checkpoint: a dense block beside a mixture is no dense layer, and halves are halves where they are") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny("mixtral", {"experts.bias=per_expert"});
  const Inputs inputs = seeded_inputs(config);
  const auto stacked = [&](Tensor first, Tensor second) {  // of each expert, one after the other
    const Array a = materialized(inputs.at(first)), b = materialized(inputs.at(second));
    Array both = a;
    both.dims[1] *= 2, both.bytes.clear();
    const Index size = a.size() / 2 * 2;
    for (Index e = 0; e < 2; ++e)
      for (const Array* half : {&a, &b})
        both.bytes.insert(both.bytes.end(), half->bytes.begin() + e * size,
                          half->bytes.begin() + (e + 1) * size);
    return both;
  };
  const std::string start = "model.layers.5.";
  const Arrays all{
      {start + "mlp.gate_proj.weight", materialized(inputs.at(Tensor::router_weight))},
      {start + "router.proj.weight", materialized(inputs.at(Tensor::router_weight))},
      {start + "experts.gate_up_proj", stacked(Tensor::experts_gate, Tensor::experts_up)},
      {start + "experts.gate_up_proj_bias", stacked(Tensor::experts_gate_bias, Tensor::experts_up_bias)},
      {start + "experts.down_proj", materialized(inputs.at(Tensor::experts_down))},
      {start + "experts.down_proj_bias", materialized(inputs.at(Tensor::experts_down_bias))}};
  write_safetensors(path, all);
  const Inputs halves = checkpoint_weights(path, config, 5, Fused::Halves),
               turns = checkpoint_weights(path, config, 5);
  for (const auto& [id, a] : halves)
    for (Index j = 0; j < a.size(); ++j) CHECK(a.real(j) == inputs.at(id).real(j));
  CHECK(turns.at(Tensor::experts_gate).bytes != halves.at(Tensor::experts_gate).bytes);
}

TEST_CASE("checkpoint: what does not fit is an error that names the tensor") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny("mixtral");
  const Arrays good =
      checkpoint(config, "mlp.", projections() + Entries{{"gate.weight", Tensor::router_weight}});
  const std::string expert = "model.layers.5.mlp.experts.1.up_proj.weight";
  const auto error_with = [&](const Arrays& arrays, Index layer = 5) {
    write_safetensors(path, arrays);
    const std::string error = error_of([&] { checkpoint_weights(path, config, layer); });
    return error.starts_with(path) ? error.substr(path.size()) : error;
  };
  const auto with = [&](const std::string& name, const Array& a) {
    Arrays arrays;
    for (const auto& [known, array] : good)
      if (known != name) arrays.emplace_back(known, array);
    if (a.size() > 0) arrays.emplace_back(name, a);
    return arrays;
  };
  const std::vector<double> values(12, 0.5);
  CHECK(error_with(with(expert, array_of({2, 3}, values.data()))) ==
        ": " + expert + ": shape = [2,3] must be [3,2]");
  CHECK(error_with(with(expert, array_of({3, 2}, values.data()))) ==
        ": " + expert + ": dtype = f64 must be that of the other experts, bf16");
  CHECK(error_with(with(expert, Array{Format::F64, {0}, {}, {}})) == ": must hold a tensor " + expert);
  CHECK(error_with(good, 4).starts_with(
      ": must hold router.weight as model.layers.4.mlp.gate.weight or model.layers.4.mlp.router.weight or "));
  CHECK(error_with(with("model.layers.5.mlp.gate.e_score_correction_bias", array_of({2}, values.data()))) ==
        ": model.layers.5.mlp.gate.e_score_correction_bias is router.selection_bias, which is not an input "
        "of this config");
  CHECK(error_with(with("model.layers.0.mlp.gate_proj.weight", array_of({3, 2}, values.data())), 0) ==
        ": layer 0 is dense: it has model.layers.0.mlp.gate_proj.weight");
  CHECK(error_with(with("model.layers.5.mlp.gate_up_proj.weight", array_of({3, 2}, values.data()))) ==
        "no error");
}
