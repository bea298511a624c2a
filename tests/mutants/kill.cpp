// kill TREE GOLDEN OUT: runs every mutant of an instrumented layer (TREE/mutants.txt) on every golden case, at double, and
// writes one line a mutant to OUT: the mutant, then the cases that it does not survive, separated by tabs.
//
// Each mutant runs in a process of its own, under AddressSanitizer: to crash, to hang and to leave an array is to be found. It is
// run only where the program as written asks whether it is in force; elsewhere it is that program.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "../asked.h"
#include "comparison.h"
#include "moe/evaluate.h"
#include "moe/scalar/ball.h"
#include "moe/scalar/dual.h"
#include "mutant.h"

// A mutant that crashes need not say where. The names are the sanitizers'.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "symbolize=0:detect_leaks=0:print_legend=0:quarantine_size_mb=1";
}
extern "C" const char* __ubsan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "symbolize=0:print_summary=0";
}

namespace {

using namespace moe;

template <typename F>
bool curvature_is_tight(const F& f) {
  using D = Dual<double>;
  double largest = 0;
  for (int i = -2000; i <= 2000; ++i)
    largest = std::max(largest, std::abs(f(Dual<D>(D(i * 0x1p-8, 1), D(1, 0))).d.d));
  return largest <= f.curvature() && largest >= 0.99 * f.curvature();
}

/// What golden files cannot show: bounds that only an error analysis reads.
bool curvatures() {
  return curvature_is_tight(Silu()) && curvature_is_tight(SiluSlope()) &&
         curvature_is_tight(SigmoidSlope()) && curvature_is_tight(GeluErf()) &&
         curvature_is_tight(GeluErfSlope()) && curvature_is_tight(GeluTanh()) &&
         curvature_is_tight(GeluTanhSlope()) && curvature_is_tight(NormalCdf()) &&
         curvature_is_tight(NormalDensity()) && curvature_is_tight(QuickGelu{2}) &&
         curvature_is_tight(QuickGeluSlope{2});
}

/// ... and what only certificates and named mistakes ask.
bool answers() {
  return yes<Activation>(has_kink) == "relu" && yes<Activation>(is_silu) == "silu" &&
         yes<Activation>(squares) == "relu2" && yes<Activation>(has_alpha) == "quick_gelu" &&
         yes(&Capacity::outer_round, rounds_outside) == "floor ceil half_even" &&
         yes(&Capacity::outer_round, rounds_to_nearest) == "half_even";
}
bool bends() {
  Experts form{true, Activation::Relu};
  form.clamp_gate_max = 5, form.clamp_up_abs = 7;
  Matrix<double> gate(1, 2), up(1, 2);
  gate << 1, 2, up << 3, 4;
  std::vector<double> met;
  const auto visit = [&](double z, double bend) { met.push_back(z), met.push_back(bend); };
  each_bend(form, gate, up, visit);
  form = {false, Activation::Relu};
  each_bend(form, Matrix<double>(), up, visit);
  Router near;
  near.renorm = Renorm::Sparsemixer, near.sparsemixer_jitter = 0.125;
  Matrix<double> z(2, 3);
  z << 8, 4, -16, 2, 1, 2;
  IdMatrix expert(2, 2);
  expert << 0, 1, 2, 0;
  each_bend_of_choices(near, z, expert, visit);
  return met == std::vector<double>{1, 0, 2, 0, 1, 5, 2,  5, 3,  7, 4,    7, 3,   -7, 4,   -7,
                                    3, 0, 4, 0, 2, 0, 20, 0, 16, 0, -0.5, 0, 0.5, 0,  0.5, 0};
}

/// ... and what no config may hold.
bool ten_places_are_refused() {
  try {
    decimal_of(0.0000000005);
  } catch (const Error&) {
    return true;
  }
  return false;
}

/// The decisions of every case again by balls, which must prove what doubles may round their way to.
bool decided_by_balls(const Question& q, const Config& config, const Inputs& inputs) {
  Ball::bits = 256;
  const Decisions decisions = decide(config, params_of<Ball>(config, inputs));
  const auto same = [&](const char* name, const auto* data) {
    const auto found = q.expected.find(name);
    return found == q.expected.end() || found->second.bytes == array_of(found->second.dims, data).bytes;
  };
  return decisions.plan.N() == q.expected.at("dispatch.order").size() &&
         same("router.topk_ids", decisions.expert.data()) &&
         same("dispatch.kept", decisions.plan.kept.data());
}

class Hunt {
 public:
  Hunt(const std::string& tree, const std::string& golden) {
    std::ifstream lines(tree + "/mutants.txt");
    for (std::string line; std::getline(lines, line);) mutants_.push_back(line);
    for (Question& q : questions(golden))
      if (!q.invalid && !q.id.starts_with("crossed/"))
        prepare(std::move(q));  // those are for the named mistakes
    names_.insert(names_.end(),
                  {"test: curvatures", "test: answers", "test: bends", "test: ten places are refused"});
    checks_.insert(checks_.end(), {curvatures, answers, bends, ten_places_are_refused});
    const std::size_t table = (mutants_.size() + 1) * checks_.size();
    void* shared = mmap(nullptr, 2 * table + 64 * sizeof(int), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) throw std::runtime_error("no shared memory");
    current_ = static_cast<int*>(shared);
    killed_ = static_cast<char*>(shared) + 64 * sizeof(int);
    asked_ = killed_ + table;
  }

  /// Of `parts` parts of the mutants the one that is `part`; the program as written is in each.
  void run(int part, int parts) {
    judge(0, 0);
    for (std::size_t c = 0; c < checks_.size(); ++c)
      if (killed_[c] != 0) throw std::runtime_error("the program as written fails " + names_[c]);
    for (int m = 1; m <= static_cast<int>(mutants_.size()); ++m)
      if (m % parts == part) own_.push_back(m);
    const int workers = static_cast<int>(std::min(64U, std::max(1U, std::thread::hardware_concurrency())));
    for (int w = 0; w < workers; ++w)
      if (fork() == 0) {
        for (std::size_t i = static_cast<std::size_t>(w); i < own_.size();
             i += static_cast<std::size_t>(workers))
          judge(own_[i], w);
        _exit(0);
      }
    while (wait(nullptr) > 0) {
    }
  }

  void write(const std::string& path) const {
    std::ofstream out(path);
    for (const int own : own_) {
      const auto m = static_cast<std::size_t>(own);
      out << mutants_[m - 1];
      for (std::size_t c = 0; c < checks_.size(); ++c)
        if (killed_[m * checks_.size() + c] != 0) out << '\t' << names_[c];
      out << '\n';
    }
  }

 private:
  void prepare(Question q) {
    names_.push_back(q.id);
    const Config config = config_from_json(q.config);
    Inputs inputs = inputs_of(q);
    q.inputs = q.config = nullptr;
    const bool subtle = config.capacity.priority != Priority::Fcfs || config.router.selection_bias ||
                        has_groups(config) || has_noise(config);
    checks_.emplace_back([q = std::move(q), config, inputs = std::move(inputs), subtle] {
      return agrees(q, evaluate<double>(config, inputs, nullptr, true)) &&
             (!subtle || decided_by_balls(q, config, inputs));
    });
  }
  void judge(int mutant, int worker) {
    char* killed = killed_ + static_cast<std::size_t>(mutant) * checks_.size();
    int crashes = 0;  // a mutant that crashes here will crash elsewhere; five times is enough to know it
    for (std::size_t from = 0; from < checks_.size() && crashes < 5; ++crashes) {
      const pid_t child = fork();
      if (child == 0) hunt(mutant, worker, from, killed);
      int status = 0;
      waitpid(child, &status, 0);
      if (status == 0) return;
      from = static_cast<std::size_t>(current_[worker]);
      killed[from++] = 1;
    }
  }
  [[noreturn]] void hunt(int mutant, int worker, std::size_t from, char* killed) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    ::mutant::active = mutant;
    for (std::size_t c = from; c < checks_.size(); ++c) {
      char* asked = asked_ + c * (mutants_.size() + 1);
      if (mutant == 0) ::mutant::asked = asked;
      if (mutant != 0 && asked[mutant] == 0) continue;
      current_[worker] = static_cast<int>(c);
      alarm(3);
      try {
        killed[c] = checks_[c]() ? 0 : 1;
      } catch (const std::exception&) {
        killed[c] = 1;
      }
    }
    _exit(0);
  }

  std::vector<std::string> mutants_, names_;
  std::vector<int> own_;  // numbers of the mutants to judge
  std::vector<std::function<bool()>> checks_;
  int* current_;  // per worker: the check it is at
  char* killed_;  // mutant by check
  char* asked_;   // check by mutant
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4 && argc != 6) throw std::runtime_error("usage: kill TREE GOLDEN OUT [PART PARTS]");
  Hunt hunt(argv[1], argv[2]);
  hunt.run(argc == 6 ? std::stoi(argv[4]) : 0, argc == 6 ? std::stoi(argv[5]) : 1);
  hunt.write(argv[3]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "kill: %s\n", e.what());
  return 1;
}
