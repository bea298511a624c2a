"""Lepikhin et al., "GShard", arXiv 2006.16668: Algorithm 1, group by group, and the mixture of sec. 2.2.

The uniform number of line 17 is an input. 2 g2 > rnd of line 19 is the threshold 0.5: g2 / threshold > rnd.
"""
import autograd.numpy as np
from autograd.tracer import getval

from capacity import capacity
from common import best, beyond, logsumexp, mean_over_tokens, softmax
from dense import ffn


def refuses(config):
    router, cap = config["router"], config["capacity"]
    if config["shape"]["top_k"] != 2 or router["score_function"] != "softmax" or router["renorm"] != "sum":
        return "is not top-2 of a renormalised softmax"
    if router.get("second_policy") != "random" or router.get("renorm_stage", "before_drop") != "before_drop":
        return "has another policy for the second expert"
    if cap["mode"] != "none" and (cap["priority"], cap["order"], cap["dropped_output"]) != ("fcfs", "choice_major", "zero"):
        return "drops by another rule"
    for aux in config["aux"]:
        if aux["kind"] != "switch" or (aux["f_source"], aux.get("multiply")) != ("top1", "none"):
            return "has another loss"
    if config["shape"].get("num_groups", 1) != 1 and {cap.get("scope"), *(a.get("scope") for a in config["aux"])} != {"group"}:
        return "has groups of tokens for some purposes only"
    return beyond(config, ["score_function", "renorm", "renorm_stage", "second_policy", "second_threshold"])


def algorithm_1(g, rnd, threshold, C):
    """Group-level top-2 gating of S tokens with gates g (S, E): e (S, 2), g1 and g2 (S, 2), which are kept (S, 2), and l_aux."""
    S, E = g.shape
    c = np.zeros(E)  # line 1: gating decisions per expert
    m = mean_over_tokens(g)  # line 3
    e, weights, kept = best(g, 2), [], []
    for s in range(S):  # lines 4 to 12
        e1, e2 = e[s]
        g1, g2 = g[s, e1], g[s, e2]
        weights.append([g1 / (g1 + g2), g2 / (g1 + g2)])  # lines 6 and 16
        kept.append([int(c[e1] < C), 0])
        c[e1] += 1
    l_aux = np.sum(c / max(1, S) * m) / E  # line 13
    for s in range(S):  # lines 14 to 23
        e2, g2 = e[s, 1], getval(weights[s][1])
        kept[s][1] = int(c[e2] < C and g2 / threshold > rnd[s])
        c[e2] += 1
    return e, weights, kept, l_aux


def layer(config, inputs, at):
    shape, threshold = config["shape"], config["router"]["second_threshold"]
    T, G = shape["num_tokens"], shape.get("num_groups", 1)
    S = T // G
    C = capacity(config, S) if config["capacity"]["mode"] != "none" else S
    logits = at("router.logits", inputs["x"] @ inputs["router.weight"].T)
    at("router.logsumexp", logsumexp(logits))
    g = at("router.scores", softmax(logits))  # line 2
    parts = []
    for group in range(G):
        tokens = slice(group * S, (group + 1) * S)
        parts.append(algorithm_1(g[tokens], getval(inputs["noise.second_policy"])[tokens], threshold, C))
    e = np.concatenate([part[0] for part in parts])
    weights = at("router.topk_weights", np.array([pair for part in parts for pair in part[1]]))
    kept = [pair for part in parts for pair in part[2]]
    at("router.denominator", np.array([g[t, e[t, 0]] + g[t, e[t, 1]] for t in range(T)]))
    y = []
    for t, x in enumerate(inputs["x"]):  # y_s = sum of G_{s,e} FFN_e(x_s)
        row = np.zeros_like(x)
        for j in range(2):
            if kept[t][j]:
                row = row + at("combine.weighted", weights[t, j] * ffn(config, inputs, e[t, j], x, at, (t, j)), (t, j))
        y.append(row)
    return y, {aux["name"]: sum(part[3] for part in parts) / G for aux in config["aux"]}, e, kept
