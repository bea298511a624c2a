"""The layer that `moe-oracle bench` times, number for number: its weights and batches, drawn again from their recipes.

golden/rng/philox.json says how a number follows from its index; include/moe/inputs.h which stream and power of two a tensor
has; cli/workload.cpp what is set so that the load is balanced.
"""

import json
import math
import pathlib

import numpy as np
import torch

SEED = 0x7000007E8
REGISTRY = pathlib.Path(__file__).parents[2] / "src" / "sizing" / "registry"


def seeded(dims, stream, shift, case=0):
    """A tensor of signed 8-bit integers times 2^-shift, in bf16, which holds them exactly."""
    count, part, low = math.prod(dims), 1 << 15, np.uint64(0xFFFFFFFF)
    blocks = -(-count // 4)
    made = np.empty(4 * blocks, np.int8)
    for first in range(0, blocks, part):
        n = min(part, blocks - first)
        c = [np.arange(first, first + n, dtype=np.uint64), np.zeros(n, np.uint64),
             np.full(n, stream, np.uint64), np.full(n, case, np.uint64)]
        key = [SEED & 0xFFFFFFFF, SEED >> 32]
        for _ in range(10):
            even, odd = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
            c = [(odd >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]), odd & low,
                 (even >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]), even & low]
            key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
        made[4 * first : 4 * (first + n)] = (np.stack(c, 1).ravel() >> np.uint64(24)).astype(np.uint8).view(np.int8)
    return torch.from_numpy(made[:count]).to(torch.bfloat16).mul_(2.0**-shift).view(*dims)


class Layer:
    """A published layer as `moe-oracle bench` makes it smaller: sizes, and weights by the names that our files have."""

    def __init__(self, model, row):
        """`row` is one that `moe-oracle bench MODEL --json` has printed."""
        self.name = row["shape"]
        self.D, self.F, self.E, self.K = (row[key] for key in ("hidden_size", "ffn_size", "num_experts", "top_k"))
        families = [json.loads(path.read_text()) for path in REGISTRY.glob("*.json")]
        published = next(m for family in families for m in family["models"] if m["id"] == model)
        moe = published["moe"]
        self.bias = moe.get("bias", False)
        self.shared = moe.get("shared_size", 0) * self.D // published["hidden_size"]
        self.weights = self.draw()

    def draw(self):
        D, F, E, shared = self.D, self.F, self.E, self.shared
        by_fan_in = lambda n: 6 + n.bit_length() // 2
        draw = {"experts.gate": ((E, F, D), 3, by_fan_in(D)), "experts.up": ((E, F, D), 4, by_fan_in(D)),
                "experts.down": ((E, D, F), 5, by_fan_in(F))}
        if self.bias:
            draw |= {"experts.gate_bias": ((E, F), 10, 10), "experts.up_bias": ((E, F), 11, 10),
                     "experts.down_bias": ((E, D), 12, 10)}
        if shared:
            draw |= {"shared.gate": ((shared, D), 13, by_fan_in(D)), "shared.up": ((shared, D), 14, by_fan_in(D)),
                     "shared.down": ((D, shared), 15, by_fan_in(shared))}
        weights = {name: seeded(*recipe) for name, recipe in draw.items()}
        return weights | {"router.weight": torch.eye(E, D, dtype=torch.bfloat16)}

    def batch(self, T, number):
        """x (T, D) of which token t takes the experts t K ... t K + K - 1, modulo E, after those of earlier batches."""
        x = seeded((T, self.D), 1, 6, number)
        x[:, : self.E] = -4
        chosen = (torch.arange(T * self.K).view(T, self.K) + number * T * self.K) % self.E
        return x.scatter_(1, chosen, (4 - 0.125 * torch.arange(self.K)).to(x.dtype).expand(T, self.K).contiguous())

    def fused(self, kind="experts", part="", turns=False):
        """Gate and up as the one tensor that peers take: gate above up, or row by row in turns."""
        both = [self.weights[f"{kind}.gate{part}"], self.weights[f"{kind}.up{part}"]]
        axis = both[0].dim() - (1 if part else 2)
        return torch.stack(both, axis + 1).flatten(axis, axis + 1) if turns else torch.cat(both, axis)

    def options(self, T):
        """What makes this layer of the preset mixtral, on the command line of `moe-oracle run`."""
        sets = {"shape.hidden_size": self.D, "shape.ffn_size": self.F, "shape.num_experts": self.E, "shape.top_k": self.K}
        if self.bias:
            sets["experts.bias"] = "per_expert"
        if self.shared:
            sets |= {"shared.mode": "add", "shared.ffn_size": self.shared}
        return ["--tokens", str(T)] + [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
