"""Fedus, Zoph and Shazeer, "Switch Transformers", arXiv 2101.03961; z-loss of Zoph et al., arXiv 2202.08906."""
import autograd.numpy as np

from capacity import capacity
from common import best, beyond, logsumexp, mean_over_tokens, of_batch, softmax
from dense import ffn


def refuses(config):
    router, cap = config["router"], config["capacity"]
    if config["shape"]["top_k"] != 1 or router["score_function"] != "softmax" or router["renorm"] != "none":
        return "is not top-1 of a softmax as it is"
    if cap["mode"] != "none" and (cap["priority"] != "fcfs" or cap["dropped_output"] != "zero"):
        return "drops by another rule"
    if not all(map(of_batch, config["aux"])):
        return "has another loss"
    return beyond(config, ["score_function", "renorm"])


def layer(config, inputs, at):
    tokens, experts = config["shape"]["num_tokens"], config["shape"]["num_experts"]
    h = at("router.logits", inputs["x"] @ inputs["router.weight"].T)
    lse = at("router.logsumexp", logsumexp(h))
    p = at("router.scores", softmax(h))  # eq. 1
    i = best(h, 1)[:, 0]
    gate = at("router.topk_weights", np.array([[p[t, i[t]]] for t in range(tokens)]))
    group = tokens // config["shape"].get("num_groups", 1) if config["capacity"].get("scope") == "group" else tokens
    expert_capacity = capacity(config, group)  # eq. 3
    kept, y = [], []
    for t, x in enumerate(inputs["x"]):
        if t % group == 0:
            taken = np.zeros(experts)
        kept.append([int(taken[i[t]] < expert_capacity)])
        taken[i[t]] += 1
        if kept[t] == [1]:  # eq. 2
            y.append(at("combine.weighted", gate[t, 0] * ffn(config, inputs, i[t], x, at, (t, 0)), (t, 0)))
        else:  # nothing but the residual, which is outside the layer
            y.append(np.zeros_like(x))
    losses = {}
    for aux in config["aux"]:
        if aux["kind"] == "switch":
            f = mean_over_tokens(np.eye(experts)[i])  # eq. 5
            losses[aux["name"]] = experts * np.sum(f * mean_over_tokens(p))  # eq. 4 and 6
        else:
            losses[aux["name"]] = mean_over_tokens(lse**2)  # eq. 5 of arXiv 2202.08906
    return y, losses, i[:, None], kept
