#pragma once

#include <doctest/doctest.h>

#include "moe/error.h"
#include "moe/file.h"
#include "moe/sizing_json.h"

namespace moe {

inline std::string sizing_file(const std::string& name) { return MOE_ROOT "/tests/sizing/" + name; }
inline Json sizing_json(const std::string& name) { return parse_json(read_text(sizing_file(name)), name); }

/// The counts of the 60 models of the registry, made apart from this program: by a script, from the same fields.
inline const Json& expected_counts() {
  static const Json all = sizing_json("expected.json");
  return all;
}

/// What `act` throws, as text; empty where it throws nothing.
template <typename Act>
std::string message_of(Act act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

/// A model of two layers that is small enough for paper: D = 4, V = 10, two heads of 3 over one, E = 3, K = 2, F = 5.
inline Model tiny_model() {
  Model m;
  m.hidden_size = 4, m.vocabulary = 10, m.dense_size = 6;
  Gqa attention;
  attention.heads = 2, attention.kv_heads = 1, attention.head_size = 3;
  m.mixers = {attention};
  m.layers = {{0, false, true, false}, {0, false, false, true}};
  Mixture moe;
  moe.num_experts = 3, moe.top_k = 2, moe.ffn_size = 5;
  m.moe = moe;
  return m;
}

}  // namespace moe
