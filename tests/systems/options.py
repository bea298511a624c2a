"""Every option with values that it may not have:
options.py PROGRAM GOLDEN [--runs N] [--seed S] [--jobs J] [--only WORDS] [--sanitized]

The verbs, their options and their words are read from --help, so that a new one is tried, too. Each is given VALUES and paths to
what is no file, in command lines that are right without it. Whatever it is given: no signal, 10 s of a processor at most, 1 GB at most,
exit code 0 to 3, one line on stderr at most and no control character, as in fuzz/whole_program.py; and where the exit code is 2
or 3, no file is made or changed, and none that is made is empty or has a temporary name. --runs tries so many of them, drawn by
the seed, in place of all; --only those whose command line has these words. --sanitized: PROGRAM is the build of the preset asan.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fuzz"))
import whole_program  # noqa: E402

VALUES = ["", " ", "word", "-", "-1", "0", "1", "+1", " 1", "1 ", "1x", "1,", ",1", "1:2", "0x10", "0x", "1e400", "-1e400",
          "1e-400", "nan", "inf", "-inf", "9223372036854775808", "18446744073709551616", "1" * 400, "a" * 10_000, "\udcff\udcfe",
          "\x1b[31mred", "a\nb", "\u202e", "1e18", "1T", "NaN", "null", "{}", "[]", "[[[[[["]
ENDINGS = ["", ".json", ".safetensors", ".npz", ".html", ".svg", ".png"]
PLACES = [place + ending for place in ("missing/file", "folder", "fifo") for ending in ENDINGS]
PLACES += ["loop.json", "/dev/full", "/dev/zero"]
# Command lines of little work. A verb that has none here is tried in those of its own help.
LINES = {"run": ["mixtral --tokens 2 --backward", "mixtral --tokens 2 --weights w.safetensors", "--case presets/dense"],
         "golden write": ["dense --tokens 2 --out g.json", "ties/boundary --out g.json"], "golden verify": ["ties/boundary"],
         "check": ["presets/dense --got a.json", "presets/dense --backend reference", "presets/dense --exec true"],
         "diagnose": ["presets/dense --got a.json"],
         "bench": ["switch --tokens 1 --repeat 1"], "flops": ["deepseek-v3", "deepseek-v3 --ep 8 --nodes 4"],
         "memory": ["mixtral-8x7b", "deepseek-v3 --tp 2 --pp 2 --ep 4 --dp 4"], "compare": ["mixtral-8x7b", "mixtral-8x7b --run"],
         "roofline": ["mixtral-8x7b", "gpt-oss-120b --expert-dtype mxfp4 --peak 989T --bandwidth 3.35T"],
         "explain": ["mixtral-8x7b --budget 1e11", "--total 1T --active 8B"], "iso": ["deepseek-v3 --match flops --experts 64 --top-k 2"]}
LONG = {"bench --machine"}  # what works for longer, whatever it is given
LINE = re.compile(r"^  (?:-\w,)?(--[a-z-]+|[A-Z]+ TEXT)((?: \S+)*)(?:  |$)", re.M)


def printed(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout


def verbs_of(program):
    """Every verb, and every verb of a verb, with its help."""
    found = {}
    for verb in re.findall(r"^  ([a-z]+)  ", printed(program, "--help"), re.M):
        text = printed(program, verb, "--help")
        inner = re.findall(r"^  ([a-z]+)  ", text, re.M)
        found.update({f"{verb} {name}": printed(program, verb, name, "--help") for name in inner} or {verb: text})
    return found


def lines_of(verb, text):
    """Command lines that are right, without the program and the verb."""
    if verb in LINES:
        return [shlex.split(line) for line in LINES[verb]]
    examples = [part.strip() for line in re.findall(r"^Example: (.*)", text, re.M) for part in line.split(";")]
    lines = [line.split(" > ")[0] for line in examples if line.startswith("moe-oracle " + verb)]
    return [shlex.split(line)[1 + len(verb.split()):] for line in lines] or [[]]


def fields_of(program):
    """The dotted names of the fields of a config."""
    found = []
    for section, fields in json.loads(printed(program, "presets", "mixtral")).items():
        found += [f"{section}.{name}" for name in fields] if isinstance(fields, dict) else [section]
    return found


def without(line, option):
    """The command line without this option and its value."""
    return line[:line.index(option)] + line[line.index(option) + 2:] if option in line else line


def words_of(name, kind, fields):
    """This option, or this word without a name, with each value: lists of arguments. A value beside it may be taken for an option."""
    if not name.startswith("--"):
        return [[value] for value in VALUES + PLACES]
    words = [[name], *([f"{name}={value}"] for value in VALUES + PLACES)]
    if kind and "Excludes" not in kind:
        words += [[name, value] for value in VALUES if value == "" or value[0] in " -"]
    if "x 2" in kind:
        words += [[name, *pair] for value in VALUES + PLACES for pair in ((value, "mixtral"), ("mixtral", value))]
    if "KEY=VALUE" in kind:
        words += [[name, f"{field}={value}"] for field in fields for value in VALUES]
    return words


def command_lines(program):
    """All that is tried: lists of arguments."""
    fields, all_lines = fields_of(program), []
    for verb, text in verbs_of(program).items():
        for line in lines_of(verb, text):
            for name, kind in LINE.findall(text):
                if name == "--help" or f"{verb} {name}" in LONG:
                    continue
                has_value = kind and "Excludes" not in kind
                rest = without(line, name) if has_value else [word for word in line if word != name]
                words = words_of(name, kind, fields)
                all_lines += [[*verb.split(), *rest, *more] for more in words]
                if not name.startswith("--"):  # in the place of the right one, too
                    all_lines += [[*verb.split(), *more, *line[1:]] for more in words]
    return all_lines


def furnish(folder, answer):
    """What the command lines name, and what is no file."""
    (folder / "a.json").write_bytes(answer["json"])
    (folder / "w.safetensors").write_bytes(answer["weights"])
    for ending in ENDINGS:
        (folder / f"folder{ending}").mkdir()
        os.mkfifo(folder / f"fifo{ending}")
    (folder / "loop.json").symlink_to("loop.json")


def files_in(folder):
    """The files that a run made or may have changed, by name; not what it printed."""
    return {str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"-")
            for path in sorted(folder.rglob("*")) if path.name not in (".out", ".err")}


def left_behind(before, after, code):
    changed = [name for name in after if before.get(name) != after[name]]
    faults = [f"removed {name}" for name in before if name not in after]
    for name in changed:
        if code >= 2:
            faults.append(f"exit code {code}, and made {name!a}")
        if after[name] == b"" or ".tmp" in name or name.startswith("."):
            faults.append(f"left {name!a}")
    return faults


def tried(program, arguments, answer, sanitized):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        furnish(folder, answer)
        before = files_in(folder)
        faults, code = whole_program.outcome_of([program, *arguments], folder, sanitized)
        if any(word.startswith("--exec") for word in arguments):  # the command and its shell write there, too
            faults = [fault for fault in faults if " lines on stderr" not in fault]
        if arguments[0] == "check" and code == 3:  # its report says why every case was skipped
            faults = [fault for fault in faults if not fault.startswith("0 lines on stderr")]
        faults += left_behind(before, files_in(folder), code)
        shown = (folder / ".err").read_bytes()[:300].decode("utf-8", "replace")
        line = " ".join(word if len(word) < 100 else word[:50] + "..." for word in arguments)
        return [f"{fault}: {line!a}: {shown!a}" for fault in faults]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("golden", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    parser.add_argument("--sanitized", action="store_true")
    options = parser.parse_args()
    program = str(options.program.resolve())
    whole_program.ENVIRONMENT["MOE_GOLDEN_DIR"] = os.environ["MOE_GOLDEN_DIR"] = str(options.golden.resolve())
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.json"
        subprocess.run([program, "run", "--case", "presets/dense", "--out", path], check=True, capture_output=True)
        answer = {"json": path.read_bytes(), "weights": whole_program.weights_of(options.golden / "presets" / "mixtral.json")}
    lines = [line for line in command_lines(program) if options.only in " ".join(line)]
    if options.runs:
        lines = random.Random(options.seed).sample(lines, min(options.runs, len(lines)))
    failed = whole_program.count_failed(options.jobs, lambda line: tried(program, line, answer, options.sanitized), lines)
    print(f"{len(lines)} command lines: {failed} failed")
    return 1 if failed or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
