/* SPDX-License-Identifier: MIT
 *
 * Segments found and made, see segments.h.
 */
#include "tools/segments.h"

#include "reader/level.h"
#include "shm/directory.h"
#include "shm/health.h"
#include "shm/path.h"
#include "shm/rules.h"
#include "tools/table.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_segment(const struct shm_segment *segment, const char *name, struct text *rows)
{
    struct shm_health health;

    shm_health_of(segment, &health);
    text_put_plain(rows, name, strlen(name));
    text_printf(rows, "\t%s\t%u\t%" PRIu64 "\t%s\t", shm_health_word(health.state),
                segment->geometry.rings, segment->geometry.ring_slots * SHMLOG_SLOT_SIZE / 1024,
                level_name(shm_rules_level(segment)));
    text_put_plain(rows, segment->path, strlen(segment->path));
    text_putc(rows, '\n');
}

static int list_folder(const char *folder, struct text *rows)
{
    DIR *const directory = opendir(folder);
    const struct dirent *entry;

    if (!directory)
        return errno == ENOENT ? 0 : -errno;
    while (shm_directory_next(directory, &entry) > 0) {
        char path[PATH_MAX];
        struct shm_segment *segment;

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path) ||
            shm_segment_open(path, false, &segment) < 0)
            continue;
        put_segment(segment, entry->d_name, rows);
        shm_segment_close(segment);
    }
    closedir(directory);
    return 0;
}

int segments_list(struct text *table, char *ret_message, size_t message_size)
{
    const char *folder[SHM_PATH_FOLDERS];
    const unsigned folders = shm_path_folders(folder);
    struct text rows = {0};
    int r = 0;

    for (unsigned i = 0; i < folders && r == 0; i++) {
        r = list_folder(folder[i], &rows);
        if (r < 0)
            snprintf(ret_message, message_size, "%s: %s", folder[i], strerror(-r));
    }
    if (r == 0 && rows.size) {
        text_puts(table, "segment\tstate\trings\tKiB each\tlevel\tpath\n");
        text_put(table, rows.data, rows.size);
        table_align(table, 2, 2);
    }
    text_done(&rows);
    return r;
}

const char *segments_take_ring_size(const char *value, struct segments_params *params)
{
    static const char units[] = "kmg";
    const char *unit;
    char *end;
    uint64_t bytes = strtoull(value, &end, 10);

    if (*end && (unit = strchr(units, *end))) {
        const unsigned shift = 10 * (unsigned)(unit - units + 1);

        bytes = bytes >> (64 - shift) ? 0 : bytes << shift;
        end++;
    }
    params->ring_bytes = bytes;
    return *value >= '0' && *value <= '9' && !*end && bytes >= 65536 && !(bytes & (bytes - 1))
               ? NULL
               : "must be a power of two from 64k on";
}

const char *segments_take_on_full(const char *value, struct segments_params *params)
{
    static const char *const names[] = {"drop", "overwrite", "wait"};

    for (uint32_t i = 0; i < 3; i++)
        if (!strcmp(value, names[i])) {
            params->on_full = SHMLOG_ON_FULL_DROP + i;
            return NULL;
        }
    return "must be one of drop, overwrite, wait";
}

const char *segments_take_level(const char *value, struct segments_params *params)
{
    return level_parse(value, &params->level) == 0 ? NULL : LEVEL_OR_OFF_WANTED;
}

static bool nothing_waits(const char *path)
{
    return true; /* a segment that is there is not touched */
}

int segments_create(const char *name, const struct segments_params *wanted, char *ret_message,
                    size_t message_size)
{
    const long cpus = sysconf(_SC_NPROCESSORS_CONF);
    struct shm_params params = {
        .name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name,
        .spare_rings = 8,
        .ring_bytes = wanted->ring_bytes ? wanted->ring_bytes : 1024 * 1024,
        .on_full = wanted->on_full ? wanted->on_full : SHMLOG_ON_FULL_OVERWRITE,
        .level = wanted->level,
        .reserve = 12,
        .shared_ring = true,
        .wait_ns = UINT64_C(10000000000),
        .numa = true,
        .group = -1,
    };
    char path[PATH_MAX];
    uint32_t cpu[SHMLOG_CPUS_MAX];
    struct shm_segment *segment;
    int r = shm_path_make(name, path, sizeof(path));

    if (r == 0 && access(path, F_OK) == 0)
        r = -EEXIST;
    if (r < 0) {
        snprintf(ret_message, message_size, "%s: %s", name,
                 r == -EEXIST ? "it is there already; shmlog-ctl destroy removes it"
                              : shm_strerror(r));
        return r;
    }
    for (params.cpu_count = 0;
         params.cpu_count < (uint32_t)cpus && params.cpu_count < SHMLOG_CPUS_MAX;
         params.cpu_count++)
        cpu[params.cpu_count] = params.cpu_count;
    params.cpus = cpu;
    *ret_message = '\0';
    r = shm_segment_create(path, &params, nothing_waits, &segment, ret_message, message_size);
    if (r == 0)
        shm_segment_close(segment);
    else if (!*ret_message)
        snprintf(ret_message, message_size, "%s", shm_strerror(r));
    return r;
}
