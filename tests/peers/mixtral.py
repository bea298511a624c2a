"""Jiang et al., "Mixtral of Experts", arXiv 2401.04088, sec. 2.1; the loss as Hugging Face's load_balancing_loss_func defines it.

The weights are the softmax of the K chosen logits, and the gradients go through that. grad.router.scores is what goes through s in
the equal formula w_i = s_i / sum of the chosen s, with s the softmax of all logits: the route "scores".
"""
import autograd.numpy as np

from common import best, beyond, logsumexp, mean_over_tokens, of_batch, softmax
from dense import ffn

ROUTES = {"scores": ["grad.router.scores"]}


def refuses(config):
    router = config["router"]
    if router["score_function"] != "softmax" or router["renorm"] != "sum":
        return "is not a softmax of the chosen logits"
    if config["capacity"]["mode"] != "none":
        return "has a capacity"
    if not all(map(of_batch, config["aux"])):
        return "has another loss"
    return beyond(config, ["score_function", "renorm", "renorm_stage"])


def layer(config, inputs, at):
    shape = config["shape"]
    tokens, experts, k = shape["num_tokens"], shape["num_experts"], shape["top_k"]
    logits = at("router.logits", inputs["x"] @ inputs["router.weight"].T)
    lse = at("router.logsumexp", logsumexp(logits))
    s = at("router.scores", softmax(logits))
    top = best(logits, k)
    rows = np.arange(tokens)[:, None]
    total = at("router.denominator", np.sum(s[rows, top], axis=1))
    weights = s[rows, top] / total[:, None] if at.route == "scores" else softmax(logits[rows, top])  # Softmax(TopK(x Wg))
    weights = at("router.topk_weights", weights)
    y = []
    for t, x in enumerate(inputs["x"]):
        outs = [weights[t, j] * ffn(config, inputs, top[t, j], x, at, (t, j)) for j in range(k)]
        y.append(sum(at("combine.weighted", out, (t, j)) for j, out in enumerate(outs)))
    losses = {}
    for aux in config["aux"]:
        if aux["kind"] == "z":
            losses[aux["name"]] = mean_over_tokens(lse**2)
            continue
        mask = np.eye(experts)[top[:, :1] if aux["f_source"] == "top1" else top]
        tokens_per_expert = mean_over_tokens(mask)
        loss = experts * np.sum(tokens_per_expert * mean_over_tokens(s)[None, :])
        losses[aux["name"]] = loss / k if aux["f_divide_by_k"] else loss
    return y, losses, top, np.ones((tokens, k), dtype=int)
