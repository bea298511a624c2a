#include "layers.h"

using namespace moe;

// What needs a device, and not a small one.
TEST_CASE("cuda device: a stage of more than 2^31 numbers, probed at its ends and around the boundary") {
  if (no_device()) return;
  constexpr Index kProbe =
      16;  // so many that both experts, the rows of the second of which come last, are met
  // The rows of 32,768 pre-activations each are 2^31 numbers after 65,536 of them.
  const Layer layer = layer_of("mixtral", {"shape.num_tokens=65600", "shape.hidden_size=32",
                                           "shape.ffn_size=16384", "shape.num_experts=2", "shape.top_k=1"});
  const Index T = layer.config.shape.num_tokens, D = layer.config.shape.hidden_size;
  const auto loaded = backend_called("cuda").load(layer.config, layer.inputs, Format::BF16);
  loaded->forward(layer.inputs), loaded->backward();
  for (const Index first : {Index{0}, T / 2, T - kProbe}) {
    CheckCase c;
    c.golden.id = "test/large", c.config = layer.config, c.golden.inputs = layer.inputs;
    c.config.shape.num_tokens = kProbe;
    for (const Tensor id : {Tensor::x, Tensor::dy}) {
      std::vector<double> values(static_cast<std::size_t>(kProbe * D));
      layer.inputs.at(id).reals(first * D, values);
      c.golden.inputs[id] = converted(array_of({kProbe, D}, values.data()), Format::BF16, name_of(id));
    }
    const Matrix<double> y = loaded->rows(Tensor::y, first, kProbe),
                         dx = loaded->rows(Tensor::grad_x, first, kProbe);
    const CaseVerdict verdict =
        check(c,
              {{{"y", converted(array_of({kProbe, D}, y.data()), Format::BF16, "y")},
                {"grad.x", converted(array_of({kProbe, D}, dx.data()), Format::BF16, "grad.x")}},
               {},
               {}},
              {});
    CAPTURE(first);
    for (const TensorVerdict& v : verdict.tensors) {
      CAPTURE(v.name);
      CHECK(v.reason == "");
      CHECK(v.hard_ratio <= 1);
    }
    CHECK(verdict.tensors.size() == 2);
  }
}
