"""A Mixtral layer in NumPy, all of it float64, that answers `moe-oracle check CASE... --exec "python3 mixtral.py"`.

Jiang et al., "Mixtral of Experts", arXiv 2401.04088, sec. 2.1; the loss is Hugging Face's load_balancing_loss_func.
T tokens, D model, F hidden, E experts, K choices, N = T K rows, by expert, then token, then slot. README.md has the protocol.
"""
import base64
import json
import math
import sys

import numpy as np

TYPES = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<u2", "i32": "<i4", "i64": "<i8", "u8": "<u1"}

# The one layer that this program is. What is not here is free: all of shape but its groups, the names and coefficients of losses.
LAYER = {
    "router": {"score_function": "softmax", "selection_bias": False, "n_group": 1, "renorm": "sum",
               "renorm_stage": "before_drop", "routed_scaling_factor": 1, "second_policy": "all"},
    "noise": {"kind": "none"}, "capacity": {"mode": "none"}, "shared": {"mode": "none"}, "bias_update": {"kind": "none"},
    "experts": {"glu": True, "activation": "silu", "bias": "none"},
}
LOSS = {"kind": "switch", "f_source": "all_k", "f_divide_by_k": False, "f_from": "selected", "f_stage": "pre_drop",
        "multiply": "E2_mean", "scope": "batch"}


class Refusal(Exception):
    """What this layer cannot express, or no layer can: it goes back as the answer."""


def need(holds, field, rule):
    if not holds:
        raise Refusal(f"{field} {rule}")


def same(section, mine, where):
    """Each field of an object must be there with my value, and no other field; true is not 1."""
    need(isinstance(section, dict), where, "must be an object")
    for name in {**mine, **section}:
        a, b = section.get(name), mine.get(name)
        alike = a == b and isinstance(a, bool) == isinstance(b, bool)
        need(alike, f"{where}.{name}", f"must be {json.dumps(b)}, not {json.dumps(a)}")


def sizes(config):
    """(T, D, F, E, K) of a config that is a Mixtral layer."""
    need(set(config) == {"shape", "aux", *LAYER}, "config", "must have the sections of a layer: " + ", ".join(config))
    for name, mine in LAYER.items():
        same(config[name], mine, name)
    need(isinstance(config["aux"], list), "aux", "must be an array")
    for i, loss in enumerate(config["aux"]):
        named = isinstance(loss, dict) and isinstance(loss.get("name"), str) and type(loss.get("coefficient")) in (int, float)
        need(named, f"aux.{i}", "must be a loss with a name and a coefficient")
        same(loss, {**LOSS, "name": loss["name"], "coefficient": loss["coefficient"]}, f"aux.{i}")
    names = ["num_tokens", "hidden_size", "ffn_size", "num_experts", "top_k"]
    same(config["shape"], {**config["shape"], "num_groups": 1}, "shape")
    for name in names:
        value, least = config["shape"].get(name), 0 if name == "num_tokens" else 1
        need(type(value) is int and least <= value < 2**31, f"shape.{name}", f"must be a size of at least {least}")
    need(config["shape"]["top_k"] <= config["shape"]["num_experts"], "shape.top_k", "must not exceed shape.num_experts")
    return [config["shape"][name] for name in names]


def numbers(t):
    """The array of a tensor: `data` in plain numbers, `b64` their bytes, or `file`, the bytes in a safetensors file."""
    if "data" in t:
        return np.array(t["data"], dtype=float).reshape(t["shape"])
    if "b64" in t:
        raw = base64.b64decode(t["b64"])
    else:
        raw = open(t["file"], "rb").read()
        body = 8 + int.from_bytes(raw[:8], "little")
        begin, end = json.loads(raw[8:body])[t["tensor"]]["data_offsets"]
        raw = raw[body + begin:body + end]
    values = np.frombuffer(raw, dtype=TYPES[t["dtype"]])
    if t["dtype"] == "bf16":  # the upper half of a float32
        values = (values.astype("<u4") << 16).view("<f4")
    return values.astype(float).reshape(t["shape"])


def inputs(given, shapes):
    need(set(given) <= set(shapes), "inputs", "must be " + ", ".join(shapes))
    for name, shape in shapes.items():
        need(name in given, name, "must be there")
        fits = given[name]["shape"] == shape and given[name]["dtype"] in ("f64", "f32", "f16", "bf16")
        need(fits, name, f"must be real numbers of shape {shape}")
    arrays = {name: numbers(given[name]) for name in shapes}
    for name, array in arrays.items():
        need(np.all(np.isfinite(array)), name, "must be finite")
    return arrays


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def by_expert(s, function):
    """[function(e, its rows) for every expert e]"""
    return [function(e, slice(*s["dispatch.offsets"][e:e + 2])) for e in range(len(s["dispatch.counts"]))]


def linear(s, rows, weight):
    """Row n times the matrix (out, in) of its expert, for all n."""
    return np.concatenate(by_expert(s, lambda e, r: rows[r] @ weight[e].T))


def forward(config, a, ids=None):
    """Every stage and loss by its name; with `ids`, the choices are given."""
    T, _, _, E, K = sizes(config)
    s = {"router.logits": a["x"] @ a["router.weight"].T}
    z = s["router.logits"]
    s["router.scores"] = softmax(z)
    largest = np.max(z, axis=1, keepdims=True)
    s["router.logsumexp"] = largest[:, 0] + np.log(np.sum(np.exp(z - largest), axis=1))
    if ids is None:
        ids = np.argsort(-z, axis=1, kind="stable")[:, :K]  # of equal logits the lower id first
    s["router.topk_ids"] = ids
    s["router.denominator"] = np.sum(np.take_along_axis(s["router.scores"], ids, axis=1), axis=1)
    s["router.topk_weights"] = softmax(np.take_along_axis(z, ids, axis=1))  # Softmax(TopK(x Wg))

    s["dispatch.order"] = np.argsort(ids.ravel(), kind="stable")  # of the assignments t K + k
    s["dispatch.counts"] = np.bincount(ids.ravel(), minlength=E)
    s["dispatch.offsets"] = np.concatenate([[0], np.cumsum(s["dispatch.counts"])])
    s["dispatch.kept"] = np.ones((T, K))  # nothing is dropped

    x = a["x"][s["dispatch.order"] // K]
    s["expert.gate"] = g = linear(s, x, a["experts.gate"])
    s["expert.up"] = u = linear(s, x, a["experts.up"])
    s["expert.hidden"] = h = g / (1 + np.exp(-g)) * u
    s["expert.out"] = linear(s, h, a["experts.down"])
    s["combine.weighted"] = s["router.topk_weights"].ravel()[s["dispatch.order"], None] * s["expert.out"]
    s["y"] = np.zeros_like(a["x"])
    np.add.at(s["y"], s["dispatch.order"] // K, s["combine.weighted"])

    s["loss.task"] = s["loss.total"] = np.sum(s["y"] * a["dy"])
    for aux in config["aux"]:
        f, P = s["dispatch.counts"] / max(1, T), np.sum(s["router.scores"], axis=0) / max(1, T)
        s["loss." + aux["name"]] = loss = E * np.sum(f * P)
        s["loss.total"] = s["loss.total"] + aux["coefficient"] * loss
    return s


def backward(config, a, s):
    """The gradients of loss.total, from the stages of `forward`."""
    T, _, _, E, K = sizes(config)
    order, ids, scores, p = s["dispatch.order"], s["router.topk_ids"], s["router.scores"], s["router.topk_weights"]
    token, g, u = order // K, s["expert.gate"], s["expert.up"]
    x, dy, sigma = a["x"][token], a["dy"][token], 1 / (1 + np.exp(-g))
    back = {name: a[name].transpose(0, 2, 1) for name in ("experts.gate", "experts.up", "experts.down")}

    dout = p.ravel()[order, None] * dy
    dh = linear(s, dout, back["experts.down"])
    dg, du = dh * u * sigma * (1 + g * (1 - sigma)), dh * g * sigma
    dx = np.zeros_like(a["x"])
    np.add.at(dx, token, linear(s, dg, back["experts.gate"]) + linear(s, du, back["experts.up"]))

    dp = np.zeros(T * K)
    dp[order] = np.sum(s["expert.out"] * dy, axis=1)
    dp = dp.reshape(T, K)
    mean = np.sum(p * dp, axis=1, keepdims=True)
    coefficient = sum(aux["coefficient"] for aux in config["aux"])
    ds = np.zeros((T, E)) + coefficient * E * s["dispatch.counts"] / max(1, T) ** 2
    dz = scores * (ds - np.sum(scores * ds, axis=1, keepdims=True))
    np.add.at(dz, (np.arange(T)[:, None], ids), p * (dp - mean))
    np.add.at(ds, (np.arange(T)[:, None], ids), (dp - mean) / s["router.denominator"][:, None])  # by p = s / sum of the chosen s

    def of_weight(douts, rows):
        return np.stack(by_expert(s, lambda e, r: douts[r].T @ rows[r]))

    return {"grad.x": dx + dz @ a["router.weight"], "grad.router.weight": dz.T @ a["x"],
            "grad.experts.gate": of_weight(dg, x), "grad.experts.up": of_weight(du, x),
            "grad.experts.down": of_weight(dout, s["expert.hidden"]),
            "grad.router.logits": dz, "grad.router.scores": ds, "grad.router.topk_weights": dp,
            "grad.expert.gate": dg, "grad.expert.up": du, "grad.expert.hidden": dh, "grad.expert.out": dout}


def layer(config, given, routing):
    T, D, F, E, K = sizes(config)
    a = inputs(given, {"x": [T, D], "dy": [T, D], "router.weight": [E, D],
                       "experts.gate": [E, F, D], "experts.up": [E, F, D], "experts.down": [E, D, F]})
    stages = forward(config, a, numbers(routing["router.topk_ids"]).astype(int) if routing else None)
    return {**stages, **backward(config, a, stages)}


def tensor(name, value):
    kind = {"router.topk_ids": "i32", "dispatch.kept": "u8"}.get(name, "i64" if name.startswith("dispatch.") else "f64")
    array = np.asarray(value, dtype=TYPES[kind])
    return {"dtype": kind, "shape": list(array.shape), "b64": base64.b64encode(array.tobytes()).decode()}


for line in sys.stdin:
    case = json.loads(line)
    answer = {"id": case["id"]}
    try:
        found = layer(case["config"], case["inputs"], case.get("routing"))
        answer["tensors"] = {name: tensor(name, value) for name, value in found.items()}
    except Refusal as refusal:
        answer["error"] = str(refusal)
    print(json.dumps(answer), flush=True)
