"""Real files made wrong: mutations of bytes, of JSON, and of the archives that answers come in.

Every function takes a random.Random and returns what is not, or need not be, a file of its kind any more.
"""
import copy
import io
import json
import random
import struct
import warnings
import zipfile

warnings.filterwarnings("ignore", "Duplicate name", module="zipfile")  # that is what they are there for

NUMBERS = [-1, 0, 1, 2, 3, 5, 7, 99, 257, 2**31 - 1, 2**31, -2**31, 2**53 + 1, 2**63 - 1, 2**63, -2**63, 2**64, 10**30, 0.5, -0.0,
           1e-320, 1e38, 1e308, -1e308]
TEXTS = ["", "NaN", "Infinity", "-Infinity", "x", "y", "grad.x", "f64", "bf16", "i32", "u8", "none", "0x7", "0x" + "f" * 40, "a" * 300,
         "../../../../etc/passwd", "/dev/zero", "\x1b[31mred\x1b[0m", "\x00", "\x7f\x9b", "\u202e", "\ud800", "ß" * 130, "%s%n"]
OTHERS = [None, True, False, [], {}, [[]], [0], {"x": 1}]
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 99]  # what a size may become where a large one is a long calculation, and no mistake


def nasty(rng, small=False):
    """A value that a reader may not expect."""
    kind = rng.randrange(4)
    if kind == 0 and not small:
        deep = []
        for _ in range(rng.choice([2, 63, 65, 200])):
            deep = [deep]
        return rng.choice([deep, [0] * 5000, {str(i): i for i in range(rng.choice([3, 5000]))}])
    if kind == 1:
        return rng.choice(SIZES if small else NUMBERS)
    return copy.deepcopy(rng.choice(TEXTS if kind == 2 else OTHERS))


def places(value, found):
    """(container, key) of everything in the document."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)) and len(found) < 20000:
            places(value[key], found)
    return found


def at_any_level(rng, document):
    """One (container, key); as likely near the top as among thousands of numbers."""
    where = places(document, [])
    if not where:
        return None
    if rng.random() < 0.5:
        few = [(c, k) for c, k in where if isinstance(c, dict) or len(c) < 9]
        where = few or where
    return rng.choice(where)


def mutated_json(rng, document, small=False):
    """The document with one to four changes of its structure."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        place = at_any_level(rng, document)
        if place is None:
            return nasty(rng, small)
        container, key = place
        change = rng.randrange(6)
        other = at_any_level(rng, document)
        if change == 0:
            del container[key]
        elif change == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif change == 1:
            container[rng.choice(TEXTS)] = container[key]
        elif change == 2 and other is not None:
            container[key] = copy.deepcopy(other[0][other[1]])
        elif change == 3 and isinstance(container[key], (int, float)) and not isinstance(container[key], bool):
            number = container[key]
            container[key] = rng.choice(SIZES) if small else rng.choice([number + 1, number - 1, -number, number * 2, *NUMBERS])
        else:
            container[key] = nasty(rng, small)
    return document


def without_sums(value):
    """The document without the SHA-256 of its tensors, by which a reader would refuse most changes before it comes to them."""
    if isinstance(value, dict):
        return {key: without_sums(item) for key, item in value.items() if key != "sha256"}
    return [without_sums(item) for item in value] if isinstance(value, list) else value


def json_text(rng, document, small=False):
    """Text of the changed document, which may be no JSON either."""
    changed = mutated_json(rng, document, small)
    text = json.dumps(changed, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        text = text.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"]))
    return mutated_bytes(rng, text) if rng.random() < 0.2 else text


def mutated_bytes(rng, data):
    """One to eight changes of bytes and ranges of them."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if not data:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
        first = rng.randrange(len(data))
        last = min(len(data), first + rng.choice([1, 1, 2, 8, 100]))
        change = rng.randrange(6)
        if change == 0:
            data[first] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[first:last]
        elif change == 2:
            data[first:first] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 4, 100])))
        elif change == 3:
            data[first:first] = data[first:last] * rng.choice([1, 50])
        elif change == 4:
            del data[first:]
        else:
            data[first:last] = rng.choice([b"\x00", b"\xff", b"9", b"\x1b"]) * (last - first)
    return bytes(data)


def safetensors(header, body, length=None):
    text = json.dumps(header).encode("utf-8", "surrogatepass") if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def mutated_safetensors(rng, data):
    """Bytes, the header, or the length that stands before it."""
    if rng.random() < 0.3:
        return mutated_bytes(rng, data)
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    if rng.random() < 0.2:
        return safetensors(header, body, rng.choice([0, 1, size - 1, size + 1, len(data), 2**32, 2**63 - 1, 2**64 - 1]))
    return safetensors(json_text(rng, header), body)


NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I32": "<i4", "I64": "<i8", "U8": "|u1"}


def members_of(data):
    """(name, header, bytes) of each tensor of a safetensors file, as members of an npz."""
    size = struct.unpack("<Q", data[:8])[0]
    members = []
    for name, tensor in json.loads(data[8:8 + size]).items():
        if name == "__metadata__" or tensor["dtype"] not in NUMPY:
            continue
        begin, end = tensor["data_offsets"]
        shape = "(" + "".join(f"{n}, " for n in tensor["shape"]) + ")"
        header = f"{{'descr': '{NUMPY[tensor['dtype']]}', 'fortran_order': False, 'shape': {shape}, }}"
        members.append((name, header, data[8 + size + begin:8 + size + end]))
    return members


def npz(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, header, body in members:
            text = header.encode("utf-8", "surrogatepass") + b" " * (63 - (len(header) + 10) % 64) + b"\n"
            archive.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) & 0xffff) + text + body)
    return file.getvalue()


def mutated_npz(rng, members):
    """Bytes of the archive, the header of a member, members twice, or one that unpacks to much more than it is."""
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    members = list(members)
    change = rng.randrange(5)
    at = rng.randrange(len(members))
    name, header, body = members[at]
    if change == 0:
        return mutated_bytes(rng, npz(members, method))
    if change == 1:
        header = mutated_bytes(rng, header.encode()).decode("latin-1")
    elif change == 2:
        members += [members[at]] * rng.choice([1, 300])
    elif change == 3:
        header, body = header.replace("(", "(100000000, ", 1), b"\x00" * rng.choice([1, 20_000_000])
    else:
        name = rng.choice(TEXTS).encode("utf-8", "replace").decode().replace("\x00", "0")
    members[at] = (name, header, body)
    return npz(members, method)
