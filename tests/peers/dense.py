"""Shazeer, "GLU Variants Improve Transformer", arXiv 2002.05202: the feed-forward layer, gated and not.

The matrices are kept as (out, in): x W of the paper is up @ x here, V is the gated one's up, and W is its gate.
"""
import autograd.numpy as np
from autograd.scipy.stats import norm

from common import beyond, sigmoid

ACTIVATIONS = {
    "relu": lambda x: np.where(x > 0, x, 0.0),  # max(0, x); its derivative at 0 is taken as 0
    "gelu_erf": lambda x: x * norm.cdf(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),  # Swish with beta = 1
    "identity": lambda x: x,
    "relu2": lambda x: np.where(x > 0, x, 0.0) ** 2,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
}


def ffn(config, inputs, expert, x, at, row):
    """FFN(x) = W2 act(W1 x + b1) + b2 (eq. 1 to 3), or W2 (act(W x + b) * (V x + c)) + b2 (eq. 5 and 6)."""
    form, act = config["experts"], ACTIVATIONS[config["experts"]["activation"]]

    def linear(name, v):
        bias = inputs[f"experts.{name}_bias"][expert] if form["bias"] == "per_expert" else 0.0
        return inputs[f"experts.{name}"][expert] @ v + bias

    up = at("expert.up", linear("up", x), row)
    if form["glu"]:
        hidden = act(at("expert.gate", linear("gate", x), row)) * up
    else:
        hidden = act(up)
    return at("expert.out", linear("down", at("expert.hidden", hidden, row)), row)


def refuses(config):
    return beyond(config, ["score_function"]) if config["router"]["score_function"] == "none" else "has a router"


def layer(config, inputs, at):
    y = [at("combine.weighted", ffn(config, inputs, 0, x, at, (t, 0)), (t, 0)) for t, x in enumerate(inputs["x"])]
    return y, {}, None, [[1]] * len(y)
