"""Ten mistakes that real layers have had: torch_layer.py and jax_layer.py make one of them with --mistake NAME.

Each has the presets whose results it changes; in any other layer it changes nothing, except as said. "switch" is the preset's name.
"""

RENORMALISED = ["mixtral", "gshard", "shazeer2017", "deepseek_v3"]
GATED = ["dense", "mixtral", "deepseek_v3"]

MISTAKES = {
    "no-renorm": (RENORMALISED, "the weights of the choices are not divided by their sum"),
    "softmax-after-topk": (["switch"], "the softmax is that of the chosen logits: one choice alone has weight 1"),
    "bias-leaked": (["deepseek_v3"], "the selection bias is in the weights, not only in the choice"),
    "scaling-twice": (["deepseek_v3"], "routed_scaling_factor multiplies the weights, and again what the experts add up to"),
    "gate-up-swapped": (GATED, "up goes through the activation, in place of gate; the shared expert is right"),
    "gelu-for-silu": (GATED, "another smooth activation; the shared expert is right"),
    # With ReLU y is right, since relu(w u) = w relu(u), but expert.* and their gradients are not.
    "weight-before-expert": (["mixtral", "deepseek_v3"], "the weight multiplies what goes into an expert, not what comes out"),
    "dropped-slot": (RENORMALISED, "the last choice of every token is computed, but never added"),
    "wrong-permutation": (["switch", *RENORMALISED], "rows in the order of experts are added as if in that of tokens"),
    # Of the largest element of grad.router.weight it is 1e-3 in these, 3e-6 in gshard, and in deepseek_v3 2e-7: below float32.
    "aux-gradient-missing": (["switch", "mixtral", "shazeer2017"], "the losses are in loss.total, but not in the gradients"),
}
