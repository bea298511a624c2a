"""The mixture-of-experts blocks of Hugging Face transformers, as a client of `moe-oracle check --exec`; gradients by autograd.

`--type` is the model whose block it is. A case becomes a config of that model, and its tensors the parameters of one block, kept
in the dtypes in which `from_pretrained` keeps them. What comes back is what the block has: y, what its router returns, and the
gradients, each in its own dtype. Cases of another layer than the block's are refused, and so is routing that is given.

`load_balancing_loss_func` is the loss (B1) of one batch with all_k, E2_mean, not divided by K (THEIR_LOSS). Where a case has
another, y, `loss.task` and what the router returns are all that comes back.
"""
import importlib
import sys
import warnings
from typing import Callable, NamedTuple

import torch
from transformers import AutoConfig

import wire
from torch_layer import DTYPES, LOSS, array

ACTIVATIONS = {"silu": "silu", "relu": "relu", "relu2": "relu2", "gelu_erf": "gelu", "gelu_tanh": "gelu_pytorch_tanh",
               "identity": "linear"}

# What config.router may be. A softmax of the chosen logits is that of all, renormalised.
SOFTMAX = {"score_function": ["softmax"], "selection_bias": [False], "n_group": [1], "renorm": ["none", "sum"],
           "renorm_stage": ["before_drop", "after_drop"], "routed_scaling_factor": [1.0], "second_policy": ["all"]}
RENORMALISED = {**SOFTMAX, "renorm": ["sum"]}
PLAIN = {**SOFTMAX, "renorm": ["none"]}
BY_BEST = {**PLAIN, "n_group": wire.size, "topk_group": wire.size, "group_score": ["max"],
           "routed_scaling_factor": wire.positive_number}
SIGMOID = {**BY_BEST, "score_function": ["sigmoid"], "selection_bias": [False, True], "renorm": ["none", "sum"],
           "group_score": ["sum_topn"], "group_score_n": [2]}

THEIR_LOSS = {**wire.LOSS, "kind": ["switch"], "f_source": ["all_k"], "f_divide_by_k": [False], "multiply": ["E2_mean"],
              "p_source": ["normalised_score", "softmax"]}


def no_fields(config):
    """Of routers that leave no choice."""
    return {}


def qwen_fields(config):
    """Of routers that renormalise if asked to; a shared expert of width 0 is none."""
    return {"norm_topk_prob": config["router"]["renorm"] == "sum",
            "shared_expert_intermediate_size": config["shared"].get("ffn_size", 0)}


def deepseek_fields(config):
    """Of routers with groups; shared experts are so many of the width of the others, or none."""
    router, F = config["router"], config["shape"]["ffn_size"]
    wide = config["shared"].get("ffn_size", 0)
    wire.need(wide % F == 0, f"shared.ffn_size = {wide}", f"must be a multiple of shape.ffn_size = {F}")
    groups = router["n_group"]
    if router["score_function"] == "sigmoid":
        E = config["shape"]["num_experts"]
        wire.need(E >= 2 * groups, f"shape.num_experts = {E}", "must be two or more for each of router.n_group")
    return {"norm_topk_prob": router["renorm"] == "sum", "n_shared_experts": wide // F, "n_group": groups,
            "topk_group": router.get("topk_group", 1), "routed_scaling_factor": router["routed_scaling_factor"],
            "topk_method": "greedy" if groups == 1 else "group_limited_greedy"}


class Type(NamedTuple):
    """A block of transformers, what it may be asked for, and how its config calls E, F and the rest."""
    block: str
    router: dict
    shared: list = ["none"]
    experts: str = "num_experts"
    width: str = "moe_intermediate_size"
    fields: Callable = no_fields


GATED, ADDED = ["none", "sigmoid_gate"], ["none", "add"]
TYPES = {
    "mixtral": Type("MixtralSparseMoeBlock", RENORMALISED, experts="num_local_experts", width="intermediate_size"),
    "granitemoe": Type("GraniteMoeMoE", RENORMALISED, experts="num_local_experts", width="intermediate_size"),
    "jamba": Type("JambaSparseMoeBlock", PLAIN, width="intermediate_size"),
    "olmoe": Type("OlmoeSparseMoeBlock", SOFTMAX, width="intermediate_size", fields=qwen_fields),
    "qwen2_moe": Type("Qwen2MoeSparseMoeBlock", SOFTMAX, GATED, fields=qwen_fields),
    "qwen3_moe": Type("Qwen3MoeSparseMoeBlock", SOFTMAX, fields=qwen_fields),
    "qwen3_next": Type("Qwen3NextSparseMoeBlock", SOFTMAX, GATED, fields=qwen_fields),
    "deepseek_v2": Type("DeepseekV2Moe", BY_BEST, ADDED, "n_routed_experts", fields=deepseek_fields),
    "deepseek_v3": Type("DeepseekV3MoE", SIGMOID, ADDED, "n_routed_experts", fields=deepseek_fields),
    "glm4_moe": Type("Glm4MoeMoE", SIGMOID, ADDED, "n_routed_experts", fields=deepseek_fields),
    "dots1": Type("Dots1MoE", SIGMOID, ADDED, "n_routed_experts", fields=deepseek_fields),
}
EVERY = [*TYPES, "kimi_k2"]  # transformers makes a kimi_k2 a deepseek_v3


class Layer:
    def __init__(self, model_type, experts, dtype):
        self.kind, self.grouped, self.dtype = model_type, experts == "grouped", DTYPES[dtype]
        family = "deepseek_v3" if model_type == "kimi_k2" else model_type
        self.type = TYPES[family]
        self.modeling = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
        self.expressed = {**wire.EXPRESSED, "router": self.type.router,
                          "noise": {"kind": ["none"]}, "capacity": {"mode": ["none"]},
                          "experts": {"glu": [True], "activation": list(ACTIVATIONS), "bias": ["none"]},
                          "shared": {"mode": self.type.shared, "ffn_size": wire.size},
                          "bias_update": {**wire.EXPRESSED["bias_update"], "count": ["pre_drop", "post_drop"]}}

    def inspect(self, config):
        """Refuses what the block does not compute."""
        wire.inspect_config(config, self.expressed, LOSS)
        unit = 16 // self.dtype.itemsize
        for field in ("hidden_size", "ffn_size"):
            size = config["shape"][field]
            fits = not self.grouped or size % unit == 0
            wire.need(fits, f"shape.{field} = {size}", f"must be a multiple of {unit} for grouped_mm in {self.dtype}")

    def their_config(self, config):
        shape = config["shape"]
        fields = {"hidden_size": shape["hidden_size"], self.type.width: shape["ffn_size"],
                  self.type.experts: shape["num_experts"], "num_experts_per_tok": shape["top_k"],
                  "hidden_act": ACTIVATIONS[config["experts"]["activation"]],
                  "num_attention_heads": 1, "num_key_value_heads": 1, **self.type.fields(config)}
        if self.kind == "kimi_k2":
            theirs = AutoConfig.for_model("kimi_k25", text_config={"model_type": "kimi_k2", **fields}).text_config
        else:
            theirs = AutoConfig.for_model(self.kind, **fields)
        theirs._experts_implementation = "grouped_mm" if self.grouped else "eager"
        return theirs

    def block(self, config):
        """The block in its dtypes: what `_keep_in_fp32_modules_strict` names stays in float32."""
        block = getattr(self.modeling, self.type.block)(self.their_config(config)).to(self.dtype)
        models = [value for name, value in vars(self.modeling).items() if name.endswith("PreTrainedModel")]
        kept = tuple(name for model in models for name in model._keep_in_fp32_modules_strict or ())
        for name, value in [*block.named_parameters(), *block.named_buffers()]:
            if name.endswith(kept):
                value.data = value.data.float()
        return block

    def __call__(self, config, inputs, routing):
        wire.need(routing is None, "routing", "must be left to the block")
        block = self.block(config)
        router = "router" if hasattr(block, "router") else "gate"
        names = named(block, router, inputs)
        tensors = {key: torch.tensor(value) for key, value in inputs.items()}
        tensors["experts.gate_up"] = torch.cat([tensors["experts.gate"], tensors["experts.up"]], dim=1)
        state = block.state_dict()
        for ours, theirs in names.items():
            state[theirs].copy_(tensors[ours])

        got = {}
        getattr(block, router).register_forward_hook(lambda module, args, returned: got.update(keep(returned)))
        x = tensors["x"].to(self.dtype).requires_grad_()
        y = block(x[None])[0]
        total = (y.float() * tensors["dy"].float()).sum()
        got.update({"y": y, "loss.task": total})
        if all(self.has(aux, config["shape"]) for aux in config["aux"]):
            shape = config["shape"]
            for aux in config["aux"]:
                loss = self.modeling.load_balancing_loss_func((got["router.logits"],), shape["num_experts"], shape["top_k"])
                got[f"loss.{aux['name']}"] = loss
                total = total + aux["coefficient"] * loss
            total.backward()
            got["loss.total"] = total
            got.update(gradients(block, names, got))
            got["grad.x"] = x.grad
        return {name: array(value) for name, value in got.items()}

    def has(self, aux, shape):
        """Whether transformers has this loss for the model. Of one choice the first is all there is."""
        if shape["top_k"] == 1:
            aux = {**aux, "f_source": "all_k", "f_divide_by_k": False}
        try:
            wire.inspect(aux, THEIR_LOSS, "aux")
        except wire.Refusal:
            return False
        return hasattr(self.modeling, "load_balancing_loss_func") and (aux["scope"] == "batch" or shape["num_groups"] == 1)


def keep(returned):
    """What a router returns, and later the gradients of it."""
    logits, weights, ids = returned
    logits.retain_grad()
    weights.retain_grad()
    return {"router.logits": logits, "router.topk_weights": weights, "router.topk_ids": ids}


def named(block, router, inputs):
    """What the block calls our tensors."""
    names = {"router.weight": f"{router}.weight", "experts.gate_up": "experts.gate_up_proj", "experts.down": "experts.down_proj"}
    if "router.selection_bias" in inputs:
        names["router.selection_bias"] = f"{router}.e_score_correction_bias"
    if "shared.up" in inputs:
        shared = "shared_experts" if hasattr(block, "shared_experts") else "shared_expert"
        names.update({f"shared.{part}": f"{shared}.{part}_proj.weight" for part in ("gate", "up", "down")})
    if "shared.gate_weight" in inputs:
        names["shared.gate_weight"] = "shared_expert_gate.weight"
    return names


def gradients(block, names, got):
    """By our names."""
    parameters = dict(block.named_parameters())
    grads = {f"grad.{ours}": parameters[theirs].grad for ours, theirs in names.items() if theirs in parameters}
    grads["grad.experts.gate"], grads["grad.experts.up"] = grads.pop("grad.experts.gate_up").chunk(2, dim=1)
    return {**grads, **{f"grad.{name}": got[name].grad for name in ("router.logits", "router.topk_weights")}}


def main():
    parser = wire.parser(__doc__, ("f32", "bf16", "f16"))
    parser.add_argument("--type", choices=EVERY, required=True, help="the model whose block it is")
    parser.add_argument("--experts", choices=["eager", "grouped"], default="eager", help="transformers' way to run the experts")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # of a shared expert of width 0
    layer = Layer(options.type, options.experts, options.dtype)
    wire.serve(layer, options.returns, layer.inspect)


if __name__ == "__main__":
    sys.exit(main())
