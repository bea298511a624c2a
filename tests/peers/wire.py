"""What a client of `moe-oracle check --exec` needs besides its layer: requests in, refusals, answers out; see README.md."""
import argparse
import base64
import json
import math
import sys

import numpy as np

TYPES = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<u2", "i32": "<i4", "i64": "<i8", "u8": "<u1"}
REAL = ["f64", "f32", "f16", "bf16"]
WHOLE = ("router.given_ids", "aux.token_mask")  # inputs of whole numbers


class Refusal(Exception):
    """What these layers cannot express, or no layer can: it goes back as the answer."""


def need(holds, field, rule):
    if not holds:
        raise Refusal(f"{field} {rule}")


def size(value):
    return type(value) is int and 1 <= value < 2**31


def count(value):
    return type(value) is int and 0 <= value < 2**31


def weight(value):
    return type(value) in (int, float) and 0 <= value < math.inf


def positive_number(value):
    return type(value) in (int, float) and 0 < value < math.inf


def number(value):
    return type(value) in (int, float) and math.isfinite(value)


def name(value):
    return isinstance(value, str) and value not in ("task", "total") and value.replace("_", "a").isalnum()


# What a layer here may be: the values of a field, or a rule for them.
SCORES = ["softmax", "sigmoid", "sqrtsoftplus"]
EXPRESSED = {
    "shape": {"num_tokens": size, "hidden_size": size, "ffn_size": size, "num_experts": size, "top_k": size, "num_groups": size},
    "router": {"score_function": ["none", *SCORES], "selection_bias": [False, True], "n_group": size,
               "topk_group": size, "group_score": ["max", "sum_topn"], "group_score_n": size, "renorm": ["none", "sum"],
               "renorm_stage": ["before_drop"], "routed_scaling_factor": positive_number, "second_policy": ["all", "random"],
               "second_threshold": positive_number},
    "noise": {"kind": ["none", "gaussian_learned"], "epsilon": positive_number},
    "capacity": {"mode": ["none", "factor", "fixed"], "fixed": count, "factor": positive_number,
                 "base": ["tokens", "tokens_times_k"], "inner_round": ["none", "floor", "ceil", "half_even"],
                 "outer_round": ["floor", "ceil", "half_even"],
                 "k_outside": [False, True], "eval_order": ["per_expert_first", "factor_first"],
                 "arithmetic": ["exact", "f64", "f32"], "min_capacity": count, "multiple_of": size,
                 "scope": ["batch", "group"], "priority": ["fcfs"], "order": ["token_major", "choice_major"],
                 "dropped_output": ["zero"]},
    "experts": {"glu": [False, True], "activation": ["silu", "relu", "gelu_erf"], "bias": ["none"]},
    "shared": {"mode": ["none", "add"], "ffn_size": size},
    "bias_update": {"kind": ["none", "sign"], "gamma": positive_number, "count": ["pre_drop"]},
}
LOSS = {"name": name, "kind": ["switch", "z", "cv_importance", "cv_load"], "coefficient": number, "f_source": ["top1", "all_k"],
        "f_divide_by_k": [False, True], "f_from": ["selected", "retopk_of_aux_scores"], "f_stage": ["pre_drop"],
        "multiply": ["E2_mean", "none"], "scope": ["batch", "group"], "epsilon": positive_number}


def inspect(section, fields, where):
    need(isinstance(section, dict), where, "must be an object")
    for key, value in section.items():
        rule, shown = fields.get(key), f"= {json.dumps(value)}"
        need(rule is not None, f"{where}.{key} {shown}", "is not known")
        if callable(rule):
            need(rule(value), f"{where}.{key} {shown}", f"must be a {rule.__name__.replace(chr(95), chr(32))}")
        else:
            need(any(value == v and type(value) is type(v) for v in rule), f"{where}.{key} {shown}", f"must be one of {rule}")


def inspect_config(config, expressed=EXPRESSED, losses=LOSS):
    """Refuses what a layer cannot express."""
    for key in config:
        need(key in expressed or key == "aux", key, "is not a section of a layer")
    for key, fields in expressed.items():
        inspect(config.get(key, {}), fields, key)
    need(isinstance(config.get("aux"), list), "aux", "must be an array")
    for i, loss in enumerate(config["aux"]):
        inspect(loss, losses, f"aux.{i}")
    shape, router = config["shape"], config["router"]
    need(shape["top_k"] <= shape["num_experts"], "shape.top_k", "must not exceed shape.num_experts")
    need(shape["num_tokens"] % shape["num_groups"] == 0, "shape.num_groups", "must divide shape.num_tokens")
    need(shape["num_experts"] % router.get("n_group", 1) == 0, "router.n_group", "must divide shape.num_experts")


def shapes(config):
    """The inputs of a layer."""
    shape, router, shared = config["shape"], config["router"], config["shared"].get("ffn_size")
    T, D, F, E = (shape[key] for key in ("num_tokens", "hidden_size", "ffn_size", "num_experts"))
    computed = E - config["experts"].get("identity_experts", 0)
    latent = config["experts"].get("latent_size", 0)
    width = latent or D  # of what experts work on
    inputs = {"x": [T, D], "dy": [T, D], "experts.up": [computed, F, width], "experts.down": [computed, width, F]}
    if config["experts"]["glu"]:
        inputs["experts.gate"] = [computed, F, width]
    if config["experts"].get("bias") == "per_expert":
        inputs.update({f"{name}_bias": dims[:2] for name, dims in inputs.items() if name.startswith("experts.")})
    if latent:
        inputs.update({"latent.down": [latent, D], "latent.up": [D, latent]})
        if config["experts"].get("latent_norm") == "rms":
            inputs["latent.norm_weight"] = [latent]
        if config["experts"].get("output_norm") == "rms":
            inputs["latent.output_norm_weight"] = [latent]
    if config["experts"].get("bias") == "after_combine":
        inputs["combine.bias"] = [D]
    if config.get("combine", {}).get("norm") == "rms":
        inputs["combine.norm_weight"] = [D]
    if router.get("input") == "own":
        inputs["router.x"] = [T, D]
    if router.get("expert_scale"):
        inputs["router.expert_scale"] = [E]
    if router["score_function"] != "none":
        inputs["router.weight"] = [E, D]
    if router.get("logit_bias"):
        inputs["router.bias"] = [E]
    if router.get("selection_bias"):
        inputs["router.selection_bias"] = [E]
    if router.get("second_policy") == "random":
        inputs["noise.second_policy"] = [T]
    if config["noise"]["kind"] in ("gaussian_fixed", "gumbel"):
        inputs[f"noise.{config['noise']['kind']}"] = [T, E]
    if config["noise"]["kind"] == "input_jitter":
        inputs["noise.input_jitter"] = [T, D]
    if config["capacity"].get("priority") == "random":
        inputs["noise.priority"] = [T, E]
    if router.get("choice") == "given":
        inputs["router.given_ids"] = [T, shape["top_k"]]
    if earlier := [loss for loss in config["aux"] if loss.get("earlier_tokens")]:
        inputs["aux.earlier_counts"] = [E]
        if any(not loss.get("p_of_batch") for loss in earlier):
            inputs["aux.earlier_scores"] = [E]
    if any(loss.get("masked") for loss in config["aux"]):
        inputs["aux.token_mask"] = [T]
    if config["noise"]["kind"] == "gaussian_learned":
        inputs.update({"router.noise_weight": [E, D], "noise.gaussian_learned": [T, E]})
    if shared:
        inputs.update({"shared.up": [shared, D], "shared.down": [D, shared]})
        if config["experts"]["glu"]:
            inputs["shared.gate"] = [shared, D]
    if config["shared"]["mode"] == "sigmoid_gate":
        inputs["shared.gate_weight"] = [1, D]
    return inputs


def decoded(t):
    """The array of a tensor: `data` in plain numbers, `b64` their bytes, or `file`, the bytes in a safetensors file."""
    if "data" in t:
        return np.array(t["data"], dtype=float).reshape(t["shape"])
    if "b64" in t:
        raw = base64.b64decode(t["b64"])
    else:
        with open(t["file"], "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            begin, end = header[t["tensor"]]["data_offsets"]
            file.seek(begin, 1)
            raw = file.read(end - begin)
    values = np.frombuffer(raw, dtype=TYPES[t["dtype"]])
    if t["dtype"] == "bf16":  # the upper half of a float32
        values = (values.astype("<u4") << 16).view("<f4")
    return values.astype(float).reshape(t["shape"])


def inputs_of(request):
    """Every input as binary64, refused where it is not what the config asks for."""
    given, wanted = request["inputs"], shapes(request["config"])
    for key in {**wanted, **given}:
        need(key in given, key, "must be there")
        need(key in wanted, key, "is not an input of this config")
        whole = key in WHOLE
        fits = given[key]["shape"] == wanted[key] and (given[key]["dtype"] in REAL) != whole
        need(fits, key, f"must be {'whole' if whole else 'real'} numbers of shape {wanted[key]}")
        need("recipe" not in given[key], key, "must be given in numbers, not as a recipe")
    arrays = {key: decoded(given[key]) for key in wanted}
    for key, array in arrays.items():
        need(np.all(np.isfinite(array)), key, "must be finite")
    draws = arrays.get("noise.second_policy", np.zeros(1))
    need(np.all((draws >= 0) & (draws <= 1)), "noise.second_policy", "must lie in [0, 1]")
    ids = arrays.get("router.given_ids", np.zeros((0, 1)))
    need(np.all((ids >= 0) & (ids < request["config"]["shape"]["num_experts"])), "router.given_ids", "must be experts")
    need(all(len(set(of_token)) == len(of_token) for of_token in ids), "router.given_ids", "must differ in each token")
    need(np.isin(arrays.get("aux.token_mask", []), (0, 1)).all(), "aux.token_mask", "must be 0 or 1")
    return arrays


def encoded(array):
    """A tensor from an array; one of uint16 holds the bits of bf16."""
    kind = next(kind for kind, stored in TYPES.items() if array.dtype == stored)
    return {"dtype": kind, "shape": list(array.shape), "b64": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


# What a client returns of all that it has, by --returns.
RETURNS = {
    "all": lambda name: True,
    "gradients": lambda name: name == "y" or name == "grad.x" or (name.startswith("grad.") and name[5:] in INPUTS),
    "routing": lambda name: name in ("y", "router.topk_ids", "router.topk_weights"),
    "y": lambda name: name == "y",
}
INPUTS = ["x", "router.weight", "router.noise_weight", "experts.gate", "experts.up", "experts.down", "experts.gate_bias",
          "experts.up_bias", "experts.down_bias", "router.x", "router.expert_scale", "latent.down", "latent.up",
          "latent.norm_weight", "latent.output_norm_weight", "combine.bias",
          "combine.norm_weight", "shared.gate", "shared.up", "shared.down", "shared.gate_weight"]


def serve(layer, returns="all", inspect=inspect_config):
    """Answers line by line with what layer(config, inputs, routing) returns, {name: array}; `routing` is None unless pinned.

    `inspect` refuses what the layer cannot express.
    """
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            inspect(request["config"])
            routing = {key: decoded(t).astype(np.int64) for key, t in request.get("routing", {}).items()}
            found = layer(request["config"], inputs_of(request), routing or None)
            answer["tensors"] = {key: encoded(array) for key, array in found.items() if RETURNS[returns](key)}
        except Refusal as refusal:
            answer["error"] = str(refusal)
        print(json.dumps(answer), flush=True)


def parser(description, dtypes=("f32", "bf16", "f16")):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--dtype", choices=dtypes, default="f32", help="of activations and weights")
    options.add_argument("--returns", choices=RETURNS, default="all", help="which of its tensors it gives")
    return options
