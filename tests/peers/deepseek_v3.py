"""DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv 2412.19437, sec. 2.1.2: eq. 12 to 20, node-limited routing, bias update.

The residual u_t of eq. 12 is outside the layer. The scores that rank groups of experts include the bias, and the weights have a factor,
as released. Sequences are groups of tokens.
"""
import autograd.numpy as np
from autograd.tracer import getval

from common import best, beyond, logsumexp, mean_over_tokens, sigmoid
from dense import ffn


def refuses(config):
    router, update = config["router"], config.get("bias_update")
    if router["score_function"] != "sigmoid" or router["renorm"] != "sum":
        return "is not a renormalised sigmoid"
    if config["capacity"]["mode"] != "none":
        return "has a capacity"
    if config.get("shared", {"mode": "add"})["mode"] != "add" or (update and update["kind"] != "sign"):
        return "has another shared expert or update"
    for aux in config["aux"]:
        if (aux["kind"], aux["f_source"], aux.get("f_from")) != ("switch", "all_k", "retopk_of_aux_scores"):
            return "has another loss"
        if not aux["f_divide_by_k"] or aux.get("multiply", "E2_mean") != "E2_mean":
            return "has another loss"
    known = ["selection_bias", "n_group", "topk_group", "group_score", "group_score_n", "routed_scaling_factor"]
    return beyond(config, ["score_function", "renorm", "renorm_stage", *known], ["shared", "bias_update"])


def node_limited(router, key, at):
    """The keys of each token, -inf for the experts of all but the best M groups by their sums of the largest few keys."""
    groups = router.get("n_group", 1)
    if groups == 1:
        return key
    key = key.reshape(len(key), groups, -1)
    largest = 1 if router["group_score"] == "max" else router["group_score_n"]  # DeepSeek-V2 took the largest alone
    group_scores = np.sum(np.sort(key, axis=2)[:, :, -largest:], axis=2)
    at("router.group_scores", group_scores)
    allowed = np.zeros(group_scores.shape, dtype=bool)
    allowed[np.arange(len(key))[:, None], best(group_scores, router["topk_group"])] = True
    return np.where(allowed[:, :, None], key, -np.inf).reshape(len(key), -1)


def sequence_balance(s, experts, k):
    """sum_i f_i P_i of one sequence (eq. 17 to 20), before alpha."""
    f = experts / k * mean_over_tokens(np.sum(np.eye(experts)[best(s, k)], axis=1))  # eq. 18
    P = mean_over_tokens(s / np.sum(s, axis=1, keepdims=True))  # eq. 19 and 20
    return np.sum(f * P)


def layer(config, inputs, at):
    shape, router = config["shape"], config["router"]
    T, Nr, Kr, u = shape["num_tokens"], shape["num_experts"], shape["top_k"], inputs["x"]
    logits = at("router.logits", u @ inputs["router.weight"].T)
    at("router.logsumexp", logsumexp(logits))
    s = at("router.scores", sigmoid(logits))  # eq. 15
    b = getval(inputs["router.selection_bias"]) if "selection_bias" in router else 0.0
    top = best(node_limited(router, getval(s) + b, at), Kr)  # eq. 16
    chosen = s[np.arange(T)[:, None], top]
    total = at("router.denominator", np.sum(chosen, axis=1))
    g = router.get("routed_scaling_factor", 1.0) * chosen / total[:, None]  # eq. 13
    g = at("router.topk_weights", g)

    counts = np.bincount(np.ravel(top), minlength=Nr)
    if "bias_update" in config:
        at("router.next_selection_bias", b + config["bias_update"]["gamma"] * np.sign(np.mean(counts) - counts))
    groups = shape.get("num_groups", 1)
    losses = {}
    for aux in config["aux"]:
        B = groups if aux.get("scope") == "group" else 1
        losses[aux["name"]] = sum(sequence_balance(part, Nr, Kr) for part in np.split(s, B)) / B

    y = []
    for t in range(T):  # eq. 12
        row = np.zeros_like(u[t])
        for j in range(Kr):
            row = row + at("combine.weighted", g[t, j] * ffn(config, inputs, top[t, j], u[t], at, (t, j)), (t, j))
        y.append(row + shared(config, inputs, u[t]) if "shared" in config else row)
    return y, losses, top, np.ones((T, Kr), dtype=int)


def shared(config, inputs, x):
    hidden = inputs["shared.gate"] @ x
    return inputs["shared.down"] @ (hidden * sigmoid(hidden) * (inputs["shared.up"] @ x))
