#include "moe/stats.h"

#include <cstdio>

#include "moe/config_json.h"
#include "verbs.h"

namespace moe::cli {
namespace {

constexpr std::size_t kMostRows = 32, kMostDead = 16;

std::string share_text(double share) { return short_text(100 * share) + " %"; }

std::string entropy_text(double entropy, double most) {
  return short_text(entropy) + " nats" + (most > 0 ? ", " + share_text(entropy / most) + " of log E" : "");
}

std::string dead_text(const std::vector<Index>& dead) {
  std::string text = with_commas(static_cast<Index>(dead.size()));
  for (std::size_t i = 0; i < std::min(dead.size(), kMostDead); ++i)
    text += (i == 0 ? ": " : " ") + std::to_string(dead[i]);
  return text + (dead.size() > kMostDead ? " ..." : "");
}

}  // namespace

Json stats_json(const RoutingStats& s) {
  return {{"load", s.load},
          {"load_share", s.load_share},
          {"importance", s.importance},
          {"load_cv", s.load_cv},
          {"importance_cv", s.importance_cv},
          {"load_entropy", s.load_entropy},
          {"score_entropy", s.score_entropy},
          {"max_entropy", s.max_entropy},
          {"max_violation", s.max_violation},
          {"dropped_share", s.dropped_share},
          {"dead", s.dead}};
}

void print_stats(const RoutingStats& s) {
  std::printf("balance   load: cv %s, MaxVio %s, entropy %s;  importance: cv %s\n",
              short_text(s.load_cv).c_str(), short_text(s.max_violation).c_str(),
              entropy_text(s.load_entropy, s.max_entropy).c_str(), short_text(s.importance_cv).c_str());
  std::printf("scores    of a token: entropy %s\n", entropy_text(s.score_entropy, s.max_entropy).c_str());
  std::printf("dead      %s;  dropped %s\n", dead_text(s.dead).c_str(), share_text(s.dropped_share).c_str());
  if (s.load.size() > kMostRows) {
    std::printf("experts   %zu, which --json lists\n", s.load.size());
    return;
  }
  const Index most = std::max(Index{1}, *std::max_element(s.load.begin(), s.load.end()));
  std::printf("expert        load     share  importance\n");
  for (std::size_t e = 0; e < s.load.size(); ++e) {
    const std::string bar(static_cast<std::size_t>((40 * s.load[e] + most - 1) / most), '#');
    std::printf("%6zu  %10s  %8s  %10s%s\n", e, with_commas(s.load[e]).c_str(),
                share_text(s.load_share[e]).c_str(), short_text(s.importance[e]).c_str(),
                bar.empty() ? "" : ("  " + bar).c_str());
  }
}

bool holds_logits(const std::string& input) {
  if (input.empty()) return false;
  const SafetensorsFile file(input);
  return file.has(name_of(Tensor::router_logits)) && !file.has(name_of(Tensor::x));
}

RoutingStats stats_of_logits(const Config& config, const std::string& input) {
  const SafetensorsFile file(input);
  try {
    const char* bias = name_of(Tensor::router_selection_bias);
    Array b;
    if (config.router.selection_bias && file.has(bias)) b = file.load(bias);
    return routing_stats(
        routing_trace(config, file.load(name_of(Tensor::router_logits)), b.dims.empty() ? nullptr : &b));
  } catch (const Error& e) {
    throw Error(e.field, std::string(e.what()).starts_with(input) ? e.what() : input + ": " + e.what());
  }
}

}  // namespace moe::cli
