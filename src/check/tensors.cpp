#include "tensors.h"

#include "moe/validate.h"

namespace moe {
namespace {

/// The names that a loss is computed from.
std::vector<std::string> sources_of(const Aux& aux, const std::string& ranked) {
  switch (aux.kind) {
    case AuxKind::Switch:
      return {of_softmax(aux) ? ranked : "router.scores"};
    case AuxKind::Z:
      return {is_of_clean(aux) ? "router.logits" : "router.logsumexp"};
    case AuxKind::CvImportance:
      return {sums_clean_scores(aux) ? "router.logits"
              : sums_scores(aux)     ? "router.scores"
                                     : "router.topk_weights"};
    case AuxKind::CvLoad:
      return {kNowhere};
  }
  return {kNowhere};
}

/// A norm stands between `of` and what followed from it; back through it goes the gradient, and that of its factors.
void put_norm(Sources& all, const std::string& of, const std::string& normed, const std::string& factors) {
  for (auto& [name, sources] : all) std::replace(sources.begin(), sources.end(), of, normed);
  all["grad." + normed] = all["grad." + of];
  all[normed] = {of};
  for (const std::string& gradient : {of, factors}) all["grad." + gradient] = {"grad." + normed, of};
}

}  // namespace

std::vector<TensorOf> tensors_of(const Config& config, const Plan& plan) {
  const RowCounts rows = rows_of(config, plan);
  std::vector<TensorOf> all;
  const auto add = [&](std::initializer_list<Role> roles) {
    each_info(config, roles, [&](const TensorInfo& info) {
      all.push_back({info.name, dims_of(info, config, rows), info.role != Role::Decision});
    });
  };
  add({Role::Stage, Role::Decision});
  const auto loss = [&](const std::string& name) { all.push_back({"loss." + name, {}, true}); };
  loss("task");
  for (const Aux& aux : config.aux) loss(aux.name);
  loss("total");
  add({Role::ExpertGradient}), add({Role::Gradient});
  return all;
}

Sources sources_of(const Config& config) {
  const bool noise = has_noise(config), shared = has_shared(config);
  const std::string ranked = noise ? "router.noisy_logits" : "router.logits";
  const std::string grad_ranked = "grad." + ranked;
  Sources all{{"router.scores", {ranked}},
              {"router.logsumexp", {ranked}},
              {"router.group_scores", {ranked}},
              {"router.denominator", {"router.scores"}},
              {"router.topk_weights", {ranked, "router.scores"}},
              {"expert.hidden", {"expert.gate", "expert.up"}},
              {"expert.out", {"expert.hidden"}},
              {"combine.weighted", {"router.topk_weights", "expert.out"}},
              {"y", {"combine.weighted"}},
              {"loss.task", {"y"}},
              {"loss.total", {"loss.task"}},
              {"grad.router.topk_weights", {"expert.out"}},
              {"grad.expert.out", {"router.topk_weights"}},
              {"grad.expert.hidden", {"grad.expert.out"}},
              {"grad.expert.gate", {"grad.expert.hidden", "expert.gate", "expert.up"}},
              {"grad.expert.up", {"grad.expert.hidden", "expert.gate", "expert.up"}},
              {"grad.experts.down", {"grad.expert.out", "expert.hidden"}},
              {"grad.experts.gate", {"grad.expert.gate"}},
              {"grad.experts.up", {"grad.expert.up"}},
              {"grad.experts.down_bias", {"grad.expert.out"}},
              {"grad.experts.gate_bias", {"grad.expert.gate"}},
              {"grad.experts.up_bias", {"grad.expert.up"}},
              {"grad.router.scores", {"grad.router.topk_weights", "router.scores"}},
              {grad_ranked, {"grad.router.topk_weights", "router.scores", ranked}},
              {"grad.router.weight", {"grad.router.logits"}},
              {"grad.router.bias", {"grad.router.logits"}}};
  // Where what goes back through the router, and through the experts, arrives.
  const bool latent = has_latent(config), weighed = weighs_input(config);
  const std::string router_x = has_router_input(config) ? "grad.router.x" : "grad.x",
                    experts_x = latent ? "grad.latent.x" : "grad.x";
  all[router_x] = {"grad.router.logits"};
  for (const char* of : {"grad.expert.gate", "grad.expert.up"})
    if (!weighed) all[experts_x].emplace_back(of);
  if (weighed) {
    all["expert.in"] = {"router.topk_weights"};
    for (const char* stage : {"expert.gate", "expert.up"}) all[stage] = {"expert.in"};
    all["combine.weighted"] = {"expert.out"};
    all.erase("grad.expert.out");  // it is dy
    all["grad.expert.in"] = {"grad.expert.gate", "grad.expert.up"};
    all["grad.router.topk_weights"] = {"grad.expert.in"};
    for (const char* of : {"grad.expert.in", "router.topk_weights"}) all[experts_x].emplace_back(of);
    for (const char* half : {"gate", "up"})
      all[std::string("grad.experts.") + half].emplace_back("expert.in");
  }
  if (latent) {
    for (const char* stage :
         {"expert.in", "expert.gate", "expert.up", "grad.experts.gate", "grad.experts.up"})
      all[stage].emplace_back("latent.x");
    all["latent.y"] = {"combine.weighted"};
    all["y"] = {"latent.y"};
    all["grad.latent.up"] = {"latent.y"};
    all["grad.latent.down"] = {"grad.latent.x"};
    all["grad.x"].emplace_back("grad.latent.x");
    if (weighed) all["grad.router.topk_weights"].emplace_back("latent.x");
    for (const char* of : {"grad.expert.out", "grad.router.topk_weights"})
      all[of].emplace_back("grad.latent.y");
  }
  if (norms_output(config)) {
    all["combine.sum"] = all["y"], all["y"] = {"combine.sum"};
    for (const char* of : {"grad.combine.sum", "grad.combine.norm_weight"}) all[of] = {"combine.sum"};
    for (const char* of : {"grad.latent.y", "grad.latent.up", "grad.combine.bias", "grad.expert.out",
                           "grad.router.topk_weights", "grad.shared.gate", "grad.shared.up",
                           "grad.shared.down", "grad.shared.gate_weight", "grad.x"})
      all[of].emplace_back("grad.combine.sum");
  }
  if (config.router.expert_scale)
    all["grad.router.expert_scale"] = {"grad.router.topk_weights", "router.scores", ranked};
  if (config.experts.identity_experts > 0) {
    if (gives_input(config.experts) && (weighed || latent))
      all["expert.out"].emplace_back(weighed ? "expert.in" : "latent.x");
    if (!weighed && gives_input(config.experts)) all[experts_x].emplace_back("grad.expert.out");
    if (weighed && gives_input(config.experts) && (latent || norms_output(config)))
      all["grad.expert.in"].emplace_back("grad.expert.out");
  }
  if (has_gumbel(config)) all["router.noisy_logits"] = {"router.logits"};
  if (rests_on_x(config))
    for (const char* name : {norms_output(config) ? "combine.sum" : "y", "grad.x"})
      all[name].push_back("router.topk_weights");
  if (noise) {
    all["router.noisy_logits"] = {"router.logits"};
    all["grad.router.logits"] = {"grad.router.noisy_logits"};
  }
  if (learns_noise(config)) {  // whose map gives what is not returned
    all["router.noisy_logits"].push_back(kNowhere);
    all["grad.router.noise_weight"] = {"grad.router.noisy_logits", kNowhere};
    all[router_x].push_back(kNowhere);
  }
  for (const Aux& aux : config.aux) {
    const std::vector<std::string> of_loss = sources_of(aux, ranked);
    all["loss." + aux.name] = of_loss;
    all["loss.total"].push_back("loss." + aux.name);
    const auto also = [&](const std::string& name) {
      all[name].insert(all[name].end(), of_loss.begin(), of_loss.end());
    };
    also(is_of_importance(aux) && !sums_scores(aux) ? "grad.router.topk_weights" : grad_ranked);
    if (is_of_load(aux) || sums_clean_scores(aux) || (is_of_logits(aux) && is_of_clean(aux)))
      also("grad.router.logits");
  }
  if (scales_x(config.capacity.dropped_output))
    for (const char* name :
         {norms_output(config) ? "combine.sum" : "y", "grad.x", "grad.router.topk_weights"})
      all[name].push_back("router.topk_weights");
  if (shared)
    for (const char* name : {norms_output(config) ? "combine.sum" : "y", "grad.x", "grad.shared.gate",
                             "grad.shared.up", "grad.shared.down", "grad.shared.gate_weight"})
      all[name].push_back(kNowhere);
  if (norms_latent(config)) put_norm(all, "latent.x", "latent.normed", "latent.norm_weight");
  if (norms_experts(config)) put_norm(all, "expert.out", "expert.normed", "latent.output_norm_weight");
  return all;
}

std::optional<Tensor> tensor_of_answer(const std::string& name) {
  if (name == "loss.task") return Tensor::loss_task;
  if (name == "loss.total") return Tensor::loss_total;
  if (name.starts_with("loss.")) return Tensor::loss_aux;
  return tensor_called(name);
}

}  // namespace moe
