# SPDX-License-Identifier: MIT
"""What bench/run prints and draws."""

import shutil
import statistics
import subprocess


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def span(value, digits=2):
    return (f"{value['median']:.{digits}f} "
            f"({value['min']:.{digits}f}-{value['max']:.{digits}f})")


HEAD = ("| scenario | against | theirs µs | Crewman µs | ratio | budget | theirs /s | Crewman /s |\n"
        "|---|---|---|---|---|---|---|---|")


def print_row(name, row):
    """A row that compares two servers, in CPU time per message or what `key` names."""
    key = row["key"]
    verdict = "" if row["ratio"]["median"] <= row["budget"] else " **missed**"
    print(f"| {name} | {row['against']} | {span(row['theirs'][key])} | "
          f"{span(row['crewman'][key])} | {span(row['ratio'])} | "
          f"≤ {row['budget']:.2f}{verdict} | {row['theirs']['per_second']['median']:.0f} | "
          f"{row['crewman']['per_second']['median']:.0f} |", flush=True)
    for peer, turns in row["peers"].items():
        print(f"| {name} | {peer} | {span(turns[key])} | | {span(turns['ratio'])} | | "
              f"{turns['per_second']['median']:.0f} | |", flush=True)


def print_fact(name, row):
    """A row that is one figure and its bound."""
    verdict = "" if row["value"] <= row["budget"] else " **missed**"
    print(f"| {name} | {row['against']} | | {row['value']:.4g} {row['unit']} | | "
          f"≤ {row['budget']:.4g}{verdict} | | |", flush=True)
    for peer, value in row.get("peers", {}).items():
        print(f"| {name} | {peer} | {value:.4g} {row['unit']} | | | | | |", flush=True)


def draw(results, path):
    """Bars of the ratios beside their budgets, by gnuplot."""
    if not shutil.which("gnuplot"):
        print(f"bench: gnuplot is not installed; no {path}")
        return
    rows = [(name, row) for name, row in results["scenarios"].items() if "ratio" in row]
    data = "\n".join(f'"{name}" {row["ratio"]["median"]:.3f} {row["ratio"]["min"]:.3f} '
                     f'{row["ratio"]["max"]:.3f} {row["budget"]:.3f}' for name, row in rows)
    script = f"""set terminal svg size 900,{120 + 34 * len(rows)} font "sans-serif,12" background rgb "white"
set output "{path}"
set title "CPU time per message: Crewman against the other, and the budget"
set yrange [{len(rows) - 0.4}:-0.6]
set xrange [0:*]
set grid xtics
set key outside bottom horizontal
set style fill solid 0.7
set xlabel "ratio"
$data << EOD
{data}
EOD
plot $data using (0.5*$2):0:(0.5*$2):(0.32):ytic(1) with boxxyerror lc rgb "#4477aa" title "Crewman", \\
     $data using 2:0:3:4 with xerrorbars lc rgb "#222222" pt 0 title "spread of the rounds", \\
     $data using 5:0 with points pt 7 ps 0.8 lc rgb "#cc3311" title "budget"
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
