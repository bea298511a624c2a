#!/usr/bin/env python3
"""Compares `moe-oracle count` with the model classes of transformers: each with experts, at its defaults, as it is saved.

    tests/peers/model_counts.py --oracle build/release/moe-oracle [--write tests/sizing/classes.json] [MODEL_TYPE...]

A class is built on the meta device, and the elements of its parameters are summed; buffers that bias the choice of experts
count, towers for images and sound and what joins them to the language model do not. Each config.json is read as
save_pretrained writes it, and with every key. A number that differs and is called exact makes the exit code 1.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from transformers.models.auto import modeling_auto

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()

AUTO = [modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        getattr(modeling_auto, "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES", {}), modeling_auto.MODEL_MAPPING_NAMES]
INNER = ("thinker_config", "text_config", "language_config", "llm_config")
NOT_LANGUAGE = re.compile(r"visual|vision|audio|multi_modal_projector|mm_projector|talker|resampler_model|view_separator|"
                          r"image_newline|word_timestamp|img_projector")
BIAS = re.compile(r"(e_score_correction_bias|expert_bias|balancing_biases)$")


def has_experts(config):
    """Does a key speak of experts?"""
    return any(has_experts(value) if isinstance(value, dict) and key in INNER else
               re.search("expert|moe", key, re.I) and value not in (None, False)
               for key, value in config.items())


def class_of(model_type):
    for names in AUTO:
        if name := names.get(model_type):
            return name if isinstance(name, str) else name[0]
    return None


def elements(model):
    """The sum over the parameters of the language model."""
    kept = set(model.state_dict())
    named = list(model.named_parameters()) + [(name, tensor) for name, tensor in model.named_buffers()
                                              if name in kept and BIAS.search(name)]
    return sum(math.prod(tensor.shape) for name, tensor in named if not NOT_LANGUAGE.search(name))


def built(types):
    """(model_type, config, name of the class, elements) of each class that its defaults build."""
    for model_type in sorted(transformers.CONFIG_MAPPING.keys()):
        if types and model_type not in types:
            continue
        try:
            config = transformers.CONFIG_MAPPING[model_type]()
            name = class_of(model_type)
            if name is None or not has_experts(config.to_dict()):
                continue
            with torch.device("meta"):
                model = getattr(transformers, name)(config)
        except Exception as error:  # classes whose defaults do not build, each in its own way
            print(f"{model_type:<26} not built: {type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}")
            continue
        yield model_type, config, name, elements(model)


def counted(oracle, text):
    """What the program says of a config.json: the number, how sure, and the keys to blame; or its error."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "config.json")
        path.write_text(text)
        run = subprocess.run([oracle, "count", str(path), "--json"], capture_output=True, text=True)
    if run.returncode != 0:
        return None, "refused", run.stderr.strip().partition("config.json: ")[2]
    found = json.loads(run.stdout)
    return found["params"]["total"], found["kind"], ", ".join(found.get("unread", []))


def plain(config):
    """The saved config without what cannot matter for a count and would fill a file."""
    drop = re.compile(r"^(id2label|label2id|transformers_version|vision_config|audio_config|layer_rope_theta)$")
    return {key: plain(value) if isinstance(value, dict) and key in INNER else value for key, value in config.items()
            if not drop.search(key)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--write", help="the configs and sums, for the unit tests")
    parser.add_argument("types", nargs="*", metavar="MODEL_TYPE")
    options = parser.parse_args()
    rows, exact, wrong = [], 0, 0
    for model_type, config, name, want in built(options.types):
        saved = config.to_json_string(use_diff=True)
        results = [counted(options.oracle, text) for text in (saved, config.to_json_string(use_diff=False))]
        rows.append({"model_type": model_type, "class": name, "params": want, "config": plain(json.loads(saved))})
        equal = all(total == want for total, _, _ in results)
        exact += equal
        lies = any(kind == "exact" and total != want for total, kind, _ in results)
        wrong += lies
        total, kind, why = results[0]
        said = "equal" if equal else f"{kind}: {why}" if not lies else f"WRONG: {total} is called exact"
        print(f"{model_type:<26} {want:>17,}  {said}", flush=True)
    print(f"transformers {transformers.__version__}: {exact} of {len(rows)} equal, {wrong} wrong")
    if options.write:
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        pathlib.Path(options.write).write_text(
            f'{{"transformers":"{transformers.__version__}","classes":[\n{lines}\n]}}\n')
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
