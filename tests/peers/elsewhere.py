"""Layers of packages other than transformers against `moe-oracle run`, in float64: y, every gradient, losses, kept weights.

Each package's own modules are given random tensors of ours and run forward and backward for sum(y dy) + sum(coefficient loss);
`run CONFIG --weights --backward` of the same layer has to say the same. "kept" is the matrix (T, E) of the weights after drops.
What a package rounds to float32 or bfloat16 by name stays in float64, and where its sorting leaves the order of equals open, the
first comes first (class Double). Noise is the same on both sides or off. elsewhere.txt says what to install; a package that is
missing is left out. Prints the largest error relative to the largest number of its tensor; exits with 1 above 1e-12.
"""
import argparse
import functools
import importlib.metadata
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import warnings
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

T, D, F, E, S, CPU = 48, 16, 24, 8, 20, torch.device("cpu")  # S: hidden units of a shared expert
AUX = {"name": "balance", "kind": "switch", "coefficient": 0.75}  # large enough to show in a gradient
Z = {"name": "z", "kind": "z", "coefficient": 0.25}
ALL_K = {**AUX, "f_source": "all_k", "f_divide_by_k": True}
RENORM, RELU = {"renorm": "sum"}, {"glu": False, "activation": "relu"}
LATE = {**RENORM, "renorm_stage": "after_drop"}
LIMIT = 0.5  # of clamped experts: low enough to bind
GPT_OSS = {"activation": "quick_gelu", "bias": "per_expert", "clamp_gate_max": LIMIT, "clamp_up_abs": LIMIT, "up_offset": 1.0}
DEEPSEEK = {"score_function": "sigmoid", "selection_bias": True, "n_group": 4, "topk_group": 2, "group_score": "sum_topn",
            "renorm": "sum", "renorm_epsilon": 1e-20, "routed_scaling_factor": 2.5}
PER_ROW = {"mode": "factor", "base": "tokens", "outer_round": "floor", "factor": 1.75, "eval_order": "factor_first",
           "arithmetic": "f64", "scope": "group", "order": "choice_major"}


def first_of_equals(x, k, dim=-1, **_):
    """torch.topk, which leaves open which of equal numbers it takes."""
    both = torch.sort(x, dim=dim, descending=True, stable=True)
    return torch.return_types.topk([part.narrow(dim, 0, int(k)).contiguous() for part in both])


class Double(TorchFunctionMode):
    """float32 and bfloat16 by name mean float64, sorts are stable, and random numbers shaped like `noise` are it."""
    FUNCTIONS = {torch.Tensor.float: torch.Tensor.double, torch.Tensor.bfloat16: torch.Tensor.double, torch.topk: first_of_equals,
                 torch.Tensor.topk: first_of_equals, torch.sort: functools.partial(torch.sort, stable=True)}

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.uniform_ and self.noise is not None and args[0].shape[-2:] == self.noise.shape:
            return args[0].copy_(self.noise)
        wide = lambda x: torch.float64 if x is torch.float32 or x is torch.bfloat16 else x
        func = self.FUNCTIONS.get(func, func)
        return func(*map(wide, args), **{key: wide(value) for key, value in (kwargs or {}).items()})


def config_of(top_k=2, aux=(), shape=None, **sections):
    """A config of ours."""
    shape = {"num_tokens": T, "hidden_size": D, "ffn_size": F, "num_experts": E, "top_k": top_k, "num_groups": 1, **(shape or {})}
    shared = {"shared": {"ffn_size": S, **sections["shared"]}} if "shared" in sections else {}
    return {"name": "elsewhere", "shape": shape, "aux": list(aux), **sections, **shared}


def drawn(config):
    """Random tensors for everything that a layer of this config has, by our names."""
    torch.manual_seed(7)
    router, experts, shared = (config.get(part, {}) for part in ("router", "experts", "shared"))
    tokens, count = config["shape"]["num_tokens"], config["shape"]["num_experts"]
    glu, gate = experts.get("glu", True), shared.get("mode") == "sigmoid_gate"
    noise, second = config.get("noise", {}).get("kind"), router.get("second_policy") == "random"
    sizes = {"x": (tokens, D), "dy": (tokens, D), "router.weight": (count, D),
             "router.noise_weight": noise == "gaussian_learned" and (count, D), f"noise.{noise}": noise and (tokens, count),
             "router.bias": router.get("logit_bias") and (count,),
             "router.selection_bias": router.get("selection_bias") and (count,),
             "experts.up": (count, F, D), "experts.down": (count, D, F), "experts.gate": glu and (count, F, D),
             "shared.up": shared and (S, D), "shared.down": shared and (D, S), "shared.gate": shared and glu and (S, D),
             "shared.gate_weight": gate and (1, D)}
    if experts.get("bias") == "per_expert":
        sizes |= {f"{name}_bias": size[:2] for name, size in sizes.items() if size and name.startswith("experts.")}
    scale = {1: 0.25, 2: 1.0, 3: 0.5}
    lots = config.get("capacity", {}).get("priority") == "random"
    tensors = {name: torch.randn(size, dtype=torch.float64) * scale[len(size)] for name, size in sizes.items() if size}
    even = {"noise.second_policy": second and (tokens,), "noise.priority": lots and (tokens, count)}
    tensors |= {name: torch.rand(size, dtype=torch.float64) for name, size in even.items() if size}
    if any(loss.get("masked") for loss in config["aux"]):
        tensors["aux.token_mask"] = (torch.rand(tokens) < 0.75).int()
    if earlier := [loss for loss in config["aux"] if loss.get("earlier_tokens")]:
        tensors["aux.earlier_counts"] = torch.randint(1, tokens, (count,)).double()
        assert all(loss["p_of_batch"] for loss in earlier)
    return tensors


def run(program, config, tensors, folder):
    """Every tensor that `run` says of the layer, and the kept weights as a matrix."""
    batch = ("x", "dy", "aux.token_mask")
    save_file({name: tensor for name, tensor in tensors.items() if name in batch}, folder / "x.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if name not in batch}, folder / "w.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    command = [program, "run", folder / "config.json", "--input", folder / "x.safetensors", "--weights", folder / "w.safetensors",
               "--tokens", str(config["shape"]["num_tokens"]), "--backward", "--out", folder / "out.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    out = load_file(folder / "out.safetensors")
    kept = out["router.topk_weights"] * out["dispatch.kept"]
    return out | {"kept": dense(out["router.topk_ids"].long(), kept, out["router.logits"])}


def compared(program, config, layer, folder):
    """The error of each tensor that both sides have, and how many assignments were dropped of how many."""
    torch.set_default_dtype(torch.float64)  # of what a package counts in
    tensors = drawn(config)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()
              if name != "dy" and not name.startswith(("noise.", "aux."))}
    rows = tensors["noise.second_policy"].reshape(2, -1) if "noise.second_policy" in tensors else None
    with Double(rows):
        named = {name.replace(".", "_"): tensor for name, tensor in {**tensors, **leaves}.items()}
        y, losses, stages = layer(types.SimpleNamespace(**named))
        total = (y * tensors["dy"]).sum() + sum(aux["coefficient"] * losses[aux["name"]] for aux in config["aux"])
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    wanted = {"y": y, **stages, **{f"loss.{aux['name']}": losses[aux["name"]] for aux in config["aux"]}}
    wanted |= {f"grad.{name}": gradient for name, gradient in zip(leaves, found) if gradient is not None}
    out = run(program, config, tensors, folder)
    errors = {name: ((out[name] - want.detach().reshape(out[name].shape)).abs().max() / want.abs().max()).item()
              for name, want in wanted.items()}
    return errors, (int((out["dispatch.kept"] == 0).sum()), out["dispatch.kept"].numel())


def call(module, tensors, *args):
    """What the module gives with these tensors for all its parameters, and perhaps buffers."""
    names = {name for name, _ in itertools.chain(module.named_parameters(), module.named_buffers())}
    assert {name for name, _ in module.named_parameters()} <= tensors.keys() <= names, names ^ tensors.keys()
    return functional_call(module, tensors, args)


def each(pattern, *stacks):
    """Parameters of one module for each expert: {pattern with the expert and a name: its part of the stack}."""
    return {pattern.format(e, name): stack[e] for name, stack in stacks for e in range(len(stack))}


def renamed(w, **names):
    """Those of our tensors that there are, by names of theirs, in which "__" is a dot."""
    return {theirs.replace("__", "."): getattr(w, ours) for theirs, ours in names.items() if hasattr(w, ours)}


def dense(ids, weights, like):
    """The weights of the chosen experts as a matrix (T, E)."""
    return torch.zeros_like(like).scatter(1, ids, weights.to(like.dtype))


def interleaved(w, kind):
    """Gates and ups of the experts in turn."""
    return torch.stack([getattr(w, "experts_gate" + kind), getattr(w, "experts_up" + kind)], 2).flatten(1, 2)


def plain():
    """An expert for packages that take any module."""
    return nn.Sequential(nn.Linear(D, F, bias=False), nn.ReLU(), nn.Linear(F, D, bias=False))


@functools.cache
def alone():
    """A process group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)


# Each function yields (convention, config, layer, arguments...); layer(w, arguments...) makes y, losses, stages of our tensors w.


def deepspeed():
    """DeepSpeed: MOELayer with TopKGate; choices are not sampled, or by our noise."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # says nothing then of the GPU that it would rather have
    from deepspeed.moe import experts, sharded_moe

    def layer(w, k, policy="probs", **options):
        torch.set_default_dtype(torch.float32)  # of the capacity factor
        count = len(w.router_weight)
        gate = sharded_moe.TopKGate(D, count, k, min_capacity=4, **{"top2_2nd_expert_sampling": False, **options})
        module = sharded_moe.MOELayer(gate, experts.Experts(plain(), count), "one", 1, count)
        # what the random token selection of top 1 draws: falling numbers, so that earlier tokens come first
        falling = lambda size: torch.linspace(1, 0.5, size[0])[:, None].expand(size)
        sharded_moe.exp_selection_uniform_map[CPU] = lambda size: getattr(w, "noise_priority", falling(size))
        sharded_moe.gumbel_map[CPU] = lambda size: w.noise_gumbel
        tensors = each("experts.deepspeed_experts.{}.{}.weight", ("0", w.experts_up), ("2", w.experts_down))
        with mock.patch.object(sharded_moe, "topkgating", functools.partial(sharded_moe.topkgating, drop_policy=policy)):
            y = call(module, {"gate.wg.weight": w.router_weight, **tensors}, w.x, None)
        return y, {"balance": module.l_aux}, {}

    c = {"mode": "factor", "base": "tokens", "outer_round": "ceil", "arithmetic": "f32", "min_capacity": 4}
    uneven = {"num_tokens": 100, "num_experts": 4}
    yield ("top 1, C = ceil(0.6 T / E) in float32", config_of(1, [AUX], uneven, experts=RELU, capacity={**c, "factor": 0.6}),
           functools.partial(layer, capacity_factor=0.6), 1)
    yield ("top 1, places by lot", config_of(1, [AUX], uneven, experts=RELU, capacity={**c, "factor": 0.6, "priority": "random"}),
           functools.partial(layer, capacity_factor=0.6), 1)
    yield ("top 1 by noise (RSample), places by lot", config_of(
        1, [AUX], uneven, experts=RELU, capacity={**c, "factor": 0.6, "priority": "random"}, noise={"kind": "gumbel"}),
        functools.partial(layer, capacity_factor=0.6, noisy_gate_policy="RSample"), 1)
    for name, sampled in ("", False), (", second choices by noise", True):
        noise = {"noise": {"kind": "gumbel", "choices": "second"}} if sampled else {}
        yield (f"top 2, renormalised after drops{name}", config_of(
            2, [AUX], router=LATE, experts=RELU, capacity={**c, "factor": 1.8, "order": "choice_major"}, **noise),
            functools.partial(layer, capacity_factor=0.9, top2_2nd_expert_sampling=sampled), 2)
    yield "top 2 without drops", config_of(2, [AUX], router=LATE, experts=RELU), functools.partial(layer, drop_tokens=False), 2
    for policy, fields in ("probs", {"priority": "weight"}), ("position", {"order": "token_major"}):
        yield f"top 3, drops by {policy}", config_of(
            3, [ALL_K], router=LATE, experts=RELU, capacity={**c, "factor": 3.0, **fields}), layer, 3, policy


def mixture_of_experts():
    """mixture-of-experts: MoE."""
    from mixture_of_experts import MoE

    def layer(w, factor, policy, training=True):
        module = MoE(D, E, F, capacity_factor_train=factor, second_policy_train=policy).train(training)
        gates = []
        module.gate.register_forward_hook(lambda *args: gates.append(args[2]))
        y, _ = call(module, {"gate.w_gating": w.router_weight.T, "experts.w1": w.experts_up.transpose(1, 2),
                             "experts.w2": w.experts_down.transpose(1, 2)}, w.x.reshape(2, -1, D))
        return y.reshape(T, D), {"balance": gates[0][2]}, {"kept": gates[0][1].sum(-1)}

    aux, rows, router = [{**AUX, "scope": "group"}], {"num_groups": 2}, {**RENORM, "renorm_epsilon": 1e-9}
    yield ("top 2, renormalised before drops, C = max(4, int(T f / E)) per row", config_of(
        2, aux, rows, router=router, experts=RELU, capacity={**PER_ROW, "min_capacity": 4}), layer, 1.75, "all")
    yield ("top 2, second choices by a random number", config_of(
        2, aux, rows, router={**router, "second_policy": "random", "second_threshold": 0.2}, experts=RELU),
        layer, float(E), "random")


def st_moe_pytorch():
    """st-moe-pytorch: MoE without straight-through dispatch and without factors of hidden units."""
    from st_moe_pytorch import MoE
    from st_moe_pytorch.st_moe_pytorch import Expert

    def layer(w, k, factor=1.75, threshold=0.0, noise=()):  # threshold 0: all choices are taken up
        experts = nn.ModuleList(Expert(D, hidden_mult=F * 1.5 / D, mult_bias=False) for _ in range(E))
        module = MoE(D, E, gating_top_n=k, capacity_factor_train=factor, threshold_train=threshold, experts=experts,
                     straight_through_dispatch_tensor=False)
        kept = []
        module.gate.register_forward_hook(lambda *args: kept.append(args[2][1].sum(-1)))
        up, bias = torch.cat([w.experts_up, w.experts_gate], 1), torch.cat([w.experts_up_bias, w.experts_gate_bias], 1)
        tensors = each("experts.experts.{}.net.{}", ("0.weight", up), ("0.bias", bias), ("2.weight", w.experts_down),
                       ("2.bias", w.experts_down_bias))
        y, _, balance, z = call(module, {"gate.to_gates.weight": w.router_weight, **tensors}, w.x.reshape(2, -1, D), *noise)
        return y.reshape(T, D), {"balance": balance, "z": z}, {"kept": kept[0]}

    aux, experts = [{**AUX, "scope": "group", "f_stage": "post_drop"}, Z], {"activation": "gelu_erf", "bias": "per_expert"}
    for k in (2, 3):
        yield f"top {k}, GeGLU with biases, f after drops", config_of(
            k, aux, {"num_groups": 2}, router=RENORM, experts=experts, capacity={**PER_ROW, "min_capacity": 4}), layer, k


def megatron_core():
    """Megatron Core: MoELayer with TopKRouter and SequentialMLP of its local layers, in one process."""
    from megatron.core import parallel_state
    from megatron.core.activations import quick_gelu, squared_relu
    from megatron.core.models.gpt.moe_module_specs import get_moe_module_spec
    from megatron.core.tensor_parallel import layers
    from megatron.core.transformer import TransformerConfig
    from megatron.core.transformer.moe import moe_utils
    from megatron.core.transformer.spec_utils import build_module
    usual = {"num_layers": 1, "num_attention_heads": 1, "hidden_size": D, "ffn_hidden_size": F, "num_moe_experts": E,
             "moe_ffn_hidden_size": F, "add_bias_linear": False, "gated_linear_unit": True, "activation_func": nn.functional.silu,
             "params_dtype": torch.float64, "use_cpu_initialization": True, "perform_initialization": False,
             "moe_token_dispatcher_type": "allgather", "moe_router_load_balancing_type": "none", "bias_activation_fusion": False,
             "gradient_accumulation_fusion": False, "moe_shared_expert_gate": False}

    def tensors_of(w):
        fc1 = {kind: torch.cat([getattr(w, name + kind) for name in ("experts_gate", "experts_up") if hasattr(w, name + kind)], 1)
               for kind in ("", "_bias") if hasattr(w, "experts_up" + kind)}
        stacks = [("fc1.weight", fc1[""]), ("fc2.weight", w.experts_down)]
        stacks += [("fc1.bias", fc1["_bias"]), ("fc2.bias", w.experts_down_bias)] if "_bias" in fc1 else []
        shared = {"shared_experts.linear_fc1.weight": torch.cat([w.shared_gate, w.shared_up])} if hasattr(w, "shared_up") else {}
        counted = {"router.global_tokens_per_expert": w.aux_earlier_counts.clone()} if hasattr(w, "aux_earlier_counts") else {}
        return each("experts.local_experts.{}.linear_{}", *stacks) | shared | counted | renamed(
            w, router__weight="router_weight", router__bias="router_bias", router__expert_bias="router_selection_bias",
            shared_experts__linear_fc2__weight="shared_down", shared_experts__gate_weight="shared_gate_weight")

    def layer(w, theirs, rows=1):
        alone()
        moe_utils.te_general_gemm = None  # without Transformer Engine the name is missing, and the router asks for it
        if not parallel_state.model_parallel_is_initialized():
            parallel_state.initialize_model_parallel()
        # autograd refuses to add a bias in place to what this reduction passes on; of one process it is the identity
        reduction = mock.patch.object(layers, "reduce_from_tensor_model_parallel_region", lambda y, group: y)
        with mock.patch.object(torch.cuda, "current_device", lambda: CPU), reduction:
            shared = {"moe_shared_expert_intermediate_size": S} if hasattr(w, "shared_up") else {}
            module = build_module(get_moe_module_spec(False, E), config=TransformerConfig(**usual | shared | theirs))
            module.set_layer_number(1)
            module.router.register_forward_hook(lambda *args: routed.append(args[2]))
            if hasattr(w, "aux_earlier_counts"):
                module.router.ga_steps += 1  # one batch before
            moe_utils.get_moe_layer_wise_logging_tracker().clear()
            routed = []
            x = w.x.reshape(rows, -1, D).transpose(0, 1).contiguous()  # (sequence, batch, D)
            padding = [None, w.aux_token_mask.bool().logical_not().reshape(rows, -1)] if hasattr(w, "aux_token_mask") else []
            y, _ = call(module, tensors_of(w), x, *padding)
        back = lambda tensor: tensor.reshape(-1, rows, tensor.shape[-1]).transpose(0, 1).reshape(T, -1)
        losses = {"z" if name == "z_loss" else "balance": values["values"].sum()  # what carries their gradients is y
                  for name, values in moe_utils.get_moe_layer_wise_logging_tracker().items()}
        stages = {"kept": back(routed[0][0])}
        if hasattr(w, "router_selection_bias"):
            stages["router.next_selection_bias"] = moe_utils.get_updated_expert_bias(
                routed[0][1].sum(0), w.router_selection_bias, 1e-3)
        return back(y), losses, stages

    retopk, z = {**ALL_K, "f_from": "retopk_of_aux_scores"}, {"moe_z_loss_coeff": Z["coefficient"]}
    aux = {"moe_router_load_balancing_type": "aux_loss", "moe_aux_loss_coeff": AUX["coefficient"]}
    rows, row_aux = {"num_groups": 3}, {**aux, "moe_router_load_balancing_type": "seq_aux_loss"}
    yield "softmax of the chosen logits", config_of(2, [retopk, Z], router=RENORM), layer, {"moe_router_topk": 2, **aux, **z}
    yield ("softmax, factor 1.5, loss per row, ReLU squared", config_of(
        3, [{**retopk, "scope": "group"}], rows, router={"routed_scaling_factor": 1.5},
        experts={"glu": False, "activation": "relu2"}),
        layer, {"moe_router_topk": 3, "moe_router_pre_softmax": True, "moe_router_topk_scaling_factor": 1.5,
                "gated_linear_unit": False, "activation_func": squared_relu, **row_aux}, 3)
    for k, groups, opened in (4, 4, 2), (3, 2, 1):
        router = {**DEEPSEEK, "n_group": groups, "topk_group": opened, "group_score_n": k // opened}
        yield (f"sigmoid, bias of the choice, groups by {k // opened} experts, loss per row, shared expert", config_of(
            k, [{**retopk, "scope": "group"}], rows, router=router, shared={"mode": "add"},
            bias_update={"kind": "sign", "gamma": 1e-3}), layer, {
                "moe_router_topk": k, "moe_router_score_function": "sigmoid", "moe_router_enable_expert_bias": True, **row_aux,
                "moe_router_num_groups": groups, "moe_router_group_topk": opened, "moe_router_topk_scaling_factor": 2.5}, 3)
    yield ("a quarter is padding, which neither loss counts", config_of(
        2, [{**retopk, "masked": True}, {**Z, "masked": True}], router=RENORM), layer, {"moe_router_topk": 2, **aux, **z})
    yield ("global loss: counts of two batches, shares of the second", config_of(
        2, [{**ALL_K, "f_from": "retopk_of_aux_scores", "earlier_tokens": T, "p_of_batch": True}], router=RENORM), layer, {
            "moe_router_topk": 2, "moe_router_load_balancing_type": "global_aux_loss", "moe_aux_loss_coeff": AUX["coefficient"]})
    c = {"mode": "factor", "base": "tokens_times_k", "outer_round": "ceil", "factor": 0.9, "arithmetic": "f64"}
    for policy, fields in ("probs", {"priority": "weight"}), ("position", {"order": "token_major"}):  # topk of equals: see Double
        yield (f"C = ceil(0.9 K T / E), drops by {policy}, gated shared expert", config_of(
            2, router=RENORM, shared={"mode": "sigmoid_gate"}, capacity={**c, **fields}), layer, {
                "moe_router_topk": 2, "moe_expert_capacity_factor": 0.9, "moe_token_drop_policy": policy,
                "moe_shared_expert_gate": True})
    yield ("sigmoid of one, weight on the input", config_of(
        1, router={"score_function": "sigmoid"}, combine={"weight_location": "input"}), layer, {
            "moe_router_topk": 1, "moe_router_score_function": "sigmoid", "moe_apply_probs_on_input": True})
    yield ("clamped quick GeGLU with biases, bias of the router", config_of(
        4, router={**RENORM, "logit_bias": True}, experts=GPT_OSS), layer, {
            "moe_router_topk": 4, "add_bias_linear": True, "activation_func": quick_gelu, "activation_func_clamp_value": LIMIT,
            "glu_linear_offset": 1.0})


PEERS = [megatron_core, deepspeed, mixture_of_experts, st_moe_pytorch]


def row(peer, convention, errors, drops):
    """What is printed of one comparison for docs/PEERS.md."""
    gradients = sum(name.startswith("grad.") for name in errors)
    stages = ", ".join([name for name in errors if not name.startswith("grad.")] + [f"{gradients} gradients"])
    dropped = f"; {drops[0]} of {drops[1]} dropped" if drops[0] else ""
    name = peer.__name__.replace("_", "-")
    return f"| {name} | {importlib.metadata.version(name)} | {convention}{dropped} | {stages} | {max(errors.values()):.1e} |"


def main(peers):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="moe-oracle")
    parser.add_argument("names", nargs="*", help="packages, as in " + ", ".join(peer.__name__ for peer in peers) + "; none: all")
    parser.add_argument("--page", action="store_true", help="print the rows of docs/PEERS.md")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    agreed = []
    for peer in peers:
        if options.names and peer.__name__ not in options.names:
            continue
        try:
            for convention, config, layer, *arguments in peer():
                with tempfile.TemporaryDirectory() as folder:
                    errors, drops = compared(str(options.program), config, lambda w: layer(w, *arguments), pathlib.Path(folder))
                worst = max(errors, key=errors.get)
                agreed.append(errors[worst] <= 1e-12)  # a NaN is not
                line = row(peer, convention, errors, drops)
                print(line if options.page else " ".join(line.split("|")[1:4]) + f" {errors[worst]:.1e} {worst}", flush=True)
        except ModuleNotFoundError as missing:
            print(f"{peer.__name__} is left out: {missing}", file=sys.stderr)
        except Exception as fault:  # what `run` refuses, or the package
            agreed.append(False)
            print(f"{peer.__name__}: {type(fault).__name__}: {fault}", file=sys.stderr)
    return 0 if agreed and all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main(PEERS))
