# SPDX-License-Identifier: MIT
"""Markdown of the summary, and the files of the results."""
import json
import os
import subprocess
import sys

from . import goals
from .summary import figure

PICTURES = (("latency.svg", "Latency percentiles"), ("throughput.svg", "Throughput"),
            ("bytes.svg", "Bytes per record"), ("scale.svg", "Scale"))


def show(value, digits):
    """A median with its spread; nothing for nothing."""
    if value is None:
        return ""
    low, high = f"{value['min']:.{digits}f}", f"{value['max']:.{digits}f}"
    middle = f"{value['median']:.{digits}f}"
    return middle if low == high else f"{middle} ({low}..{high})"


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def spaced(lines):
    """A paragraph, if there is one."""
    return [*lines, ""] if lines else []


def scaled(value, factor):
    """A spread in another unit."""
    return {key: number * factor for key, number in value.items()}


def page(kib):
    """A page size in words."""
    return f"{kib // 1024} MiB" if kib >= 1024 else f"{kib} KiB"


def machine_lines(m, mode, repetitions):
    """Where and on what, in words."""
    virtual = ", a virtual machine" if m["virtual"] else ""
    lines = [
        f"- {m['cpu']}{virtual}, {m['cores']} cores; producer on core {m['producer_core']}, "
        f"collector on core {m['collector_core']}, isolated: {m['isolated_cores']}",
        f"- {m['kernel']}, clock source {m['clock_source']}, frequency governor: "
        f"{m['frequency_governor']}",
        f"- {m['compiler']}, release build, log calls at -O2 without -march; commit {m['commit']}",
    ]
    if "ring_page_kib" in m:
        lines.append(f"- TSC {m['tsc_ghz']:.3f} GHz; floor on {m['floor_page']} pages, rings on "
                     f"{page(m['ring_page_kib'])} pages; rseq {'on' if m['rseq'] else 'OFF'}")
    lines.append(f"- log files on {m['filesystem']}; {mode} run, {repetitions} repetitions, "
                 f"{m['time']}; load before it {m['load_before']:.2f}, other programs meanwhile "
                 f"{m.get('others_percent', 0)} % of the machine, stolen by the hypervisor "
                 f"{m.get('stolen_percent', 0)} %")
    return lines + [""]


def call_lines(summary):
    """Calls back to back, and how the distance of the cores moves them."""
    if "call" not in summary:
        return []
    c = summary["call"]
    lines = ["## A log call, back to back", "",
             "`shmlog_info(log, \"order %lu px %.2f qty %u side %c\", id, px, qty, side)`, "
             "bursts of 8,192, a collector with default options on the other core.", ""]
    rows = [["per-core ring", show(c["core"]["call_ns"], 2),
             "floor " + show(c["core"]["floor_ns"], 2), show(c["core"]["ratio"], 3)],
            ["shared ring", show(c["shared"]["call_ns"], 2),
             "floor " + show(c["shared"]["floor_ns"], 2), show(c["shared"]["ratio"], 3)],
            ["caller's timestamp", show(c["timed"]["call_ns"], 2),
             "stores alone " + show(c["timed"]["store_ns"], 2), show(c["timed"]["ratio"], 2)],
            ["level off", show(c["off_ns"], 2), "", ""]]
    rows += [[name, show(works["burst"]["call_ns"], 1),
              "floor " + show(works["burst"].get("floor_ns"), 2),
              show(works["burst"].get("ratio"), 1)]
             for name, works in peers_with(summary, "burst")]
    lines += table(["", "ns per call", "baseline, ns", "ratio"], rows)
    lines += spaced(lost_lines(summary, "burst"))
    rows = [[("the same" if name == "near" else "not the same"),
             str(some["repetitions"]), show(some["line_ns"], 0), show(some["core"], 3),
             show(some["shared"], 3)] for name, some in summary["call_by_distance"].items()]
    lines += ["The records travel from the producer's core to the collector's. What the two "
              "shared, by the time that a cache line takes one way:", ""]
    return lines + table(["last-level cache", "repetitions", "line, ns", "per-core ring, x floor",
                          "shared ring, x floor"], rows)


def pace_lines(summary, step_ns):
    """The tail."""
    if "pace" not in summary:
        return []
    lines = ["## Single calls, 2 us apart", "",
             f"ns over the timer's median. The TSC advances in steps of {step_ns:.0f} ns."
             if step_ns >= 2 else "ns over the timer's median.", ""]
    rows = [(name, summary["pace"][work]) for work, name in
            (("floor", "floor"), ("core", "per-core ring"), ("shared", "shared ring"))]
    rows += [(name, works["pace"]) for name, works in peers_with(summary, "pace")]
    lines += table(
        ["", "mean of lower 99 %", "p50", "p99", "p99.9", "p99.99"],
        [[name, show(p.get("mean_p99"), 1)] +
         [show(p[key], 0) for key in ("p50", "p99", "p99_9", "p99_99")] for name, p in rows])
    return lines + spaced(lost_lines(summary, "pace"))


def disk_lines(summary, size):
    """Throughput, and what it takes."""
    if "disk" not in summary:
        return []
    lines = ["## To disk", "",
             f"Orders flat out, nothing lost, from the first record to the end of the files; "
             f"{size['records']:,} records of ours with one collector thread, "
             f"{size['peer_records']:,} of the peers'. Several producers share the cores that the "
             "collector does not have.", ""]
    rows = []
    for count in sorted(int(key) for key in summary["disk"] if key.isdigit()):
        d = summary["disk"][str(count)]
        cores = int(d["cores"]["median"])
        rows.append([f"shmlog, {count} producer{'s' if count > 1 else ''} on {cores} "
                     f"core{'s' if cores > 1 else ''}",
                     show(scaled(d["records_per_s"], 1e-6), 2),
                     show(d["collector_cpu_s_per_m"], 4)])
    rows += [[name, show(scaled(works["disk"]["records_per_s"], 1e-6), 2),
              show(works["disk"].get("backend_cpu_s_per_m"), 4)]
             for name, works in peers_with(summary, "disk")]
    lines += table(["", "M records/s", "backend CPU, s per M records"], rows)
    if "drop" in summary:
        lines += [f"Under the drop policy, as fast: {show(summary['drop']['dropped_percent'], 1)} "
                  "% of the records were dropped, and the ledger counts each.", ""]
    return lines


def size_lines(summary):
    """Bytes."""
    rows = []
    for work, what in (("disk", "orders, back to back"), ("paced", "orders, one every 2 us"),
                       ("mixed", "mixed stream, back to back")):
        ours = figure(summary, *((work, "1") if work == "disk" else (work,)), "bytes_per_record")
        if ours:
            rows.append([what, "shmlog", show(ours, 2), ""])
        rows += [[what, name, show(works[work]["bytes_per_record"], 2),
                  show(works[work].get("zstd3_bytes_per_record"), 2)]
                 for name, works in peers_with(summary, work)]
    lines = []
    if rows:
        lines += ["## Bytes per record in the files", ""]
        lines += table(["", "", "bytes", "then zstd -3"], rows)
    if "feed" in summary:
        f = summary["feed"]
        lines += [f"Lines of the feed through shmlog-cat: {show(f['bytes_per_line'], 1)} bytes a "
                  f"line; the plain text through `zstd -3`, one stream without block access: "
                  f"{show(f['zstd3_bytes_per_line'], 1)}; ratio {show(f['ratio'], 3)}.", ""]
    return lines


def read_lines(summary):
    """Reading."""
    if "read" not in summary:
        return []
    r = summary["read"]
    return ["## Reading, by one core", ""] + table(
        ["to records, M/s", "by the tools' cursor, M/s", "to text, M lines/s", "to JSON", "to CSV",
         "merging 64 rings by one after the other"],
        [[show(r["decode_mrec_s"], 1), show(r["cursor_mrec_s"], 1), show(r["text_mlines_s"], 2),
          show(r["json_mlines_s"], 2), show(r["csv_mlines_s"], 2), show(r["merge_ratio"], 2)]])


def scale_lines(summary):
    """Many threads, and an idle collector."""
    lines = []
    points = [(key, value) for key, value in summary.get("scale", {}).items() if "/" in key]
    if points:
        lines += ["## Scale", "",
                  "A log call, per-core ring, with 128 rings in the segment; all threads on one "
                  "core, each in its turn with a burst of 4,096.", ""]
        lines += table(["threads/processes attached", "ns per call", "by the floor",
                        "memory beside the rings, MiB"],
                       [[key, show(value["call_ns"], 2), show(value["ratio"], 3),
                         show(scaled(value["beside_rings_kib"], 1 / 1024), 1)]
                        for key, value in points])
    if "idle" in summary:
        rows = []
        for key, name in (("sleep", "sleeping (default)"), ("sleep_many", "sleeping (default)"),
                          ("spin", "spinning"), ("spin_many", "spinning")):
            i = summary["idle"][key]
            rows.append([name, show(i["rings"], 0), show(i["cpu_percent"], 2),
                         show(i["round_ns"], 0)])
        lines += ["## An idle collector", ""]
        lines += table(["strategy", "rings", "% of a core", "ns a round"], rows)
        lines += [f"So a further idle ring costs a round "
                  f"{show(summary['idle']['sleep_ring_ns'], 1)} ns when sleeping between rounds, "
                  f"{show(summary['idle']['spin_ring_ns'], 1)} ns when spinning.", ""]
    return lines


def step_lines(summary):
    """Instruction counts."""
    if "steps" not in summary:
        return []
    s = summary["steps"]
    rows = [["floor", show(s["floor"], 1), ""],
            ["log call, per-core ring", show(s["core"], 1), ""],
            ["the same, caller's timestamp", show(s["timed_core"], 1), ""],
            ["log call, shared ring", show(s["call"], 1), ""],
            ["the same, caller's timestamp", show(s["timed"], 1), ""],
            ["log call, SHMLOG_OPEN_LATER, per-core ring", show(s["later"], 1), ""],
            ["level off", show(s["off"], 1), ""],
            ["encode", show(s["encode"], 1), show(s["encode_zstd"], 1)],
            ["decode", show(s["decode"], 1), show(s["decode_zstd"], 1)],
            ["encode, mixed stream", show(s["encode-mixed"], 1), show(s["encode-mixed_zstd"], 1)],
            ["decode, mixed stream", show(s["decode-mixed"], 1), show(s["decode-mixed_zstd"], 1)]]
    return ["## Instructions per record (callgrind)", ""] + table(
        ["", "all", "of these in zstd"], rows)


def peers_with(summary, work):
    """(name, figures) of the peers that did this work."""
    return [(name, works) for name, works in summary.get("peers", {}).items() if work in works]


def lost_lines(summary, work):
    """Which peers lost messages while they were measured: losing is cheaper than logging."""
    return [f"{name} lost {show(works[work]['lost'], 0)} messages meanwhile."
            for name, works in peers_with(summary, work)
            if works[work].get("lost", {"max": 0})["max"] > 0]


def goal_lines(summary):
    """What was to be reached."""
    return ["## Goals", "", "By the medians above; F is the floor.", ""] + table(
        ["", "goal", "measured", ""], goals.rows(summary))


def picture_lines(pictures):
    """The plots, or why there are none."""
    if isinstance(pictures, str):
        return ["", f"No plots: {pictures}."]
    return [""] + [f"![{name}]({path})" for path, name in PICTURES if path in pictures]


def markdown(result):
    """The text of latest.md."""
    summary, machine = result["summary"], result["machine"]
    lines = ["# Figures", "",
             "Made by `bench/run`; what each means is in [bench/README.md](../README.md). Median "
             "over the repetitions, lowest and highest in brackets.", ""]
    lines += machine_lines(machine, result["mode"], result["done"])
    lines += call_lines(summary)
    lines += pace_lines(summary, machine.get("tsc_step_ns", 0))
    lines += disk_lines(summary, result["size"])
    lines += size_lines(summary)
    lines += read_lines(summary)
    lines += scale_lines(summary)
    lines += step_lines(summary)
    lines += goal_lines(summary)
    if result["skipped"]:
        lines += ["Not measured:", ""]
        lines += [f"- {name} ({why})" for name, why in result["skipped"].items()]
    return "\n".join(lines).rstrip() + "\n"


def write_file(path, content):
    """Whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(path + ".new", path)


def draw(directory, path):
    """The plots beside the figures: names of the files, or why there are none. matplotlib may belong
    to the system's python alone."""
    why = "matplotlib is not installed; see 'bench/run --setup'"
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        try:
            done = subprocess.run([python, os.path.join(os.path.dirname(__file__), "plots.py"),
                                   path, directory], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return [name for name, _ in PICTURES if os.path.exists(os.path.join(directory, name))]
        if "No module named 'matplotlib'" not in done.stderr:
            why = "they failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return why


def write(directory, result):
    """latest.json, the plots and latest.md."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "latest.json")
    write_file(path, json.dumps(result, indent=1) + "\n")
    pictures = draw(directory, path)
    text = markdown(result).rstrip("\n") + "\n" + "\n".join(picture_lines(pictures)) + "\n"
    write_file(os.path.join(directory, "latest.md"), text)
    return pictures
