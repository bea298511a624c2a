"""Reads the tensors of golden files, wherever a file keeps them, and checks their bytes; see golden/README.md."""
import base64
import hashlib
import json
import math

import numpy as np

from common import plain

TYPES = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<u2", "i32": "<i4", "i64": "<i8", "u8": "<u1"}


def philox(counter, key):
    """Philox 4x32-10 (Salmon et al., 2011) on arrays of counters: four words of 32 bits for each."""
    c, k, low = [np.asarray(v, dtype=np.uint64) for v in counter], list(key), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        high = [first >> np.uint64(32), second >> np.uint64(32)]
        c = [high[1] ^ c[1] ^ np.uint64(k[0]), second & low, high[0] ^ c[3] ^ np.uint64(k[1]), first & low]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(np.broadcast_arrays(*c), axis=-1)


def drawn(recipe, count):
    seed = int(recipe["seed"], 16)
    block = np.arange(-(-count // 4), dtype=np.uint64)
    counter = [block & np.uint64(0xFFFFFFFF), block >> np.uint64(32), recipe["tensor"], recipe["case"]]
    words = philox(counter, [seed % 2**32, seed >> 32]).astype(np.uint32).view(np.int32)
    return (words.ravel()[:count] >> 24) * 2.0 ** recipe["scaleLog2"]


def stored(path, name):
    """The bytes of one tensor of a safetensors file."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    begin, end = json.loads(raw[8:8 + size])[name]["data_offsets"]
    return raw[8 + size + begin:8 + size + end]


def tensor(t, folder):
    """The array of a tensor: integers as they are, reals as binary64. A recipe is drawn where no numbers are given."""
    kind, shape = t["dtype"], t["shape"]
    if "data" in t or not ("b64" in t or "file" in t):
        numbers = [float(v) for v in t["data"]] if "data" in t else drawn(t["recipe"], math.prod(shape))
        if kind == "bf16":
            bits = np.asarray(numbers, dtype="<f4").view("<u4")
            raw = (bits >> 16).astype("<u2").tobytes()
        else:
            raw = np.array(numbers).astype(TYPES[kind]).tobytes()
    else:
        raw = base64.b64decode(t["b64"]) if "b64" in t else stored(folder / t["file"], t["tensor"])
    if hashlib.sha256(raw).hexdigest() != t["sha256"]:
        raise SystemExit(f"peers: a tensor of {folder}: sha256 = {t['sha256']} is not that of its bytes")
    values = np.frombuffer(raw, dtype=TYPES[kind])
    if kind == "bf16":
        values = (values.astype("<u4") << 16).view("<f4")
    return (values if kind[0] in "iu" else values.astype(float)).reshape(shape)


def groups(path):
    """(config, valid cases with all stages) of each group of a file; none if the file holds no layers."""
    document = json.loads(path.read_text())
    for group in document["groups"] if document.get("format") == "moe-golden" else []:
        cases = [case for case in group["cases"] if case["result"] != "invalid" and "extent" not in case]
        if cases:
            yield plain(group["config"]), cases
