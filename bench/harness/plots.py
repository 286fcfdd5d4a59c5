# SPDX-License-Identifier: MIT
"""Pictures of latest.json, by matplotlib: run as a program, since that may be another python's.

    plots.py latest.json DIRECTORY
"""
import json
import os
import sys

PERCENTILES = (("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("p99_99", 99.99))
MIN_NS = 5  # what the axis of the latencies begins with
INK, GRID = "#222222", "#dddddd"
OURS = {"floor": ("floor F", "#888888", ":"), "core": ("shmlog, per-core ring", "#c0392b", "-"),
        "shared": ("shmlog, shared ring", "#e08e0b", "-")}
THEIRS = ("#2c5f8a", "#5b9bd5", "#3d8b5f", "#7d5ba6", "#a0785a", "#444444")


def median(tree, *path):
    """The median at a place of the summary, None if it is not there."""
    for key in (*path, "median"):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def peers_of(summary):
    """(name, figures, colour) of each peer."""
    return [(name, works, THEIRS[i % len(THEIRS)])
            for i, (name, works) in enumerate(summary.get("peers", {}).items())]


def finish(figure, axes, title, path):
    """The same looks for all."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def latency(plt, summary, path):
    """Percentiles of single calls, both axes logarithmic: each step right is ten times rarer."""
    if "pace" not in summary:
        return
    figure, axes = plt.subplots(figsize=(8, 4.6))
    lines = [(*OURS[work], summary["pace"][work]) for work in OURS]
    lines += [(name, colour, "--", works.get("pace", {}))
              for name, works, colour in peers_of(summary)]
    for name, colour, style, figures in lines:
        points = [(1 / (1 - at / 100), figures[key]) for key, at in PERCENTILES if key in figures]
        if not points:
            continue
        axes.plot([x for x, _ in points], [max(MIN_NS, y["median"]) for _, y in points], style,
                  color=colour, marker="o", markersize=3.5, label=name)
        axes.fill_between([x for x, _ in points], [max(MIN_NS, y["min"]) for _, y in points],
                          [max(MIN_NS, y["max"]) for _, y in points], color=colour, alpha=0.10,
                          linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1 / (1 - at / 100) for _, at in PERCENTILES])
    axes.set_xticklabels([f"{at:g} %" for _, at in PERCENTILES])
    axes.minorticks_off()
    axes.set_xlabel("percentile of calls, one every 2 us")
    axes.set_ylabel("ns over the timer")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(figure, axes, "What a log call costs (median of the repetitions, band: their spread)",
           path)


def throughput(plt, summary, path):
    """Records to disk over the number of producers; the peers have one."""
    counts = sorted(int(key) for key in summary.get("disk", {}) if key.isdigit())
    if not counts:
        return
    figure, axes = plt.subplots(figsize=(8, 4.2))
    spreads = [summary["disk"][str(n)]["records_per_s"] for n in counts]
    bars = [(f"shmlog, {n} producer{'s' if n > 1 else ''}", s, OURS["core"][1])
            for n, s in zip(counts, spreads)]
    bars += [(f"{name}, 1 producer", works["disk"]["records_per_s"], colour)
             for name, works, colour in peers_of(summary) if "disk" in works]
    for at, (name, value, colour) in enumerate(bars):
        middle = value["median"] / 1e6
        axes.barh(at, middle, color=colour, height=0.62,
                  xerr=[[middle - value["min"] / 1e6], [value["max"] / 1e6 - middle]],
                  error_kw={"ecolor": INK, "elinewidth": 0.8, "capsize": 2})
        axes.text(value["max"] / 1e6, at, f"  {middle:.1f}", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(bars)))
    axes.set_yticklabels([name for name, _, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("million records a second, lossless, to the end of the files")
    finish(figure, axes, "To disk, one backend core (line: spread)", path)


def sizes(plt, summary, path):
    """Bytes for each record: ours as they are, the peers' as they are and through zstd -3."""
    bars = []
    for work, what in (("disk", "back to back"), ("paced", "every 2 us"), ("mixed", "mixed")):
        ours = (median(summary, "disk", "1", "bytes_per_record") if work == "disk"
                else median(summary, work, "bytes_per_record"))
        if ours is not None:
            bars.append((f"{what}: shmlog", ours, OURS["core"][1]))
        for name, works, colour in peers_of(summary):
            for key, suffix in (("zstd3_bytes_per_record", " + zstd -3"), ("bytes_per_record", "")):
                value = median(works, work, key)
                if value is not None:
                    bars.append((f"{what}: {name}{suffix}", value, colour))
    if not bars:
        return
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.27 * len(bars)))
    for at, (name, value, colour) in enumerate(bars):
        axes.barh(at, value, color=colour, height=0.62)
        axes.text(value, at, f"  {value:.2f}", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(bars)))
    axes.set_yticklabels([name for name, _, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("bytes per record on disk")
    finish(figure, axes, "How large", path)


def scale(plt, summary, path):
    """The call over the threads that are attached."""
    points = [(int(key.split("/")[0]), figures["ratio"], key)
              for key, figures in summary.get("scale", {}).items() if "/" in key]
    if not points:
        return
    figure, axes = plt.subplots(figsize=(8, 3.8))
    middles = [value["median"] for _, value, _ in points]
    axes.errorbar(range(len(points)), middles,
                  yerr=[[m - v["min"] for m, (_, v, _) in zip(middles, points)],
                        [v["max"] - m for m, (_, v, _) in zip(middles, points)]],
                  color=OURS["core"][1], marker="o", markersize=4, capsize=2)
    axes.axhline(1, color=OURS["floor"][1], linestyle=":")
    axes.set_xticks(range(len(points)))
    axes.set_xticklabels([key for _, _, key in points])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threads/processes attached, 128 rings; each in its turn")
    axes.set_ylabel("call, by the floor")
    finish(figure, axes, "A log call while many are attached (line: spread)", path)


PLOTS = {"latency.svg": latency, "throughput.svg": throughput, "bytes.svg": sizes,
         "scale.svg": scale}


def main():
    import matplotlib  # pylint: disable=import-outside-toplevel
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "shmlog",
                                "font.family": "sans-serif", "axes.edgecolor": INK})
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel

    with open(sys.argv[1], encoding="utf-8") as file:
        summary = json.load(file)["summary"]
    for name, plot in PLOTS.items():
        plot(pyplot, summary, os.path.join(sys.argv[2], name))


if __name__ == "__main__":
    main()
