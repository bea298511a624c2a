"""Shazeer et al., "Outrageously Large Neural Networks", arXiv 1701.06538: noisy top-K gating and both losses.

As its authors' tensor2tensor has it, the standard deviation has an epsilon added and CV^2 one in each denominator. The gradients go
through the softmax of the K chosen noisy logits; grad.router.scores is what goes through s in w_i = s_i / sum of the chosen s: the
route "scores".
"""
import autograd.numpy as np
from autograd.scipy.stats import norm

from common import best, beyond, logsumexp, softmax
from dense import ffn

ROUTES = {"scores": ["grad.router.scores"]}


def refuses(config):
    if config.get("noise", {}).get("kind") != "gaussian_learned":
        return "has no learned noise"
    if config["capacity"]["mode"] != "none":
        return "has a capacity"
    if any(aux["kind"] not in ("cv_importance", "cv_load") for aux in config["aux"]):
        return "has another loss"
    if config["router"]["score_function"] != "softmax" or config["router"]["renorm"] != "sum":
        return "has other weights than a softmax of the chosen"
    return beyond(config, ["score_function", "renorm", "renorm_stage"], ["noise"])


def kth_excluding(v, k, i):
    """The k-th largest component of v, excluding component i (appendix A)."""
    order = [int(j) for j in best(v, len(v)) if j != i]
    return v[order[k - 1]]


def cv_squared(v, epsilon):
    """CV(v)^2 = Var(v) / mean(v)^2, the square of the coefficient of variation (eq. 7 and 11)."""
    count = len(v) + epsilon
    mean = np.sum(v) / count
    return np.sum((v - mean) ** 2) / count / (mean**2 + epsilon)


def layer(config, inputs, at):
    shape = config["shape"]
    T, E, k = shape["num_tokens"], shape["num_experts"], shape["top_k"]
    z = at("router.logits", inputs["x"] @ inputs["router.weight"].T)
    sigma = np.logaddexp(0.0, inputs["x"] @ inputs["router.noise_weight"].T) + config["noise"]["epsilon"]
    h = at("router.noisy_logits", z + inputs["noise.gaussian_learned"] * sigma)  # eq. 4
    at("router.logsumexp", logsumexp(h))
    s = at("router.scores", softmax(h))
    top, rows = best(h, k), np.arange(T)[:, None]
    total = at("router.denominator", np.sum(s[rows, top], axis=1))
    weights = s[rows, top] / total[:, None] if at.route == "scores" else softmax(h[rows, top])  # eq. 3 and 5
    weights = at("router.topk_weights", weights)

    importance, load = [0.0] * E, [0.0] * E
    for t in range(T):
        for j in range(k):
            importance[top[t, j]] = importance[top[t, j]] + weights[t, j]  # eq. 6
        for i in range(E):
            chance = norm.cdf((z[t, i] - kth_excluding(h[t], k, i)) / sigma[t, i]) if k < E else 1.0  # eq. 9
            load[i] = load[i] + chance  # eq. 10
    measured = {"cv_importance": np.array(importance), "cv_load": np.array(load)}
    losses = {aux["name"]: cv_squared(measured[aux["kind"]], aux["epsilon"]) for aux in config["aux"]}

    y = []
    for t, x in enumerate(inputs["x"]):  # eq. 1
        outs = [weights[t, j] * ffn(config, inputs, top[t, j], x, at, (t, j)) for j in range(k)]
        y.append(sum(at("combine.weighted", out, (t, j)) for j, out in enumerate(outs)))
    return y, losses, top, np.ones((T, k), dtype=int)
