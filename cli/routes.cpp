#include "moe/routes.h"

#include <cstdio>

#include "moe/tensors.h"
#include "moe/validate.h"
#include "table.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct RoutesOptions {
  LayerOptions layer;
  std::string config, ids, logits, profile = "fp32_any_order";
  bool json = false;
};

constexpr std::size_t kMostShown = 10;

/// Layer l of a recording, (T, width).
template <typename Number>
Matrix<Number> layer_of(const Array& all, Index l) {
  Matrix<Number> m(all.dims[0], all.dims[2]);
  for (Index t = 0; t < m.rows(); ++t)
    for (Index i = 0; i < m.cols(); ++i) {
      const Index at = (t * all.dims[1] + l) * m.cols() + i;
      if constexpr (std::is_integral_v<Number>)
        m(t, i) = is_real(all.format) ? static_cast<Number>(all.real(at)) : all.integer(at);
      else
        m(t, i) = all.real(at);
    }
  return m;
}

Array read_ids(const std::string& path, const Shape& shape) {
  Array ids = read_recording(path, name_of(Tensor::router_topk_ids), shape.top_k);
  for (Index i = 0; is_real(ids.format) && i < ids.size(); ++i)
    if (const double id = ids.real(i); id != std::floor(id) || std::abs(id) > 1e9)
      throw Error("--ids", path + ": " + real_text(id) + " must be the number of an expert");
  return ids;
}

void require_finite(const Array& a, const std::string& path) {
  for (Index i = 0; i < a.size(); ++i)
    if (!std::isfinite(a.real(i)))
      throw Error("--logits", path + ": " + real_text(a.real(i)) + " must be finite");
}

/// The logits of all layers, and the biases of the choice that stand beside them.
struct RecordedLogits {
  Array z, b;
};
RecordedLogits read_logits(const std::string& path, const Config& config, const Array& ids) {
  const Index E = config.shape.num_experts, L = ids.dims[1];
  RecordedLogits read{read_recording(path, name_of(Tensor::router_logits), E), {}};
  const Dims want{ids.dims[0], L, E};
  if (read.z.dims != want)
    throw Error("--logits", path + ": shape = " + shape_text(read.z.dims) + " must be " + shape_text(want) +
                                ", as the ids have it");
  require_finite(read.z, path);
  if (!config.router.selection_bias) return read;
  const std::string name = name_of(Tensor::router_selection_bias);
  if (path.ends_with(".csv") || path.ends_with(".jsonl"))
    throw Error("--logits", path + ": must be a .npz or .safetensors that holds " + name + ", too");
  for (auto& [known, a] : read_answer(path).tensors)
    if (known == name) read.b = std::move(a);
  if (read.b.dims != Dims{L, E} && (L != 1 || read.b.dims != Dims{E}))
    throw Error(name, path + ": must hold " + name + " of shape " + shape_text({L, E}));
  require_finite(read.b, path);
  return read;
}

std::vector<RoutesVerdict> judge_all(const RoutesOptions& options, const NamedConfig& named, const Array& ids,
                                     const Profile& profile) {
  const Config& config = named.config;
  if (options.logits.empty()) {
    if (ids.dims[1] != 1)
      throw Error("--ids", options.ids + ": holds " + std::to_string(ids.dims[1]) +
                               " layers: --input is of one, so that --logits must be there");
    return {judge_routes(config, layer_of<Index>(ids, 0), options.layer.inputs(named), profile)};
  }
  std::vector<RoutesVerdict> verdicts;
  const RecordedLogits recorded = read_logits(options.logits, config, ids);
  ProgressBar bar;
  for (Index l = 0; l < ids.dims[1]; ++l) {
    Matrix<double> b;
    if (config.router.selection_bias) {
      b.resize(1, config.shape.num_experts);
      for (Index e = 0; e < b.cols(); ++e) b(0, e) = recorded.b.real(l * b.cols() + e);
    }
    verdicts.push_back(
        judge_routes(config, layer_of<Index>(ids, l), layer_of<double>(recorded.z, l), b, profile));
    bar(static_cast<double>(l + 1) / static_cast<double>(ids.dims[1]));
  }
  return verdicts;
}

std::string set_text(const std::vector<Index>& experts) {
  std::string text;
  for (const Index e : experts) text += (text.empty() ? "" : ", ") + std::to_string(e);
  return '{' + text + '}';
}

Json layer_json(const RoutesVerdict& v) {
  Json wrong = Json::array();
  for (const WrongRoute& w : v.wrong)
    wrong.push_back({{"token", w.token},
                     {"chosen", w.chosen},
                     {"right", w.right},
                     {"margin", w.margin},
                     {"bound", w.bound}});
  return {{"certain", v.certain}, {"ambiguous", v.ambiguous}, {"tied", v.tied},
          {"skipped", v.skipped}, {"flips", v.flips},         {"wrong", wrong}};
}

void print_wrong(std::size_t layer, const WrongRoute& w) {
  std::printf("layer %zu, token %lld goes to %s, not %s: ", layer, static_cast<long long>(w.token),
              set_text(w.chosen).c_str(), set_text(w.right).c_str());
  if (w.are_experts)
    std::printf("these are %s apart, and may be %s off\n", short_text(w.margin).c_str(),
                short_text(w.bound).c_str());
  else
    std::printf("experts must differ, and be some of the layer's\n");
}

void print(const std::vector<RoutesVerdict>& verdicts, Index judged, Index wrong, const Profile& profile) {
  std::printf("layer      certain    ambiguous         tied      flipped      skipped        wrong\n");
  std::size_t shown = 0;
  for (std::size_t l = 0; l < verdicts.size(); ++l) {
    const RoutesVerdict& v = verdicts[l];
    std::printf("%5zu %12s %12s %12s %12s %12s %12s\n", l, with_commas(v.certain).c_str(),
                with_commas(v.ambiguous).c_str(), with_commas(v.tied).c_str(), with_commas(v.flips).c_str(),
                with_commas(v.skipped).c_str(), with_commas(static_cast<Index>(v.wrong.size())).c_str());
  }
  std::printf("flipped: ambiguous or tied, and not what ranks best\n\n");
  for (std::size_t l = 0; l < verdicts.size(); ++l)
    for (const WrongRoute& w : verdicts[l].wrong)
      if (++shown <= kMostShown) print_wrong(l, w);
  if (shown > kMostShown)
    std::printf("... and %s more\n", with_commas(static_cast<Index>(shown - kMostShown)).c_str());
  std::printf("%s as %s: %s of %s choices %s wrong\n", wrong == 0 ? "PASS" : "FAIL", profile.words.c_str(),
              wrong == 0 ? "none" : with_commas(wrong).c_str(), with_commas(judged).c_str(),
              wrong == 0 ? "is" : "are");
}

int act_on(RoutesOptions options) {
  options.layer.open_folders(options.config);
  if (options.logits.empty() == options.layer.input.empty())
    throw Error("--logits", "routes check needs one of --logits and --input, the layer's own x");
  const LayerOptions& l = options.layer;
  if (!options.logits.empty() && !(l.weights + l.names + l.layer + l.tokens + l.seed + l.dtype).empty())
    throw Error("--logits", "beside --logits only --set, --profile and --json have a meaning");
  const Profile profile = load_profile(options.profile);
  NamedConfig named = options.layer.load(options.config);
  const Array ids = read_ids(options.ids, named.config.shape);
  if (!options.logits.empty()) named.config.shape.num_tokens = ids.dims[0], named.config.shape.num_groups = 1;
  if (named.config.shape.num_tokens != ids.dims[0])
    throw Error("--ids", options.ids + ": holds " + std::to_string(ids.dims[0]) + " tokens, and x has " +
                             std::to_string(named.config.shape.num_tokens));
  validate(named.config);
  const std::vector<RoutesVerdict> verdicts = judge_all(options, named, ids, profile);
  Index wrong = 0, judged = 0;
  Json layers = Json::array();
  for (const RoutesVerdict& v : verdicts) {
    wrong += static_cast<Index>(v.wrong.size()), judged += v.judged();
    layers.push_back(layer_json(v));
  }
  if (judged == 0) throw Error("--ids", options.ids + ": must hold a choice; all tokens are skipped");
  if (options.json)
    std::fputs(print_json({{"status", wrong == 0 ? "PASS" : "FAIL"},
                           {"profile", profile.name},
                           {"tokens", ids.dims[0]},
                           {"layers", layers}})
                   .c_str(),
               stdout);
  else
    print(verdicts, judged, wrong, profile);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

void add_routes(CLI::App& app, Act& act) {
  CLI::App* routes = app.add_subcommand("routes", "which experts an engine says its tokens went to");
  const char* example =
      "Example: moe-oracle routes check ./config.json --ids routed_experts.npz --logits router_logits.npz";
  routes->footer(example);
  routes->require_subcommand(0, 1);
  routes->callback([routes] {
    if (routes->get_subcommands().empty())
      throw Error("routes", "routes needs one of " + verbs_text(*routes));
  });
  auto options = std::make_shared<RoutesOptions>();
  CLI::App* verb = routes->add_subcommand("check", "is each recorded choice one that rounding may make?");
  verb->footer(example);
  verb->add_option("CONFIG", options->config,
                   "a preset, one of our config files, a Hugging Face config.json, or its folder")
      ->required();
  verb->add_option("--ids", options->ids,
                   "what was chosen, (T, K) or (T, L, K): .npz, .safetensors, .csv or .jsonl, a line a token")
      ->type_name("FILE")
      ->required()
      ->check(kNotEmpty);
  verb->add_option("--logits", options->logits,
                   "what was chosen by, (T, E) or (T, L, E), likewise; router.selection_bias beside it")
      ->type_name("FILE")
      ->check(kNotEmpty);
  options->layer.add_to(*verb);
  verb->add_option("--profile", options->profile,
                   "what may be rounded how: a name of check --profile list, or a file")
      ->type_name("NAME")
      ->check(kNotEmpty);
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
