# SPDX-License-Identifier: MIT
"""From raw figures to medians, spreads, JSON and Markdown."""
import json
import os
import statistics


def spread(values):
    """Median, lowest and highest of the repetitions."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def pick(repetitions, *path):
    """One figure of all repetitions."""
    values = []
    for figures in repetitions:
        for key in path:
            figures = figures[key]
        values.append(figures)
    return spread(values)


def summarize_call(raw):
    """Ratios are taken within a repetition, then summed up."""
    out = {"off_ns": pick(raw, "off_ns")}
    for name, baseline in (("core", "floor_ns"), ("owned", "floor_ns"), ("timed", "store_ns")):
        out[name] = {key: pick(raw, name, key) for key in (baseline, "call_ns", "ratio")}
    return out


def by_distance(raw):
    """The per-core and the owned ring where the cores shared a cache, and where they did not."""
    out = {}
    for name, near in (("near", True), ("far", False)):
        some = [figures for figures in raw if figures["near"] == near]
        if some:
            out[name] = {"repetitions": len(some),
                         "line_ns": spread([ns for figures in some for ns in figures["line_ns"]]),
                         "core": pick(some, "core", "ratio"), "owned": pick(some, "owned", "ratio")}
    return out


def summarize_pace(raw):
    """Percentiles of percentiles: the median over the repetitions of each."""
    keys = ("mean_p99", "p50", "p99", "p99_9", "p99_99", "max")
    return {work: {key: pick(raw, work, key) for key in keys}
            for work in ("timer", "floor", "core", "owned")}


def summarize(mode, size, facts, raw, skipped):
    """All that is written to latest.json."""
    summary = {}
    if raw["call"]:
        summary["call"] = summarize_call(raw["call"])
        summary["call_by_distance"] = by_distance(raw["call"])
        facts["tsc_ghz"] = raw["call"][0]["tsc_ghz"]
        facts["rseq"] = raw["call"][0]["rseq"]
        facts["floor_page"] = raw["call"][0]["floor_page"]
        facts["ring_page_kib"] = raw["call"][0]["ring_page_kib"]
    if raw["pace"]:
        summary["pace"] = summarize_pace(raw["pace"])
        facts["tsc_step_ns"] = raw["pace"][0]["step_ns"]
    for name in ("disk", "paced_file"):
        if raw[name]:
            summary[name] = {key: pick(raw[name], key) for key in
                             ("records_per_s", "collector_cpu_s_per_m", "bytes_per_record")}
    if raw["feed"]:
        summary["feed"] = {key: pick(raw["feed"], key) for key in
                           ("bytes_per_line", "zstd3_bytes_per_line", "ratio")}
    if raw["steps"]:
        summary["steps"] = {key: pick(raw["steps"], key) for key in raw["steps"][0]
                            if key not in ("bench", "records")}
    return {"mode": mode, "size": size._asdict(), "machine": facts, "summary": summary,
            "skipped": skipped, "repetitions": raw}


# -- Markdown --


def show(value, digits):
    """A median with its spread."""
    low, high = f"{value['min']:.{digits}f}", f"{value['max']:.{digits}f}"
    middle = f"{value['median']:.{digits}f}"
    return middle if low == high else f"{middle} ({low}..{high})"


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


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


def call_lines(summary, step_ns):
    """Both tables about the call."""
    lines = []
    if "call" in summary:
        c = summary["call"]
        lines += ["## A log call, back to back", ""]
        lines += ["`shmlog_info(log, \"order %lu px %.2f qty %u side %c\", id, px, qty, side)`, "
                  "bursts of 8,192, a collector with default options on the other core.", ""]
        lines += table(
            ["", "ns per call", "baseline, ns", "ratio"],
            [["per-core ring", show(c["core"]["call_ns"], 2),
              "floor " + show(c["core"]["floor_ns"], 2), show(c["core"]["ratio"], 3)],
             ["owned ring", show(c["owned"]["call_ns"], 2),
              "floor " + show(c["owned"]["floor_ns"], 2), show(c["owned"]["ratio"], 3)],
             ["caller's timestamp", show(c["timed"]["call_ns"], 2),
              "stores alone " + show(c["timed"]["store_ns"], 2), show(c["timed"]["ratio"], 2)],
             ["level off", show(c["off_ns"], 2), "", ""]])
        rows = [[("the same" if name == "near" else "not the same"),
                 str(some["repetitions"]), show(some["line_ns"], 0), show(some["core"], 3),
                 show(some["owned"], 3)] for name, some in summary["call_by_distance"].items()]
        lines += ["The records travel from the producer's core to the collector's. What the two "
                  "shared, by the time that a cache line takes one way:", ""]
        lines += table(["last-level cache", "repetitions", "line, ns", "per-core ring, x floor",
                        "owned ring, x floor"], rows)
    if "pace" in summary:
        lines += ["## Single calls, 2 us apart", "",
                  f"ns over the timer's median. The TSC advances in steps of {step_ns:.0f} ns."
                  if step_ns >= 2 else "ns over the timer's median.", ""]
        rows = []
        for work, name in (("floor", "floor"), ("core", "per-core ring"), ("owned", "owned ring")):
            p = summary["pace"][work]
            rows.append([name, show(p["mean_p99"], 1)] +
                        [show(p[key], 0) for key in ("p50", "p99", "p99_9", "p99_99")])
        lines += table(["", "mean of lower 99 %", "p50", "p99", "p99.9", "p99.99"], rows)
    return lines


def file_lines(summary, size):
    """Tables about the collector and its files."""
    lines = []
    if "disk" in summary:
        d = summary["disk"]
        lines += ["## To disk", "",
                  f"One producer flat out, wait policy, {size['records']:,} records, none lost; "
                  "from the first record to the collector's sealed files. One collector thread.",
                  ""]
        lines += table(["M records/s", "collector CPU, s per M records"],
                       [[show(scaled(d["records_per_s"], 1e-6), 2),
                         show(d["collector_cpu_s_per_m"], 4)]])
    rows = []
    if "disk" in summary:
        rows.append(["orders, back to back", show(summary["disk"]["bytes_per_record"], 2), "", ""])
    if "paced_file" in summary:
        rows.append(["orders, one every 2 us", show(summary["paced_file"]["bytes_per_record"], 2),
                     "", ""])
    if "feed" in summary:
        f = summary["feed"]
        rows.append(["feed lines through shmlog-cat", show(f["bytes_per_line"], 1),
                     show(f["zstd3_bytes_per_line"], 1), show(f["ratio"], 3)])
    if rows:
        lines += ["## Bytes per record in the file", ""]
        lines += table(["", "bytes", "plain text through zstd -3", "ratio"], rows)
    return lines


def step_lines(summary):
    """Instruction counts."""
    if "steps" not in summary:
        return []
    s = summary["steps"]
    rows = [["floor", show(s["floor"], 1), ""],
            ["log call, owned ring", show(s["call"], 1), ""],
            ["the same, caller's timestamp", show(s["timed"], 1), ""],
            ["encode", show(s["encode"], 1), show(s["encode_zstd"], 1)],
            ["decode", show(s["decode"], 1), show(s["decode_zstd"], 1)]]
    return ["## Instructions per record (callgrind)", ""] + table(
        ["", "all", "of these in zstd"], rows)


def markdown(result):
    """The text of latest.md."""
    summary, machine = result["summary"], result["machine"]
    lines = ["# Figures", "",
             "Made by `bench/run`; what each means is in [bench/README.md](../README.md). Median "
             "over the repetitions, lowest and highest in brackets.", ""]
    lines += machine_lines(machine, result["mode"], result["size"]["repetitions"])
    lines += call_lines(summary, machine.get("tsc_step_ns", 0))
    lines += file_lines(summary, result["size"])
    lines += step_lines(summary)
    for name, why in result["skipped"].items():
        lines.append(f"Not measured: {name} ({why}).")
    return "\n".join(lines).rstrip() + "\n"


def write(directory, result, text):
    """latest.md and latest.json, each whole or not at all."""
    os.makedirs(directory, exist_ok=True)
    for name, content in (("latest.json", json.dumps(result, indent=1) + "\n"),
                          ("latest.md", text)):
        path = os.path.join(directory, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(path + ".new", path)
