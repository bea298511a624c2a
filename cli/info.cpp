#include <omp.h>

#include <Eigen/Core>
#include <cfenv>
#include <cfloat>
#include <cstdio>

#include "moe/backend.h"
#include "moe/certify.h"
#include "moe/version.h"
#include "verbs.h"

namespace moe::cli {
namespace {

const char* compiler() {
#if defined(__clang__)
  return "clang++ " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

/// The vector extensions of this CPU that matter to the layer's speed, never to its numbers.
std::string cpu_features() {
  std::string list;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto add = [&](bool has, const char* name) {
    if (has) list += (list.empty() ? "" : " ") + std::string(name);
  };
  add(__builtin_cpu_supports("sse4.2") != 0, "sse4.2");
  add(__builtin_cpu_supports("avx") != 0, "avx");
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("fma") != 0, "fma");
  add(__builtin_cpu_supports("avx512f") != 0, "avx512f");
  add(__builtin_cpu_supports("avx512bf16") != 0, "avx512_bf16");
#endif
  return list.empty() ? "none known" : list;
}

/// What the environment does to doubles, by trying it.
Json floating_point() {
  volatile double one = 1, tiny = DBL_MIN, third = 1.0 / 3;
  const double product = one / 3 * 3 - 1, fused = third * 3 - one;  // -2^-54 by one fused operation, else 0
  return {{"rounding", std::fegetround() == FE_TONEAREST ? "to nearest" : "NOT to nearest"},
          {"contraction", product == 0 && fused == 0 ? "off" : "ON"},
          {"subnormals", tiny / 2 > 0 ? "kept" : "FLUSHED"}};
}

Json backends_json() {
  Json json;
  for (const Backend& backend : backends()) {
    const std::string reason = backend.declines(Config(), backend.dtype),
                      how = reason.empty() ? backend.how() : "";
    json[backend.name] =
        reason.empty() ? "available" + (how.empty() ? "" : ": " + how) : "unavailable: " + reason;
  }
  try {
    backend_called("cuda");
  } catch (const CannotRun& reason) {
    json["cuda"] = std::string("unavailable: ") + reason.what();
  }
  return json;
}

Json info_json() {
  const std::string ball = ball_library();
  return {{"version", kVersion},
          {"compiler", compiler()},
          {"libraries",
           {{"eigen", std::to_string(EIGEN_WORLD_VERSION) + '.' + std::to_string(EIGEN_MAJOR_VERSION) + '.' +
                          std::to_string(EIGEN_MINOR_VERSION)},
            {"ball", ball.empty() ? "none: this build certifies nothing, because FLINT was not found" : ball},
            {"openmp", std::to_string(_OPENMP) + ", " + std::to_string(omp_get_max_threads()) + " threads"}}},
          {"backends", backends_json()},
          {"cpu", cpu_features()},
          {"floatingPoint", floating_point()}};
}

int act_on(bool as_json) {
  const Json info = info_json();
  if (as_json) {
    std::fputs(print_json(info).c_str(), stdout);
    return 0;
  }
  for (const auto& [key, value] : info.items()) {
    if (!value.is_object()) {
      std::printf("%-14s %s\n", key.c_str(), value.get<std::string>().c_str());
      continue;
    }
    for (const auto& [name, text] : value.items())
      std::printf("%-14s %-12s %s\n", key.c_str(), name.c_str(), text.get<std::string>().c_str());
  }
  return 0;
}

}  // namespace

void add_info(CLI::App& app, Act& act) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("info", "versions, backends, CPU features, floating-point environment");
  verb->footer("Example: moe-oracle info --json");
  verb->add_flag("--json", *json, "print JSON");
  verb->callback([json, &act] { act = [json] { return act_on(*json); }; });
}

}  // namespace moe::cli
