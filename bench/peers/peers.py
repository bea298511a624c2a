"""The layer in other programs: each takes x (T, D) and gives y (T, D), with the router and any shared expert."""

import functools

import jax
import torch
from jax import lax
from torch.nn import functional
from transformers import GptOssConfig, MixtralConfig
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

MOST_MASKED = 1.5e9  # bytes that JAX's ragged_dot may take: on CPUs it multiplies all rows, masked, by every expert


class Tensors:
    """The weights in a dtype and in the forms that peers take; each is made once, when it is first asked for."""

    def __init__(self, layer, dtype):
        self.layer, self.dtype = layer, dtype

    def __getitem__(self, name):
        return self.layer.weights[name].to(self.dtype)

    @functools.cached_property
    def fused(self):
        return self.layer.fused().to(self.dtype)

    @functools.cached_property
    def turns(self):
        return self.layer.fused(turns=True).to(self.dtype)

    @functools.cached_property
    def down(self):
        return self["experts.down"]

    def fused_bias(self, turns):
        return self.layer.fused(part="_bias", turns=turns).to(self.dtype)

    def shared(self):
        return [self.layer.fused("shared").to(self.dtype), self["shared.down"]]


class Torch:
    """The experts of transformers, in one of the implementations that it has: Mixtral's; gpt-oss's where there are biases."""

    def __init__(self, tensors, T, implementation):
        layer = self.layer = tensors.layer
        kind, config = MixtralExperts, MixtralConfig
        if layer.bias:
            kind, config = GptOssExperts, GptOssConfig
        config = config(hidden_size=layer.D, intermediate_size=layer.F, num_local_experts=layer.E,
                        num_experts_per_tok=layer.K)
        config._experts_implementation = implementation
        config.swiglu_alpha, config.swiglu_limit = 1.0, float("inf")
        with torch.device("meta"):
            self.experts = kind(config)
        given = {"gate_up_proj": tensors.fused, "down_proj": tensors.down} if not layer.bias else {
            "gate_up_proj": tensors.turns.transpose(1, 2), "down_proj": tensors.down.transpose(1, 2),
            "gate_up_proj_bias": tensors.fused_bias(turns=True), "down_proj_bias": tensors["experts.down_bias"]}
        if layer.bias:  # gpt-oss adds 1 to what up gives
            given["gate_up_proj_bias"][:, 1::2] -= 1
        for name, tensor in given.items():
            setattr(self.experts, name, torch.nn.Parameter(tensor, requires_grad=False))
        self.router = tensors["router.weight"]
        self.shared = tensors.shared() if layer.shared else None

    def __call__(self, x):
        with torch.inference_mode():
            best, chosen = torch.topk(functional.linear(x, self.router).float(), self.layer.K, dim=-1)
            y = self.experts(x, chosen, torch.softmax(best, dim=-1).to(x.dtype))
            if self.shared:
                gate, up = functional.linear(x, self.shared[0]).chunk(2, dim=-1)
                y += functional.linear(functional.silu(gate) * up, self.shared[1])
            return y


class Onnx:
    """onnxruntime's operator MoE; the router and a shared expert are nodes of the same graph."""

    def __init__(self, tensors, T):
        import onnxruntime
        from onnx import TensorProto, helper

        layer = tensors.layer
        if tensors.dtype != torch.float32:
            raise RuntimeError("its CPU operator MoE takes no bf16")
        given = {"router": tensors["router.weight"].T.contiguous(), "fc1": tensors.turns, "fc2": tensors.down}
        if layer.bias:
            given |= {"b1": tensors.fused_bias(turns=True), "b2": tensors["experts.down_bias"]}
        names = ["x", "logits", "fc1", "b1" if layer.bias else "", "fc2", "b2" if layer.bias else ""]
        node = helper.make_node
        nodes = [node("MatMul", ["x", "router"], ["logits"]),
                 node("MoE", names, ["routed" if layer.shared else "y"], domain="com.microsoft", k=layer.K,
                      activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.0, activation_beta=0.0,
                      normalize_routing_weights=1)]
        if layer.shared:
            for name in ("gate", "up", "down"):
                given[name] = tensors[f"shared.{name}"].T.contiguous()
            nodes += [node("MatMul", ["x", "gate"], ["g"]), node("MatMul", ["x", "up"], ["u"]),
                      node("Sigmoid", ["g"], ["s"]), node("Mul", ["g", "s"], ["a"]), node("Mul", ["a", "u"], ["h"]),
                      node("MatMul", ["h", "down"], ["o"]), node("Add", ["routed", "o"], ["y"])]
        value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        graph = helper.make_graph(nodes, "layer", [value("x", ["T", layer.D])] +
                                  [value(name, tensor.shape) for name, tensor in given.items()], [value("y", ["T", layer.D])])
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self.given = {name: onnxruntime.OrtValue.ortvalue_from_numpy(tensor.numpy()) for name, tensor in given.items()}
        self.value = onnxruntime.OrtValue.ortvalue_from_numpy

    def __call__(self, x):
        made = self.session.run_with_ort_values(["y"], {"x": self.value(x.numpy()), **self.given})
        return torch.from_numpy(made[0].numpy())


def by_last(a, W):
    return lax.dot_general(a, W, (((1,), (1,)), ((), ())))


def block(rows, dot, W, bias):
    """A feed-forward block; dot(rows, name) multiplies by a tensor, bias(name) is what to add."""
    gate, up = jax.numpy.split(dot(rows, W + "in") + bias(W + "in_bias"), 2, axis=-1)
    return dot(jax.nn.silu(gate) * up, W + "out") + bias(W + "out_bias")


def ragged(given, rows, expert, sizes, tile):
    """All experts by jax.lax.ragged_dot_general."""
    how = lax.RaggedDotDimensionNumbers((((1,), (2,)), ((), ())), lhs_ragged_dimensions=[0], rhs_group_dimensions=[0])
    return block(rows, lambda a, name: lax.ragged_dot_general(a, given[name], sizes, how), "",
                 lambda name: given[name][expert] if name in given else 0)


def tiles(given, rows, expert, sizes, tile):
    """Up to `tile` rows of one expert after the other; what a tile writes beyond its expert's rows, the next replaces."""
    counts, firsts = -(-sizes // tile), jax.numpy.cumsum(sizes) - sizes
    ends, padded = jax.numpy.cumsum(counts), jax.numpy.pad(rows, ((0, tile), (0, 0)))

    def one(i, out):
        e = jax.numpy.searchsorted(ends, i, side="right")
        first = firsts[e] + (i - ends[e] + counts[e]) * tile
        made = block(lax.dynamic_slice_in_dim(padded, first, tile), lambda a, name: by_last(a, given[name][e]), "",
                     lambda name: given[name][e] if name in given else 0)
        return lax.dynamic_update_slice_in_dim(out, made, first, 0)

    return lax.fori_loop(0, ends[-1], one, jax.numpy.zeros_like(padded))[: rows.shape[0]]


def jax_layer(given, x, K, product, tile):
    best, chosen = lax.top_k(by_last(x, given["router"]).astype("float32"), K)
    order = jax.numpy.argsort(chosen.ravel(), stable=True)
    expert = chosen.ravel()[order]
    sizes = jax.numpy.bincount(expert, length=given["in"].shape[0])
    out = product(given, x[order // K], expert, sizes, tile)[jax.numpy.argsort(order)]
    shares = jax.nn.softmax(best, axis=-1).astype(x.dtype)
    y = jax.numpy.einsum("tkd,tk->td", out.reshape(x.shape[0], K, -1), shares)
    if "shared_in" in given:
        y += block(x, lambda a, name: by_last(a, given[name]), "shared_", lambda name: 0)
    return y


class Jax:
    """A jitted layer, which shares the weights with PyTorch's."""

    def __init__(self, tensors, T, product):
        layer, N = tensors.layer, T * tensors.layer.K
        masked = layer.E * N * max(layer.D, layer.F) * tensors.dtype.itemsize
        if product == ragged and masked > MOST_MASKED:
            raise RuntimeError(f"it masks all rows for every expert, which takes more than {MOST_MASKED / 1e9} GB")
        given = {"router": tensors["router.weight"], "in": tensors.fused, "out": tensors.down}
        if layer.bias:
            given |= {"in_bias": tensors.fused_bias(turns=False), "out_bias": tensors["experts.down_bias"]}
        if layer.shared:
            given |= dict(zip(("shared_in", "shared_out"), tensors.shared()))
        self.given = {name: jax.dlpack.from_dlpack(tensor) for name, tensor in given.items()}
        tile = max(1, min(256, N // layer.E))
        self.run = jax.jit(functools.partial(jax_layer, K=layer.K, product=product, tile=tile))

    def __call__(self, x):
        return torch.from_dlpack(self.run(self.given, jax.dlpack.from_dlpack(x)).block_until_ready())


PEERS = {"torch eager": functools.partial(Torch, implementation="eager"),
         "torch grouped_mm": functools.partial(Torch, implementation="grouped_mm"),
         "onnxruntime MoE": Onnx,
         "jax ragged_dot": functools.partial(Jax, product=ragged),
         "jax tiles": functools.partial(Jax, product=tiles)}
