# SPDX-License-Identifier: MIT
"""The machine, and what else it did: a figure without them says nothing."""
import json
import os
import platform
import subprocess
import time

from .processes import Failure


def read(path, default=""):
    """A small file's text, stripped."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return default


def output(arguments, default=""):
    """What a command prints, stripped; `default` if it fails."""
    try:
        return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return default


def cores():
    """Those that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def two_cores():
    """(producer's, collector's): the first and the last."""
    mine = cores()
    if len(mine) < 2:
        raise Failure("two cores are needed, one for the producer and one for the collector")
    return mine[0], mine[-1]


def cpu_info():
    """Model, and whether a hypervisor is under it."""
    info = dict(line.split(":", 1) for line in read("/proc/cpuinfo").split("\n\n")[0].splitlines()
                if ":" in line)
    info = {key.strip(): value.strip() for key, value in info.items()}
    return info.get("model name", platform.machine()), "hypervisor" in info.get("flags", "").split()


def filesystem(path):
    """Type of the filesystem of a directory."""
    return output(["df", "--output=fstype", path], "unknown").splitlines()[-1]


def compiler(build):
    """The C compiler that the build used, by its own words."""
    commands = json.loads(read(os.path.join(build, "compile_commands.json"), "[]"))
    for command in commands:
        if command["file"].endswith(".c"):
            words = [word for word in command["command"].split()[:2] if "ccache" not in word]
            return output([words[0], "--version"], "unknown").splitlines()[0]
    return "unknown"


def commit(source):
    """Short hash, marked when the tree has changes that are not results of the bench."""
    text = output(["git", "-C", source, "rev-parse", "--short=12", "HEAD"], "unknown")
    changes = output(["git", "-C", source, "status", "--porcelain", "--", ".",
                      ":!bench/results"])
    return text + (" with changes" if changes else "")


def facts(source, build, work, pair):
    """What the figures were measured on."""
    model, virtual = cpu_info()
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": model,
        "cores": os.cpu_count(),
        "virtual": virtual,
        "producer_core": pair[0],
        "collector_core": pair[1],
        "kernel": f"{platform.system()} {platform.release()}",
        "clock_source": read("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                             "unknown"),
        "frequency_governor": read(f"/sys/devices/system/cpu/cpu{pair[0]}/cpufreq/"
                                   "scaling_governor", "none visible"),
        "isolated_cores": read("/sys/devices/system/cpu/isolated") or "none",
        "huge_pages_2m_free": int(read("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
                                       "0")),
        "filesystem": filesystem(work),
        "compiler": compiler(build),
        "commit": commit(source),
        "load_before": os.getloadavg()[0],
    }


def cpu_times():
    """So far: (seconds of this process and its children that have ended; of all cores, in jiffies:
    stolen by the hypervisor, everything, idle)."""
    fields = [int(x) for x in read("/proc/stat").splitlines()[0].split()[1:9]]
    return time.process_time() + sum(os.times()[2:4]), fields[7], sum(fields), fields[3] + fields[4]


def busy_meanwhile(before):
    """What other programs and the hypervisor took of the machine since `before`, in percent."""
    after = cpu_times()
    total = after[2] - before[2]
    if total <= 0:
        return {}
    ours = (after[0] - before[0]) * os.sysconf("SC_CLK_TCK")
    busy = total - (after[3] - before[3]) - (after[1] - before[1])
    return {"others_percent": round(100 * max(0, busy - ours) / total, 1),
            "stolen_percent": round(100 * (after[1] - before[1]) / total, 2)}
