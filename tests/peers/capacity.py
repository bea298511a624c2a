"""How many assignments an expert takes: docs/MATH.md (P1)."""
from fractions import Fraction
from math import ceil, floor

import numpy as np


def capacity(config, tokens):
    """How many of `tokens` tokens an expert takes: factor * tokens / E, and the roundings that papers leave open."""
    c, shape = config["capacity"], config["shape"]
    if c["mode"] == "none":
        return tokens * shape["top_k"]
    if c["mode"] == "fixed":
        return c["fixed"]
    number = {"exact": lambda v: Fraction(str(v)), "f32": np.float32, "f64": np.float64}[c["arithmetic"]]
    rounded = {"none": lambda v: v, "floor": floor, "ceil": ceil, "half_even": round}
    amount = number(tokens * (shape["top_k"] if c["base"] == "tokens_times_k" else 1))
    experts, factor = number(shape["num_experts"]), number(c["factor"])
    if c.get("eval_order") == "factor_first":
        amount = factor * amount / experts
    else:
        amount = factor * number(rounded[c["inner_round"]](amount / experts))
    amount = int(rounded[c["outer_round"]](amount)) * (shape["top_k"] if c["k_outside"] else 1)
    amount = max(amount, c["min_capacity"])
    return -(-amount // c["multiple_of"]) * c["multiple_of"]
