"""The mixture-of-experts blocks of mlx-lm on MLX's CPU device, gradients by mx.grad, as a client of `moe-oracle check --exec`.

A block is filled by `load_weights` and called: y is what it returns, gradients are those of its parameters, in their dtype.
Where a part of it can be listened to from outside (the router, its choices, the experts), that is returned, too. The blocks
have no losses: where a layer has, gradients that depend on them are left out.

A block is as mlx-lm has it, but for one operator: MLX has `gather_mm` on a CPU for float32 alone ("[GatherMM::eval] Currently
only supports float32"). So in bf16 and f16 each row is multiplied by mx.matmul with the matrix that is gathered for it. The
block of dbrx has linear layers for experts, and nothing in it is replaced.

Measured with 0.32: matrix products, and the sum over a token's choices, are made in float32 and rounded once. `silu` and its
product with up round at every operator. The gradient of a gathered matrix is added up row by row in its dtype, each addition
rounded; that of a linear layer is rounded once. In float32 exp(z) is off by up to |z| 2^-24 of itself (32 at z = 40), and what
would lie below the least normal number is 0.
"""
import sys
from types import SimpleNamespace

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models import dbrx, deepseek_v3, mixtral, olmoe
from mlx_lm.models.switch_layers import SwitchGLU, SwitchLinear

import wire

DTYPES = {"f32": mx.float32, "bf16": mx.bfloat16, "f16": mx.float16}
SWITCH = {f"experts.{name}": f"switch_mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
SWITCH["router.weight"] = "gate.weight"
BIASES = {f"experts.{name}_bias": f"switch_mlp.{name}_proj.bias" for name in ("gate", "up", "down")}
SHARED = {f"shared.{name}": f"shared_experts.{name}_proj.weight" for name in ("gate", "up", "down")}
LINEAR = {"experts.gate": "experts.{}.w1.weight", "experts.up": "experts.{}.v1.weight", "experts.down": "experts.{}.w2.weight"}

# The block of a model, the names of its parameters ({} is the expert's number), and what it has of a layer where others do not.
TYPES = {
    "mixtral": (mixtral.MixtralSparseMoeBlock, SWITCH, {"router": {"renorm": ["sum"]}}),
    "olmoe": (olmoe.OlmoeSparseMoeBlock, {**SWITCH, **BIASES}, {"experts": {"bias": ["none", "per_expert"]}}),
    "deepseek_v3": (deepseek_v3.DeepseekV3MoE, {**SWITCH, **SHARED, "router.selection_bias": "gate.e_score_correction_bias"},
                    {"router": {"score_function": ["sigmoid"], "selection_bias": [False, True], "n_group": wire.size,
                                "group_score": ["sum_topn"], "group_score_n": [2], "routed_scaling_factor": wire.positive_number},
                     "shared": {"mode": ["none", "add"]}, "bias_update": {"kind": ["none", "sign"]}}),
    "dbrx": (dbrx.SparseMoeBlock, {**LINEAR, "router.weight": "router.layer.weight"}, {"router": {"renorm": ["sum"]}}),
}
ALL_HAVE = {
    "router": {"score_function": ["softmax"], "selection_bias": [False], "n_group": [1], "routed_scaling_factor": [1.0],
               "second_policy": ["all"]},
    "noise": {"kind": ["none"]}, "capacity": {"mode": ["none"]}, "experts": {"glu": [True], "activation": ["silu"]},
    "shared": {"mode": ["none"]}, "bias_update": {"kind": ["none"]},
}


class Listening(nn.Module):
    """Put before a module as a base, it keeps what goes in and comes out. A name with _ is no parameter."""

    def __call__(self, *inputs):
        self._heard = (*inputs, super().__call__(*inputs))
        return self._heard[-1]


class Linear(Listening, nn.Linear):
    pass


class Gate(Listening, deepseek_v3.MoEGate):
    pass


class Experts(Listening, SwitchGLU):
    pass


class Gathered(SwitchLinear):
    """What gather_mm computes, in any dtype."""

    def __call__(self, x, indices, sorted_indices=False):
        x = x @ self.weight[indices].swapaxes(-1, -2)
        return x + mx.expand_dims(self.bias[indices], -2) if "bias" in self else x


class Layer:
    def __init__(self, kind, dtype):
        self.block_of, self.names, has = TYPES[kind]
        self.dtype = DTYPES[dtype]
        self.expressed = {section: {**fields, **ALL_HAVE.get(section, {}), **has.get(section, {})}
                          for section, fields in wire.EXPRESSED.items()}

    def inspect(self, config):
        """Refuses what the block cannot express."""
        wire.inspect_config(config, self.expressed)
        if self.block_of is deepseek_v3.DeepseekV3MoE:
            shape, hidden = config["shape"], config["shared"].get("ffn_size", 0)
            wire.need(config["router"]["renorm"] == "none" or shape["top_k"] > 1, "router.renorm = \"sum\"",
                      "is not done where shape.top_k = 1")
            wire.need(hidden % shape["ffn_size"] == 0, f"shared.ffn_size = {hidden}", "must be a multiple of shape.ffn_size")

    def __call__(self, config, inputs, routing):
        wire.need(routing is None, "routing", "cannot be given to the block")
        if config["router"]["n_group"] > 1:
            need_positive(config, inputs)
        block = self.block(config, inputs)
        dy = mx.array(inputs["dy"].astype(np.float32))

        def task(parameters, x):
            block.update(parameters)
            y = block(x[None])[0]
            return (y.astype(mx.float32) * dy).sum(), y

        x = mx.array(inputs["x"].astype(np.float32)).astype(self.dtype)
        (_, y), (by_parameter, by_x) = mx.value_and_grad(task, argnums=(0, 1))(block.trainable_parameters(), x)
        by_path = dict(tree_flatten(by_parameter))
        found = {"y": y, **self.heard(block), "grad.x": by_x}
        for name, path in self.names.items():
            if name in inputs and name != "router.selection_bias":
                of_experts = [by_path[path.format(e)] for e in range(config["shape"]["num_experts"])] if "{}" in path else None
                found[f"grad.{name}"] = mx.stack(of_experts) if of_experts else by_path[path]
        if config["aux"]:
            del found["grad.x"], found["grad.router.weight"]
        return {name: array(value) for name, value in found.items()}

    def block(self, config, inputs):
        """The block with its weights. Each model has a name of its own for the same size."""
        shape, router = config["shape"], config["router"]
        D, F, E, K = (shape[key] for key in ("hidden_size", "ffn_size", "num_experts", "top_k"))
        biased = config["experts"]["bias"] == "per_expert"
        block = self.block_of(SimpleNamespace(
            hidden_size=D, intermediate_size=F, moe_intermediate_size=F, num_local_experts=E, num_experts=E, n_routed_experts=E,
            num_experts_per_tok=K, norm_topk_prob=router["renorm"] == "sum", mlp_bias=biased,
            n_shared_experts=config["shared"].get("ffn_size", 0) // F or None, n_group=router["n_group"],
            topk_group=router.get("topk_group", 1), routed_scaling_factor=router["routed_scaling_factor"], topk_method="noaux_tc",
            d_model=D, ffn_config={"ffn_hidden_size": F, "moe_num_experts": E, "moe_top_k": K}))
        if "switch_mlp" in block:
            block.gate = Linear(D, E, bias=False) if isinstance(block.gate, nn.Linear) else Gate(block.gate.config)
            block.switch_mlp = Experts(D, F, E, bias=biased)
            if self.dtype != mx.float32:
                block.switch_mlp.update_modules({"gate_proj": Gathered(D, F, E, biased), "up_proj": Gathered(D, F, E, biased),
                                                 "down_proj": Gathered(F, D, E, biased)})
        return block.load_weights(self.weights(inputs, E))

    def weights(self, inputs, E):
        """The parameters of the block by name. mlx-lm keeps the bias of the choice in float32 whatever the others are."""
        weights = []
        for name, path in self.names.items():
            if name == "router.selection_bias":
                weights.append((path, mx.array(inputs.get(name, np.zeros(E)).astype(np.float32))))
            elif name in inputs:
                value = mx.array(inputs[name].astype(np.float32)).astype(self.dtype)
                weights += [(path.format(e), value[e]) for e in range(E)] if "{}" in path else [(path, value)]
        return weights

    def heard(self, block):
        """Choices, logits or weights of the router, and the rows of the experts by expert, then token, then slot."""
        if "switch_mlp" not in block:
            return {}
        (_, ids, out), routed = block.switch_mlp._heard, block.gate._heard[-1]
        ids = ids.reshape(-1, ids.shape[-1])
        order = mx.array(np.argsort(np.array(ids).ravel(), kind="stable"))
        found = {"router.topk_ids": ids.astype(mx.int32), "expert.out": out.reshape(-1, out.shape[-1])[order]}
        if isinstance(routed, tuple):
            return {**found, "router.topk_weights": routed[1].reshape(ids.shape)}
        return {**found, "router.logits": routed.reshape(-1, routed.shape[-1])}


def need_positive(config, inputs):
    """deepseek_v3 gives the experts of closed groups a 0: they are chosen before an open one below that."""
    router, K = config["router"], config["shape"]["top_k"]
    scores = 1 / (1 + np.exp(-inputs["x"] @ inputs["router.weight"].T)) + inputs.get("router.selection_bias", 0)
    by_group = np.sort(scores.reshape(len(scores), router["n_group"], -1), axis=2)
    best = by_group[:, :, -2:].sum(axis=2, keepdims=True)
    is_open = best >= np.sort(best, axis=1)[:, [-router["topk_group"]]]
    candidates = np.sort(np.where(is_open, by_group, -np.inf).reshape(scores.shape), axis=1)
    wire.need(candidates[:, -K].min() > 0, "router.selection_bias", "must leave what is chosen above 0 where router.n_group > 1")


def array(value):
    return np.array(value.view(mx.uint16) if value.dtype == mx.bfloat16 else value)


def main():
    parser = wire.parser(__doc__, DTYPES)
    parser.add_argument("--type", choices=TYPES, default="mixtral", help="the model of which the block is")
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    layer = Layer(options.type, options.dtype)
    wire.serve(layer, options.returns, layer.inspect)


if __name__ == "__main__":
    sys.exit(main())
