#include "emulated.h"
#include "layers.h"

using namespace moe;

namespace {

/// Machines are put back to what they were.
class As {
 public:
  explicit As(const emulated::Machine& machine) : before_(emulated::machine) { emulated::machine = machine; }
  ~As() { emulated::machine = before_; }
  As(const As&) = delete;
  As& operator=(const As&) = delete;

 private:
  emulated::Machine before_;
};

std::string declines_on(const emulated::Machine& machine) {
  const As scope(machine);
  return backend_called("cuda").declines(Config(), Format::F32);
}

}  // namespace

TEST_CASE("cuda: a machine that cannot compute is declined in a sentence") {
  CHECK(declines_on({}) == "");
  CHECK(declines_on({.driver = 0}) ==
        "backend cuda needs an NVIDIA GPU, and this machine has no driver for one");
  CHECK(declines_on({.driver = 12040}) ==
        "backend cuda needs a driver for CUDA 13.0, this machine's is for 12.4");
  CHECK(declines_on({.devices = 0}) ==
        "backend cuda cannot run here, CUDA says: no CUDA-capable device is detected");
  CHECK(declines_on({.major = 7}) ==
        "backend cuda needs compute capability 8.0 or more, this device has 7.0");
  CHECK(backend_called("cuda").how() == "no device, but an emulation, CUDA 13.0, cuBLAS 0.0");
}

TEST_CASE("cuda: a convention that it does not compute is declined by name") {
  Config config;
  config.router.score_function = ScoreFunction::SqrtSoftplus;
  CHECK(backend_called("cuda").declines(config, Format::F32) ==
        "backend cuda does not compute router.score_function = \"sqrtsoftplus\"");
}

TEST_CASE("cuda: what does not fit is said in a sentence, and leaves the device as it was") {
  const Layer layer = layer_of("mixtral");
  const Arrays before = on_cuda(layer, Format::F32);
  CHECK(emulated::allocated() == 0);
  for (const std::size_t memory :
       {std::size_t{1} << 20, std::size_t{302'000'000}, std::size_t{302'200'000}}) {
    const As scope({.memory = memory});
    CHECK_THROWS_AS(on_cuda(layer, Format::F32), CannotRun);
    CHECK(emulated::allocated() == 0);
  }
  CHECK(other_bits(before, on_cuda(layer, Format::F32)) == "");

  const auto loaded = backend_called("cuda").load(layer.config, layer.inputs, Format::F32);
  {
    const As scope({.memory = emulated::allocated() + 1000});
    CHECK_THROWS_WITH_AS(loaded->forward(layer.inputs), "backend cuda: asking for 2048 bytes: out of memory",
                         CannotRun);
  }
  loaded->forward(layer.inputs);
  const Array& y = tensor_of(before, "y");
  const Matrix<double> got = loaded->rows(Tensor::y, 0, layer.config.shape.num_tokens);
  for (Index i = 0; i < got.size(); ++i) CHECK(got.data()[i] == y.real(i));
}

TEST_CASE("cuda: what fails on a device that is there is no reason to skip a case") {
  const Layer layer = layer_of("mixtral");
  std::string message;
  {
    const As scope({.broken = true});
    try {
      on_cuda(layer, Format::F32);
    } catch (const CannotRun&) {
      FAIL("it was taken for a machine that cannot compute");
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
  }
  CHECK(message == "backend cuda: copying to the device: invalid argument");
  CHECK(emulated::allocated() == 0);
}

TEST_CASE("cuda: the same bits whichever thread, warp and block comes first") {
  for (const std::string& preset : kPresetNames)
    for (const Format dtype : kDtypes) {
      const Layer layer =
          layer_of(preset, {"shape.num_tokens=72", "shape.hidden_size=40", "shape.ffn_size=24"});
      CAPTURE(preset);
      CAPTURE(info_of(dtype).name);
      const Arrays once = on_cuda(layer, dtype);
      const As scope({.backwards = true});
      CHECK(other_bits(once, on_cuda(layer, dtype)) == "");
    }
}

TEST_CASE("cuda: every part of a layer is timed, and has a floor") {
  const Layer layer = layer_of("mixtral");
  const Backend& backend = backend_called("cuda");
  const auto loaded = backend.load(layer.config, layer.inputs, Format::F32);
  loaded->forward(layer.inputs);
  std::vector<std::string> parts;
  for (const PartTime& time : backend.times(*loaded, true, 1)) {
    parts.push_back(time.part);
    CHECK(time.seconds > 0);
    CHECK(time.arithmetic + time.memory > 0);
  }
  CHECK(parts == std::vector<std::string>{"forward", "both", "routing", "combine"});
}

TEST_CASE("cuda: inputs are not rounded") {
  Layer layer = layer_of("mixtral");
  Array& x = layer.inputs[Tensor::x];
  std::vector<double> values(static_cast<std::size_t>(x.size()), 0.5);
  values[3] = 1 + 0x1p-20;
  x = array_of(x.dims, values.data());
  on_cuda(layer, Format::F32);
  CHECK_THROWS_WITH_AS(on_cuda(layer, Format::BF16),
                       "x[3] = 1.0000009536743164 is no number of bf16, and backend cuda rounds no inputs",
                       CannotRun);
  CHECK_THROWS_WITH_AS(on_cuda(layer, Format::F16),
                       "x[3] = 1.0000009536743164 is no number of f16, and backend cuda rounds no inputs",
                       CannotRun);
}

TEST_CASE("cuda: gradients need a dy") {
  Layer layer = layer_of("mixtral");
  const auto loaded = backend_called("cuda").load(layer.config, layer.inputs, Format::F32);
  layer.inputs.erase(Tensor::dy);
  loaded->forward(layer.inputs);
  CHECK_THROWS_WITH_AS(loaded->backward(), "dy must be part of the batch where gradients are asked for",
                       Error);
  CHECK(loaded->trace().loss.total == 0);
}
