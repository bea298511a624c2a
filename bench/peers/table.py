"""The table and the chart of what time_layers.py has measured.

usage: table.py TABLE.csv [CHART.svg]

Prints the table with milliseconds, then what it says in one line; the chart, tokens per second by shape, needs gnuplot.
"""

import collections
import csv
import re
import statistics
import subprocess
import sys

OURS = "moe-oracle"
COLORS = ["#000000", "#e69f00", "#d55e00", "#56b4e9", "#b0dd9b", "#009e73"]


def groups_of(rows):
    """{(shape, dtype, tokens): {program: row}}"""
    groups = {}
    for row in rows:
        groups.setdefault((row["shape"], row["dtype"], int(row["tokens"])), {})[row["program"]] = row
    return groups


def seconds(row):
    return float(row["seconds"]) if row and row.get("seconds") else None


def best_peer(group):
    times = [seconds(row) for name, row in group.items() if name != OURS and seconds(row)]
    return min(times) if times else None


def print_table(rows):
    groups = groups_of(rows)
    names = list(dict.fromkeys(row["program"] for row in rows))
    print(f'{"shape":19} {"dtype":5} {"tokens":>6} ' + " ".join(f"{name:>16}" for name in names) + "  best peer / ours")
    for (shape, dtype, tokens), group in groups.items():
        texts = [f"{1e3 * seconds(group.get(name)):13.4g} ms" if seconds(group.get(name)) else f'{"-":>16}' for name in names]
        peer = best_peer(group)
        ratio = f'{peer / seconds(group[OURS]):18.2f}' if peer else ""
        print(f"{shape:19} {dtype:5} {tokens:6} " + " ".join(texts) + ratio)
    why_not = collections.Counter(f'{row["program"]}: {row["why_not"]}' for row in rows if row.get("why_not"))
    for why, times in why_not.items():
        print(f"not run on {times} row{'s' if times > 1 else ''}: {why}")
    sys.stdout.flush()


def print_summary(rows):
    pairs = []  # best peer / ours, and the floor / best peer
    for group in groups_of(rows).values():
        if peer := best_peer(group):
            pairs.append((peer / seconds(group[OURS]), float(group[OURS]["floor_seconds"]) / peer))
    slow = [ratio for ratio, floor in pairs if floor < 0.6]
    print(f"{len(pairs)} rows with a peer: one is faster on {sum(ratio < 1 for ratio, _ in pairs)}, by more than 3 % on "
          f"{sum(ratio < 1 / 1.03 for ratio, _ in pairs)}; best peer / ours is {statistics.median(r for r, _ in pairs):.2f} "
          f"in the median" + (f", {statistics.median(slow):.2f} where that peer is below 0.6 of the floor" if slow else ""))


def chart(rows, path):
    """Tokens per second: a panel for each dtype and number of tokens, in it a group for each shape, a bar for each program."""
    groups = groups_of(rows)
    names = list(dict.fromkeys(row["program"] for row in rows))
    unique = lambda i: list(dict.fromkeys(key[i] for key in groups))
    shapes, dtypes, tokens = unique(0), unique(1), sorted(unique(2))
    height = 210 * len(tokens) + 60
    script = [f"set terminal svg size {520 * len(dtypes)},{height} noenhanced font 'sans-serif,10' background 'white'",
              f"set multiplot layout {len(tokens)},{len(dtypes)} "
              f"margins 0.07,0.99,{45 / height},{1 - 70 / height} spacing 0.07,{75 / height}",
              "set style data histogram; set style histogram cluster gap 1; set style fill solid noborder; set boxwidth 1; set xrange [-0.7:*]",
              "set grid y; set border 3; set tics nomirror out scale 0.5; set yrange [0:*]; set format y '%.0f'"]
    for T in tokens:
        for dtype in dtypes:
            first, last = (T, dtype) == (tokens[0], dtypes[0]), T == tokens[-1]
            data = f"$d{tokens.index(T)}_{dtypes.index(dtype)}"
            script.append(f"{data} << EOD")
            for shape in shapes:
                group = groups.get((shape, dtype, T), {})
                rates = [T / seconds(group.get(n)) if seconds(group.get(n)) else 0 for n in names]
                label = shape.replace("-", "-\\n", 1)
                script.append(f'"{label}" ' + " ".join(str(rate) for rate in rates))
            key = "set key at screen 0.5,0.99 center top horizontal maxrows 2 samplen 1" if first else "unset key"
            script += ["EOD", key, f"set title '{dtype}, {T:,} token{'s' if T > 1 else ''} a batch' offset 0,-0.8",
                       "set ylabel 'tokens per second' offset 1" if dtype == dtypes[0] else "unset ylabel",
                       "plot " + ", ".join(f'{data} using {i + 2}:xtic(1) title "{name}" linecolor "{COLORS[i % 6]}"'
                                           for i, name in enumerate(names))]
    svg = subprocess.run(["gnuplot"], input="\n".join([*script, "unset multiplot", ""]), text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    with open(path, "w") as out:
        out.write(re.sub(r'<g [^>]*>\n</g>\n|<title>.*?</title>|</?tspan[^>]*>| stroke-line(cap|join)="(butt|miter)"', "", svg))  # says nothing


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))
    print_table(rows)
    print_summary(rows)
    if len(sys.argv) > 2:
        chart(rows, sys.argv[2])


if __name__ == "__main__":
    main()
