"""The whole program on wrong files: whole_program.py PROGRAM GOLDEN [--runs N] [--seed S] [--jobs J] [--keep FOLDER] [--sanitized]

Files of every kind that the program reads are taken from GOLDEN and from the program itself, made wrong (mutate.py), and given to every
verb that reads them. Whatever they hold: no signal, 10 s of a processor at most, 1 GB at most, exit code 0 to 3, one line on stderr where that is
2 or 3 (none where a report of check says that all was declined) and none or one else, no control characters, and none of a library's words. Run i of seed S is the same everywhere. What
fails is printed, its files are kept, and the exit code is 1.

--sanitized: PROGRAM is the build of the preset asan, whose memory is not its own and which is some ten times slower.
"""
import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import mutate

SECONDS, BYTES = 10, 1 << 30  # of one processor, and of memory
PATIENCE = 10  # so much longer it may take where others use the processors, too
IDS = ["worked/layer", "presets/dense", "ties/zero-token", "capacity/by-weight", "capacity/ceil", "groups/tie", "noise/flips-choice",
       "shared/gated", "losses/collapsed", "second/queue", "exact/halves", "load/no-tokens", "experts/bias"]
LIBRARY = re.compile(r"json\.exception|filesystem error|\w::\w|_M_|basic_string|bad_alloc|terminate called|what\(\)|stoi|stod|Assertion"
                     r"|Sanitizer|runtime error")
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
TABLE = {"router.weight": "router.weight", "experts.gate": {"name": "experts.gate", "in_out": False},
         "experts.up": {"name": "experts.up", "in_turns": False}, "experts.down": "experts.down"}
PROFILE = {"name": "mine", "inside": "f32", "result": "f32", "operands": "tf32", "flush": True}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1",
               "ASAN_OPTIONS": "exitcode=99:detect_leaks=0:allocator_may_return_null=1:hard_rss_limit_mb=4000",
               "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1"}


class Sources:
    """Right files, read or made once."""

    def __init__(self, program, golden, configs):
        self.golden = []
        for path in sorted(golden.glob("*/*.json")):
            document = json.loads(path.read_text()) if path.stat().st_size < 150_000 else {}
            if document.get("format") == "moe-golden":
                self.golden.append(document)
        self.configs = [group["config"] for document in self.golden for group in document["groups"] if "config" in group]
        self.foreign = [json.loads(path.read_text()) for path in sorted(configs.glob("*.json")) if path.name != "fields.json"]
        classes = json.loads((configs.parent / "classes.json").read_text())["classes"]
        self.foreign += [row["config"] for row in classes]
        self.answers = {}
        known = subprocess.run([program, "golden", "list"], capture_output=True, text=True, check=True).stdout.split()
        with tempfile.TemporaryDirectory() as folder:
            for name in (name for name in IDS if name in known):
                for kind in ("json", "safetensors"):
                    path = pathlib.Path(folder) / f"a.{kind}"
                    subprocess.run([program, "run", "--case", name, "--backward", "--out", path], check=True, capture_output=True)
                    self.answers[name, kind] = path.read_bytes()
        self.ids = sorted({name for name, _ in self.answers})
        self.weights = weights_of(golden / "presets" / "mixtral.json")


def weights_of(path):
    """The inputs of a golden case as a safetensors file: what --weights and --input read."""
    header, body = {}, b""
    for name, tensor in json.loads(path.read_text())["groups"][0]["cases"][0]["inputs"].items():
        data = base64.b64decode(tensor["b64"]) if "b64" in tensor else b"".join(
            struct.pack("<f", number)[2:] for number in tensor["data"])
        header[name] = {"dtype": "BF16", "shape": tensor["shape"], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    return mutate.safetensors(header, body)


class Run:
    """Run i: its files, in a folder of its own, and its command line."""

    def __init__(self, sources, seed, i, folder):
        self.sources, self.folder = sources, folder
        self.rng = random.Random(f"{seed}/{i}")
        self.arguments = self.rng.choice([self.golden, self.golden, self.answer, self.answer, self.reply, self.config, self.foreign,
                                          self.weights, self.names, self.profile, self.routes])()

    def file(self, name, data):
        (self.folder / name).write_bytes(data)
        return name

    def right_answer(self, name):
        return self.file("right.json", self.sources.answers[name, "json"])

    def wrong_answer(self, name):
        kind = self.rng.choice(["json", "safetensors", "npz"])
        if kind == "json":
            return self.file("a.json", mutate.json_text(self.rng, mutate.without_sums(json.loads(self.sources.answers[name, "json"]))))
        data = self.sources.answers[name, "safetensors"]
        if kind == "safetensors":
            return self.file("a.safetensors", mutate.mutated_safetensors(self.rng, data))
        return self.file("a.npz", mutate.mutated_npz(self.rng, mutate.members_of(data)))

    def golden(self):
        document = self.rng.choice(self.sources.golden)
        if self.rng.random() < 0.7:
            document = mutate.without_sums(document)
        case = self.file("case.json", mutate.json_text(self.rng, document))
        name = self.rng.choice(self.sources.ids)
        answer = self.rng.choice([self.right_answer, self.wrong_answer])(name)
        return self.rng.choice([["check", case, "--got", answer], ["check", case, "--backend", "cpu"],
                                ["check", case, "--backend", "reference", "--json"], ["diagnose", case, "--got", answer],
                                ["audit", case, "--rtol", "1e-2", "--atol", "1e-5"], ["golden", "verify", case],
                                ["run", "--case", case, "--json"], ["check", ".", "--backend", "cpu"],
                                ["check", case, "--backend", "reference", "--fresh"]])

    def answer(self):
        name = self.rng.choice(self.sources.ids)
        answer = self.wrong_answer(name)
        return self.rng.choice([["check", name, "--got", answer], ["check", name, "--got", answer, "--json"],
                                ["diagnose", name, "--got", answer], ["check", name, "--got", answer, "--report", "r.html"],
                                ["check", name, "--got", answer, "--profile", "bf16_every_op"],
                                ["check", name, "--got", answer, "--mode", "isolated"]])

    def reply(self):
        name = self.rng.choice(self.sources.ids)
        text = mutate.json_text(self.rng, mutate.without_sums(json.loads(self.sources.answers[name, "json"])))
        ends = self.rng.choice([b"\n", b"", b"\n\n", b"\r\n"])
        return ["check", name, "--timeout", "5", "--exec", f"cat {self.file('reply', text.replace(bytes([10]), b'') + ends)}"]

    def config(self):
        case = self.file("c.json", mutate.json_text(self.rng, self.rng.choice(self.sources.configs), small=True))
        return self.rng.choice([["run", case, "--tokens", "3", "--json"], ["run", case, "--backward"], ["count", case], ["flops", case],
                                ["memory", case], ["capacity", case, "--tokens", "16"], ["golden", "write", case, "--out", "g.json"]])

    def foreign(self):
        model = self.file("config.json", mutate.json_text(self.rng, self.rng.choice(self.sources.foreign)))
        verb = self.rng.choice([["count"], ["count"], ["count", "--strict"], ["flops"], ["flops", "--ep", "4", "--nodes", "2"],
                                ["memory"], ["memory", "--window", "as-configured", "--ctx", "100000"],
                                ["memory", "--tp", "2", "--pp", "2", "--ep", "4", "--dp", "4", "--zero", "1"], ["explain"], ["roofline"],
                                ["compare"], ["iso"], ["sweep", "--experts", "4,8"]])
        return [verb[0], model, *verb[1:], *self.rng.choice([[], ["--json"]])]

    def weights(self):
        file = self.file("w.safetensors", mutate.mutated_safetensors(self.rng, self.sources.weights))
        which = self.rng.choice([["--input", file], ["--weights", file], ["--input", file, "--weights", file]])
        return ["run", "mixtral", *which, *self.rng.choice([[], [], ["--layer", "0"], ["--stats"], ["--backward", "--json"]])]

    def names(self):
        table = self.file("n.json", mutate.json_text(self.rng, TABLE))
        weights = self.rng.choice([self.sources.weights, mutate.mutated_safetensors(self.rng, self.sources.weights)])
        return ["run", "mixtral", "--weights", self.file("w.safetensors", weights), "--names", table,
                *self.rng.choice([[], ["--layer", "0"]])]

    def recording(self, name, width):
        """Lines of tokens, of which some are wrong, or a wrong answer."""
        lines = [[self.rng.choice([0, 1, 2, 3, -1, 1.5, 99]) for _ in range(width * self.rng.choice([1, 1, 1, 2]))] for _ in range(8)]
        text = "\n".join(json.dumps(line) if name.endswith(".jsonl") else ",".join(map(str, line)) for line in lines)
        for _ in range(self.rng.randrange(3)):
            at = self.rng.randrange(len(text) + 1)
            text = text[:at] + self.rng.choice(["[", "]", ",", "\n", "x", "1e999", "-", "{}", "\x1b", "\u00e9", ""]) + text[at + self.rng.randrange(4):]
        return self.file(name, text.encode())

    def routes(self):
        kind = self.rng.choice(["csv", "jsonl", "answer"])
        ids, logits = [self.wrong_answer(self.rng.choice(self.sources.ids)) if kind == "answer" else self.recording(f"{what}.{kind}", width)
                       for what, width in (("ids", 2), ("logits", 8))]
        return ["routes", "check", "mixtral", "--ids", ids, *self.rng.choice([["--logits", logits], ["--input", logits]]),
                *self.rng.choice([[], ["--json"]])]

    def profile(self):
        name = self.rng.choice(self.sources.ids)
        profile = self.file("p.json", mutate.json_text(self.rng, PROFILE))
        return [self.rng.choice(["check", "diagnose"]), name, "--got", self.right_answer(name), "--profile", profile]


def outcome_of(command, folder, sanitized):
    """What is wrong with what the program does, in words, and its exit code."""
    seconds = SECONDS * (10 if sanitized else 1)
    with open(folder / ".out", "wb") as out, open(folder / ".err", "wb") as err:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=ENVIRONMENT,
                                   start_new_session=True)
        timer = threading.Timer(seconds * PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    code, took = process.returncode, usage.ru_utime + usage.ru_stime
    output, errors = (folder / ".out").read_bytes(), (folder / ".err").read_bytes()
    faults = []
    if took >= seconds or code == -signal.SIGKILL:
        faults.append(f"took {took:.0f} s of a processor")
    elif not 0 <= code <= 3:
        faults.append(f"exit code {code}")
    if usage.ru_maxrss * 1024 > BYTES and not sanitized:
        faults.append(f"took {usage.ru_maxrss >> 10} MiB")
    lines = errors.count(b"\n")
    reported = code == 3 and command[1] == "check" and lines == 0 and b"declined: " in output  # the report says why
    if lines > 1 or (code in (2, 3) and lines != 1 and not reported):
        faults.append(f"{lines} lines on stderr with exit code {code}")
    words = LIBRARY.search((output + errors).decode("utf-8", "replace"))
    if words and "--json" not in command:
        faults.append(f"says {words.group()!r}")
    if code == 0 and command[1] in ("count", "flops", "memory") and "--json" in command and (number := below_zero(json.loads(output))):
        faults.append(f"says {number}")
    if CONTROL.search(output + errors):
        faults.append("prints control characters")
    if not is_text(output) or not is_text(errors):
        faults.append("prints what is not UTF-8")
    return faults, code


def below_zero(value):
    """The first whole number of the document that is below 0, if any."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return value
    return next((number for item in items if (number := below_zero(item))), None)


def is_text(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def tried(program, sources, options, i):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        command = [program, *Run(sources, options.seed, i, folder).arguments]
        faults, _ = outcome_of(command, folder, options.sanitized)
        if faults and options.keep:
            (folder / "command").write_text(json.dumps(command))
            shutil.copytree(folder, pathlib.Path(options.keep) / f"{options.seed}-{i}", dirs_exist_ok=True)
        shown = (folder / ".err").read_bytes()[:300].decode("utf-8", "replace")
        return [f"{i}: {fault}: {' '.join(command[1:])}: {shown!r}" for fault in faults]


def count_failed(jobs, tried, items):
    """How many of the items have faults by tried(item), which are printed as they come."""
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for n, faults in enumerate(pool.map(tried, items), 1):
            failed += bool(faults)
            for fault in faults:
                print(fault, flush=True)
            if n % 1000 == 0:
                print(f"{n} of {len(items)}: {failed} failed", file=sys.stderr, flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("golden", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", default="")
    parser.add_argument("--sanitized", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    program = str(options.program.resolve())
    sources = Sources(program, options.golden, pathlib.Path(__file__).resolve().parent.parent / "sizing" / "configs")
    numbers = range(options.first, options.first + options.runs)
    begin = time.monotonic()
    failed = count_failed(options.jobs, lambda i: tried(program, sources, options, i), numbers)
    print(f"{options.runs} runs in {time.monotonic() - begin:.0f} s: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
