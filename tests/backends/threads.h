#pragma once

#include <omp.h>

#include "moe/safetensors.h"

/// As many threads of OpenMP as this says, while it lives.
class Threads {
 public:
  explicit Threads(int n) : before_(omp_get_max_threads()) { omp_set_num_threads(n); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// Where two answers differ in a bit; "" if nowhere.
inline std::string other_bits(const moe::Arrays& a, const moe::Arrays& b) {
  if (a.size() != b.size() || a.empty()) return "other tensors";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || a[i].second.bytes != b[i].second.bytes) return a[i].first;
  return "";
}
