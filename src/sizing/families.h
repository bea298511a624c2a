#pragma once

#include "moe/sizing.h"

namespace moe {

class Keys;

/// What a family of models does and its config.json does not say.
struct Family {
  const char* model_types = "";  // the names in its files, separated by blanks
  std::int64_t mtp_modules = 0;  // in the checkpoint, whatever the config says
  Gqa::QkNorm qk_norm = Gqa::QkNorm::None;
  bool tied = false;              // where tie_word_embeddings is absent
  bool qk_norm_if_asked = false;  // only where use_qk_norm says so
  bool qkv_bias = false;          // where no key says so
  bool output_bias = false;       // the key for the bias of queries, keys and values is the output's, too
  bool sinks = false, output_gate = false;
  bool shared_gate = false;
  bool router_bias = false;
  bool expert_bias = false;
  bool ungated = false;  // two matrices an expert
  bool llama4 = false;   // intermediate_size is the experts' width and that of the one shared expert
  bool norm_bias = false;
  bool one_width = false;  // experts have intermediate_size, whatever else a file says
  bool head_gate = false;
  bool noaux_bias = false;     // a bias in the choice of experts, which topk_method, if it is there, may deny
  bool latent = false;         // attention may be latent: kv_lora_rank means something
  std::int64_t shared = 0;     // experts of all tokens where no key counts them
  std::int64_t norms = 1;      // for each mixer and each feed-forward block
  bool low_rank_kimi = false;  // decay and gate of Kimi's delta attention pass by the width of a head
  const char* unsure = "";     // switches whose parameters are not known: on, they make a count approximate
  bool inner_ties = false;     // tie_word_embeddings of the language model decides, not of what is around it
  bool never_ties = false;
  const char* headless =
      "";  // the name of it whose model class has no head where it is no part of another's file
  void (*amend)(Keys& keys, Model& model) = nullptr;  // what else there is
};

/// The family of this model_type; null where it is not known.
const Family* find_family(const std::string& model_type);

}  // namespace moe
