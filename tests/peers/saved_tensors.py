#!/usr/bin/env python3
"""What PyTorch keeps of a block of experts for its backward pass, beside (K12), which is what `memory` says.

    tests/peers/saved_tensors.py PROGRAM

Builds a small Mixtral block of transformers in bf16, adds up the tensors that autograd saves, parameters aside, by their
width, and compares those of rows of width D and F. PyTorch computes act(gate) up in two steps and keeps act(gate) too.
"""
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

D, F, E, K, T = 64, 128, 4, 2, 32


def saved(experts):
    """Bytes that autograd keeps, by the width of the rows and the dtype."""
    config = MixtralConfig(hidden_size=D, intermediate_size=F, num_local_experts=E, num_experts_per_tok=K)
    config._experts_implementation = experts
    block = MixtralSparseMoeBlock(config).to(torch.bfloat16)
    for p in block.parameters():
        torch.nn.init.normal_(p, std=0.1)
    weights = {p.untyped_storage().data_ptr() for p in block.parameters()}
    kept, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor.shape[-1] if tensor.dim() else 1, tensor.dtype)
        alive.append(tensor)  # so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        block(torch.randn(1, T, D, dtype=torch.bfloat16, requires_grad=True))
    by_width = collections.Counter()
    for size, width, dtype in kept.values():
        by_width[width, dtype] += size
    return by_width


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        MixtralConfig(hidden_size=D, intermediate_size=F, num_local_experts=E, num_experts_per_tok=K, num_attention_heads=4,
                      num_key_value_heads=4, num_hidden_layers=1).save_pretrained(folder)
        out = subprocess.run([program, "memory", str(Path(folder) / "config.json"), "--json", "--ctx", str(T)],
                             check=True, capture_output=True, text=True).stdout
    said = json.loads(out)["activation_bytes"]
    act_of_gate = K * T * F * 2
    kept = saved("grouped_mm")
    rows = kept[D, torch.bfloat16] + kept[F, torch.bfloat16] - act_of_gate
    print(f"memory: input {said['input']:,.0f} and experts {said['routed']:,.0f} bytes, router {said['router']:,.0f}")
    print(f"PyTorch: rows {rows:,} bytes, act(gate) {act_of_gate:,}, the rest {sum(kept.values()) - rows - act_of_gate:,}")
    return 0 if rows == said["input"] + said["routed"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
