#pragma once

#include "keys.h"
#include "moe/sizing.h"

/// What one family has beside what a config.json says in the words that all share. Each amends a model that was read by them; all
/// throw Error naming a key.
namespace moe {

void share_indexers(Keys& keys, Model& model);
void amend_deepseek_v4(Keys& keys, Model& model);
void amend_axk1(Keys& keys, Model& model);
void amend_axk2(Keys& keys, Model& model);
void amend_dots3(Keys& keys, Model& model);
void amend_glm5_next(Keys& keys, Model& model);
void amend_hy_v4(Keys& keys, Model& model);
void amend_mistral_large4(Keys& keys, Model& model);
void amend_deepseek_ocr(Keys& keys, Model& model);
void amend_beam(Keys& keys, Model& model);
void amend_cohere2(Keys& keys, Model& model);
void amend_laguna(Keys& keys, Model& model);
void amend_mimo(Keys& keys, Model& model);
void amend_muse_spark(Keys& keys, Model& model);
void amend_gemma4(Keys& keys, Model& model);
void amend_doge(Keys& keys, Model& model);
void amend_jetmoe(Keys& keys, Model& model);
void amend_inkling(Keys& keys, Model& model);
void amend_inkling2(Keys& keys, Model& model);
void amend_minimax_m3(Keys& keys, Model& model);
void amend_zaya(Keys& keys, Model& model);

}  // namespace moe
