/* SPDX-License-Identifier: MIT
 *
 * How much memory there is to be had: of the machine, and of the cgroups (version 2) that this
 * process is in; see pages.h. Whoever takes more than a cgroup may have is not refused but killed,
 * so this is looked at before. Any of these files may be missing.
 */
#include "shm/pages.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CGROUPS "/sys/fs/cgroup"

static uint64_t machine_available(void)
{
    FILE *meminfo = fopen("/proc/meminfo", "re");
    uint64_t available = UINT64_MAX, kib;
    char line[128];

    if (!meminfo)
        return UINT64_MAX;
    while (fgets(line, sizeof(line), meminfo)) {
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1 && kib < UINT64_MAX / 1024)
            available = kib * 1024;
    }
    fclose(meminfo);
    return available;
}

static FILE *open_in(const char *group, const char *file)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), CGROUPS "%s/%s", group, file);

    return n < 0 || (size_t)n >= sizeof(path) ? NULL : fopen(path, "re");
}

/* The number in a file of the group; false if there is none ("max"). */
static bool read_number(const char *group, const char *file, uint64_t *ret_number)
{
    FILE *in = open_in(group, file);
    bool found = in && fscanf(in, "%" SCNu64, ret_number) == 1;

    if (in)
        fclose(in);
    return found;
}

/* Cached files, which the kernel gives up before it kills. */
static uint64_t reclaimable(const char *group)
{
    FILE *in = open_in(group, "memory.stat");
    uint64_t sum = 0, bytes;
    char line[128];

    if (!in)
        return 0;
    while (fgets(line, sizeof(line), in)) {
        if (sscanf(line, "inactive_file %" SCNu64, &bytes) == 1 ||
            sscanf(line, "active_file %" SCNu64, &bytes) == 1)
            sum += bytes;
    }
    fclose(in);
    return sum;
}

static uint64_t group_available(const char *group)
{
    uint64_t most, used, kept;

    if (!read_number(group, "memory.max", &most) || !read_number(group, "memory.current", &used))
        return UINT64_MAX;
    kept = reclaimable(group);
    used = used > kept ? used - kept : 0;
    return most > used ? most - used : 0;
}

/* The path of this process's group, "" for the root. */
static bool own_group(char *ret_group, int size)
{
    FILE *in = fopen("/proc/self/cgroup", "re");
    bool found = false;

    if (!in)
        return false;
    while (!found && fgets(ret_group, size, in)) {
        found = strncmp(ret_group, "0::/", 4) == 0;
        ret_group[strcspn(ret_group, "\n")] = '\0';
    }
    fclose(in);
    if (found)
        memmove(ret_group, ret_group + 3, strlen(ret_group + 3) + 1);
    return found;
}

uint64_t shm_memory_available(void)
{
    uint64_t available = machine_available(), of_group;
    char group[PATH_MAX];

    if (!own_group(group, sizeof(group)))
        return available;
    for (char *slash;; *slash = '\0') {
        of_group = group_available(group);
        if (of_group < available)
            available = of_group;
        slash = strrchr(group, '/');
        if (!slash)
            return available;
    }
}
