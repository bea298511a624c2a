#pragma once

#include <set>

#include "../huggingface/fields.h"

namespace moe {

/// Is it this string?
bool is_text(const Json& value, std::string_view text);

using Names = std::initializer_list<const char*>;

/// The fields of a config.json under the names that different families have for one quantity. Names that are there together
/// must agree. Remembers what was asked for, so that the rest can be reported.
class Keys {
 public:
  /// What is inside ffn_config and attn_config goes by dotted names, as in ffn_config.moe_top_k.
  Keys(const Json& json, const std::string& file);
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  bool has(const char* name);
  bool is(const char* name, std::string_view text);
  /// The first of the names that is there, or null. Names of one quantity must agree.
  const char* which(Names names);
  /// Marks what repeats other keys, or adds no parameter.
  void known(Names names) {
    for (const char* name : names) has(name);
  }
  /// A whole number, or a list of equal ones, as families with a number for each layer write it.
  std::int64_t whole(Names names, std::int64_t least = 1);
  std::int64_t whole_or(Names names, std::int64_t otherwise, std::int64_t least = 0);
  bool truth_or(Names names, bool otherwise);
  std::string text_or(const char* name, const std::string& otherwise);
  bool is_list(const char* name) { return has(name) && flat_[name].is_array(); }
  /// The list called `name`, of `length` elements or of at most 10,000.
  const Json& list(const char* name, std::int64_t length);
  const Json& list(const char* name);
  [[noreturn]] void refuse(const char* name, const std::string& rule) const { fields_.refuse(name, rule); }

  /// The value of a key that is there.
  const Json& at(const char* name) { return has(name) ? flat_[name] : fields_.at(name); }
  /// The names that are there and were not asked for, with their values.
  const Json& all() const { return flat_; }
  bool was_asked_for(const std::string& name) const { return asked_.count(name) > 0; }
  /// These fields with others in the place of some of them, as per_layer_config has them.
  Json with(const Json& others) const;
  const std::string& file() const { return file_; }

 private:
  const std::string file_;
  Json flat_;
  Fields fields_;
  std::set<std::string> asked_;
};

}  // namespace moe
