#pragma once

#include "moe/sizing.h"
#include "verbs.h"

/// What the verbs about whole models share.
namespace moe::cli {

/// The options that name a model and the form of the answer.
struct ModelOptions {
  std::string model;
  bool strict = false, json = false, csv = false;

  void add_to(CLI::App& verb);
  /// The model. What its file says and was not understood goes to stderr, one line each; with --strict it is an Error.
  NamedModel load() const;
};

/// How sure a number is that is `kind` where the model is known: approximate where its file was not wholly understood.
std::string kind_of(const NamedModel& named, const char* kind = "exact");
/// The same of numbers about scores and caches, which some models have in a way that is not wholly counted.
std::string kind_of_attention(const NamedModel& named, const char* kind = "exact");
/// The last line of a verb's text: `known`, or what makes all numbers approximate.
void print_legend(const NamedModel& named, const char* known);

/// {"model", "params": {"total", "active", ...}, ...}: what every verb's --json begins with; with "unread", the keys that make it
/// approximate, if there are any.
Json model_json(const NamedModel& named, const ModelCount& counted);

/// The model's name, and a line on what it is made of.
std::string model_text(const Model& model, const ModelCount& counted);
/// What stands in a table for a component, as in "attention (mla)".
std::string component_text(const Model& model, const ModelCount& counted, Component component);

/// 671026419200 as "671.026 B", or G where a billion is not called B; 3.71e24 as "3.71e+24".
std::string amount_text(double amount, const char* billion = " B");
std::string percent_text(double percent, int digits = 2);
/// The format that an option names.
const WeightFormat& format_called(const std::string& option, const std::string& name);
/// A number of bytes as "1.250 GB, 1.164 GiB".
std::string bytes_text(double bytes);
/// first, first * ratio, first * ratio^2, ... up to `last`: where a curve over a logarithmic axis has its points.
std::vector<double> geometric(double first, double ratio, double last);
/// The text in lines of at most 80 columns, under a label of ten.
void print_wrapped(const std::string& label, const std::string& text);
/// The lines on what was published about the model, or about one that it resembles, if anything was.
void print_published(const NamedModel& named, const ModelCount& counted);

inline constexpr Component kAllComponents[] = {Component::Embedding, Component::Head,   Component::Attention,
                                               Component::Dense,     Component::Router, Component::Shared,
                                               Component::Routed,    Component::Norms};

}  // namespace moe::cli
