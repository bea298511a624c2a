"""Times one MoE layer by PyTorch's grouped GEMM on a device beside `moe-oracle bench`, in one run; bf16, forward.

usage: time_device.py MOE_ORACLE [--backend cuda|cpu] [--models M,...] [--tokens T,...] [--rounds R]

Both compute the same layer with the same weights and batch, which lie on the device before the clock starts. First PyTorch's
result is compared with ours; one that differs is not timed. Then every round times both, one after the other; the table has
medians over the rounds. Needs torch, numpy and safetensors only. With --backend cpu it runs where there is no device, to be tested.
"""

import argparse
import statistics
import time

import torch
from layer import Layer
from time_layers import FURTHEST, bench, results_of
from torch.nn import functional

CHECKED = 64  # tokens whose results are compared
grouped_mm = getattr(functional, "grouped_mm", None) or torch._grouped_mm


class Grouped:
    """Experts beside each other in two grouped products: rows are gathered by expert, and added up by token."""

    def __init__(self, layer, device):
        if layer.bias or layer.shared:
            raise SystemExit(f"time_device.py: {layer.name} has biases or a shared expert, which is not written here")
        self.K, self.E = layer.K, layer.E
        self.router, self.down = (layer.weights[name].to(device) for name in ("router.weight", "experts.down"))
        self.fused = layer.fused().to(device)

    @torch.inference_mode()
    def __call__(self, x):
        best, chosen = torch.topk(functional.linear(x, self.router).float(), self.K, dim=-1)
        order = torch.argsort(chosen.flatten(), stable=True)
        ends = torch.bincount(chosen.flatten(), minlength=self.E).cumsum(0).int()
        gate, up = grouped_mm(x[order // self.K], self.fused.transpose(1, 2), offs=ends).chunk(2, dim=-1)
        out = grouped_mm(functional.silu(gate) * up, self.down.transpose(1, 2), offs=ends)
        slots = out[torch.argsort(order)].view(*chosen.shape, -1)
        return (slots * torch.softmax(best, dim=-1).to(x.dtype)[..., None]).sum(dim=1)


def seconds_of(run, device, samples=9):
    """The median of some calls, by the device's clock where it has one, after one that is not counted."""
    times = []
    for _ in range(samples + 1):
        if device == "cpu":
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
            continue
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(1e-3 * start.elapsed_time(end))
    return statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--backend", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--models", default="mixtral-8x7b,qwen3-30b-a3b")
    parser.add_argument("--tokens", default="512,8192")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tokens = list(map(int, options.tokens.split(",")))
    print(f'PyTorch {torch.__version__}, backend {options.backend}, bf16, forward\n'
          f'{"shape":19} {"tokens":>6} {"ours":>13} {"PyTorch":>13} {"PyTorch / ours":>15} {"floor_ratio":>12}')
    for model in options.models.split(","):
        time_ours = lambda: bench(options.program, model, "bf16", tokens, options.backend)
        rounds = [time_ours()]
        layer = Layer(model, next(iter(rounds[0].values())))
        peer = Grouped(layer, options.backend)
        x = layer.batch(CHECKED, 0)
        right = results_of(options.program, layer, "bf16", [x], options.backend)[0]
        off = float((peer(x.to(options.backend)).cpu().double() - right).abs().max() / right.abs().max())
        if not off < FURTHEST["bf16"]:
            raise SystemExit(f"time_device.py: PyTorch's result for {layer.name} is off by {off:.2g} of the largest number")
        times = {T: [] for T in tokens}
        for i in range(options.rounds):
            if i > 0:
                rounds.append(time_ours())
            for T in tokens:
                batch = layer.batch(T, 0).to(options.backend)
                times[T].append(seconds_of(lambda: peer(batch), options.backend))
        for T in tokens:
            ours, theirs = statistics.median(r[T]["seconds"] for r in rounds), statistics.median(times[T])
            ratio = statistics.median(r[T]["floor_ratio"] for r in rounds)
            print(f"{layer.name:19} {T:6} {1e3 * ours:10.4g} ms {1e3 * theirs:10.4g} ms {theirs / ours:15.2f} {ratio:12.3f}",
                  flush=True)


if __name__ == "__main__":
    main()
