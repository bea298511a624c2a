"""Checkpoints that Hugging Face transformers saved, against `moe-oracle count`: config.json --against model.safetensors.

A tiny model of every type of families.py is saved by `save_pretrained`. Its file is counted by the headers of the tensors, its
config by the fields; both must be the sum over the parameters, and every component's share be what its tensors hold. Prints
what differs; exits with 1 where anything does that is not called approximate. tests/sizing/saved.json is --write's.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

import families
import transformers
from families import F, GLM, INDEX, TYPES
from model_counts import elements, plain
from safetensors.torch import load_file
from transformers import AutoConfig


def own(kind):
    """The fields of a type of families.py without those of latent attention and its indexer that its class does not have."""
    config = AutoConfig.for_model(kind.split()[0])
    return {key: value for key, value in TYPES[kind].items() if key in config.to_dict() or key not in {**GLM, **INDEX}}


def against(program, folder):
    """What `count --against` says: its JSON, or its error."""
    done = subprocess.run([program, "count", str(folder / "config.json"), "--against", str(folder / "model.safetensors"), "--json"],
                          capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode < 2 else done.stderr.strip()


def by_pattern(tensors):
    """How many numbers the tensors of each name hold, with * for a number in the name."""
    sums = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            pattern = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)
            sums[pattern] = sums.get(pattern, 0) + tensor.numel()
    return sums


def compared(program, kind):
    """"equal", "approximate: ...", or what is wrong, and a row for the unit tests. A file may hold more than parameters: rows that
    fill a table up, buffers."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with mock.patch.dict(TYPES, {kind: own(kind)}):
            model = families.model_of(kind, F)
        model.save_pretrained(folder)
        found = against(program, folder)
        tensors = by_pattern(load_file(folder / "model.safetensors"))
        row = {"kind": kind, "params": elements(model), "config": plain(json.loads((folder / "config.json").read_text())),
               "tensors": tensors}
    if isinstance(found, str):
        return f"refused: {found.partition('config.json: ')[2]}", row
    want, config, file = row["params"], found["params"]["total"], found["checkpoint"]["total"]
    held = sum(tensors.values()) - found["checkpoint"]["beside"]
    parts = ", ".join(f"{part['component']} {part['config']:,} and {part['checkpoint']:,}" for part in found["differs"])
    if config == want and file == held and (not parts or held != want):
        return f"equal{f', but for {parts} in the file' if parts else ''}", row
    numbers = f"config {config:,}, parameters {want:,}; counted {file:,} of {held:,} in the file; {parts}"
    return f"approximate: {numbers}" if found["kind"] == "approximate" and file == held else f"WRONG: {numbers}", row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="moe-oracle")
    parser.add_argument("--write", type=pathlib.Path, help="configs, sums and tensors of what is equal, for the unit tests")
    parser.add_argument("types", nargs="*", help="as in families.py; none: all")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows, said = [], {}
    for kind in options.types or TYPES:
        said[kind], row = compared(options.program, kind)
        rows += [row] if said[kind].startswith("equal") else []
        print(f"{kind:32} {said[kind]}", flush=True)
    wrong = sum(text.startswith("WRONG") for text in said.values())
    print(f"{len(said)} checkpoints: {len(rows)} equal, {wrong} wrong")
    if options.write:
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        options.write.write_text(f'{{"transformers":"{transformers.__version__}","checkpoints":[\n{lines}\n]}}\n')
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
