"""Times the experts of one MoE layer in PyTorch and onnxruntime beside `moe-oracle bench`, in one run.

usage: time_layers.py MOE_ORACLE [--models M,...] [--tokens T,...] [--rounds R] [--json OUT.json] [--plot OUT.svg]

Every round times each program once, in turn, so that what else the machine does meets all alike; the table has the
medians of the rounds. All have the same shape, two threads or what OMP_NUM_THREADS says, f32, and a balanced load:
token t takes experts t K ... t K + K - 1, modulo E. Weights are drawn here for the peers and are seeded in moe-oracle;
no time depends on them. Before it is timed, a peer's result is compared with the eager one of PyTorch.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import torch
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts


class TorchPeer:
    """The experts of transformers' Mixtral, in one of the implementations that it has."""

    def __init__(self, shape, weights, implementation):
        config = MixtralConfig(hidden_size=shape["D"], intermediate_size=shape["F"], num_local_experts=shape["E"],
                               num_experts_per_tok=shape["K"])
        config._experts_implementation = implementation
        with torch.device("meta"):
            self.module = MixtralExperts(config)
        self.module.gate_up_proj = torch.nn.Parameter(weights["in"], requires_grad=False)
        self.module.down_proj = torch.nn.Parameter(weights["out"], requires_grad=False)

    def __call__(self, x, experts, shares):
        with torch.inference_mode():
            return self.module(x, experts, shares)


class OnnxPeer:
    """onnxruntime's operator MoE, which takes logits and chooses the experts itself."""

    def __init__(self, shape, weights):
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper

        E, D, F, K = shape["E"], shape["D"], shape["F"], shape["K"]
        # SwiGLU of this operator takes gate and up in turns.
        both = weights["in"].view(E, 2, F, D).transpose(1, 2).reshape(E, 2 * F, D).contiguous().numpy()
        names = ["x", "logits", "fc1", "", "fc2"]
        node = helper.make_node("MoE", names, ["y"], domain="com.microsoft", k=K, activation_type="swiglu",
                                swiglu_fusion=1, activation_alpha=1.0, activation_beta=0.0,
                                normalize_routing_weights=1)
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [node], "moe",
            [value("x", TensorProto.FLOAT, ["T", D]), value("logits", TensorProto.FLOAT, ["T", E]),
             value("fc1", TensorProto.FLOAT, both.shape), value("fc2", TensorProto.FLOAT, [E, D, F])],
            [value("y", TensorProto.FLOAT, ["T", D])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self.weights = {"fc1": both, "fc2": weights["out"].numpy()}

    def __call__(self, x, experts, shares):
        logits = torch.full((x.shape[0], self.weights["fc1"].shape[0]), -30.0)
        logits.scatter_(1, experts, torch.log(shares))
        feeds = {"x": x.numpy(), "logits": logits.numpy(), **self.weights}
        return torch.from_numpy(self.session.run(["y"], feeds)[0])


def ours(program, model, tokens, samples):
    """One row of `moe-oracle bench`."""
    words = [program, "bench", model, "--tokens", str(tokens), "--dtype", "f32", "--pass", "forward", "--json",
             "--repeat", str(samples)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["rows"][0]


def seconds_of(run, least=0.2):
    """The median of three samples, each of as many runs as take `least` seconds."""
    start = time.perf_counter()
    run()
    runs = max(1, int(least / (time.perf_counter() - start)))
    samples = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(runs):
            run()
        samples.append((time.perf_counter() - start) / runs)
    return statistics.median(samples)


def peers_of(shape, weights, x, experts, shares):
    """Those that run here and are right, by name; why the others are not here."""
    made, missing = {}, {}
    make = {"torch eager": lambda: TorchPeer(shape, weights, "eager"),
            "torch grouped_mm": lambda: TorchPeer(shape, weights, "grouped_mm"),
            "onnxruntime MoE": lambda: OnnxPeer(shape, weights)}
    right = None
    for name, maker in make.items():
        try:
            peer = maker()
            y = peer(x, experts, shares)
            right = y if right is None else right
            off = float((y - right).abs().max() / right.abs().max())
            if not off < 1e-4:
                raise RuntimeError(f"its result differs from that of torch eager by {off:.2g} of the largest number")
            made[name] = peer
        except Exception as error:  # whatever a peer does is its affair, and part of the report
            missing[name] = str(error).splitlines()[0][:150]
    return made, missing


def measure(program, model, tokens, rounds):
    first = ours(program, model, tokens, 1)
    shape = {"D": first["hidden_size"], "F": first["ffn_size"], "E": first["num_experts"], "K": first["top_k"]}
    E, D, F, K = shape["E"], shape["D"], shape["F"], shape["K"]
    generator = torch.Generator().manual_seed(2024)
    draw = lambda *size: torch.empty(*size).uniform_(-1, 1, generator=generator)
    weights = {"in": draw(E, 2 * F, D) / D**0.5, "out": draw(E, D, F) / F**0.5}
    x = draw(tokens, D)
    experts = torch.arange(tokens * K).reshape(tokens, K) % E
    shares = torch.softmax(draw(tokens, K), dim=1)
    made, missing = peers_of(shape, weights, x, experts, shares)
    times = {name: [] for name in ["moe-oracle", *made]}
    for _ in range(rounds):
        times["moe-oracle"].append(ours(program, model, tokens, 3)["seconds"])
        for name, peer in made.items():
            times[name].append(seconds_of(lambda: peer(x, experts, shares)))
    return {"shape": first["shape"], **shape, "tokens": tokens, "missing": missing,
            "seconds": {name: statistics.median(samples) for name, samples in times.items()}}


def plot(rows, path):
    """Tokens per second, a bar for each program and row, by gnuplot."""
    names = list(dict.fromkeys(name for row in rows for name in row["seconds"]))
    lines = []
    for row in rows:
        rates = [row["tokens"] / row["seconds"][name] if name in row["seconds"] else 0 for name in names]
        lines.append('"%s, T %d" %s' % (row["shape"], row["tokens"], " ".join("%g" % rate for rate in rates)))
    bars = ", ".join(f'$data using {i + 2}:xtic(1) title "{name}"' for i, name in enumerate(names))
    script = "\n".join([f"set terminal svg size 900,500; set output '{path}'", "$data << EOD", *lines, "EOD",
                        "set style data histogram; set style fill solid 0.8; set logscale y",
                        "set ylabel 'tokens per second'; set grid y; set key outside top; set xtics rotate by -20",
                        f"plot {bars}"])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--models", default="mixtral-8x7b,qwen3-30b-a3b,olmoe-1b-7b")
    parser.add_argument("--tokens", default="1,16,512,2048")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--plot")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    rows = []
    for model in options.models.split(","):
        for tokens in options.tokens.split(","):
            row = measure(options.program, model, int(tokens), options.rounds)
            rows.append(row)
            best = min([s for name, s in row["seconds"].items() if name != "moe-oracle"], default=float("nan"))
            print(f'{row["shape"]:20} T {row["tokens"]:5}  ' +
                  "  ".join(f"{name} {1e3 * s:.4g} ms" for name, s in row["seconds"].items()) +
                  f'  best peer / ours {best / row["seconds"]["moe-oracle"]:.2f}', flush=True)
            for name, why in row["missing"].items():
                print(f"  not run: {name}: {why}", flush=True)
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}, out, indent=1)
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
