/* SPDX-License-Identifier: MIT
 *
 * Laying out a control file, and checking one; see geometry.h. Pure functions over copies.
 */
#include "shm/geometry.h"
#include "shm/pages.h"

#include <errno.h>
#include <string.h>

#define SITES_DEFAULT 65536u
#define PRODUCERS_DEFAULT 4096u
#define CLOCK_PAIRS 1024u /* more than eight minutes at two a second */
#define ARENA_PER_SITE 160u
#define RING_FILE_MAX (UINT64_C(1) << 42)
#define ALIGNMENT UINT64_C(128)
#define RESERVE_MAX 50u /* percent */

static bool power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint64_t aligned(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

uint64_t shm_geometry_page_kib(uint64_t ring_bytes, uint64_t page_kib)
{
    static const uint64_t sizes[] = {1048576, 2048};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if ((page_kib == 0 || sizes[i] <= page_kib) && sizes[i] * 1024 <= 2 * ring_bytes)
            return sizes[i];
    }
    return shm_small_page_kib();
}

uint64_t shm_geometry_ring_size(const struct shmlog_control *geometry)
{
    return SHMLOG_RING_HEADER + geometry->ring_slots * SHMLOG_SLOT_SIZE;
}

/* ---- planning ---- */

static const char *cpus_wrong(const struct shm_params *params)
{
    bool seen[SHMLOG_CPUS_MAX] = {false};

    for (uint32_t i = 0; i < params->cpu_count; i++) {
        if (params->cpus[i] >= SHMLOG_CPUS_MAX)
            return "CPU numbers go up to 1023";
        if (seen[params->cpus[i]])
            return "a CPU is named twice";
        seen[params->cpus[i]] = true;
    }
    return NULL;
}

/* Have severe records rings of their own? */
static bool severe_rings(const struct shm_params *params)
{
    return params->reserve > 0 && params->on_full == SHMLOG_ON_FULL_OVERWRITE;
}

static uint32_t cpu_rings(const struct shm_params *params)
{
    return params->cpu_count * (severe_rings(params) ? 2 : 1);
}

static const char *params_wrong(const struct shm_params *params)
{
    uint64_t slots = params->ring_bytes / SHMLOG_SLOT_SIZE;

    if (params->cpu_count > SHMLOG_CPUS_MAX || params->spare_rings > SHMLOG_RINGS_MAX ||
        cpu_rings(params) + params->spare_rings > SHMLOG_RINGS_MAX)
        return "at most 2048 rings";
    if (params->reserve > RESERVE_MAX)
        return "the reserve is at most 50 percent of a ring";
    if (params->cpu_count + params->spare_rings == 0)
        return "a segment needs at least one ring";
    if (!power_of_two(params->ring_bytes) || slots < SHMLOG_RING_SLOTS_MIN ||
        slots > SHMLOG_RING_SLOTS_MAX)
        return "the ring size must be a power of two from 64 KiB to 64 GiB";
    if (params->on_full < SHMLOG_ON_FULL_DROP || params->on_full > SHMLOG_ON_FULL_WAIT)
        return "no such policy for full rings";
    if (params->level > SHMLOG_OFF)
        return "no such level";
    if (params->page_kib != 0 && params->page_kib != 4 && params->page_kib != 2048 &&
        params->page_kib != 1048576)
        return "the page size is 4 KiB, 2 MiB or 1 GiB";
    if (params->sites_max != 0 && (!power_of_two(params->sites_max) || params->sites_max < 16 ||
                                   params->sites_max > SHMLOG_SITE_ID_MASK + 1))
        return "the number of sites must be a power of two from 16 to 1048576";
    if (params->producers_max > SHMLOG_PRODUCERS_MAX)
        return "at most 65535 producers";
    return cpus_wrong(params);
}

int shm_geometry_plan(const struct shm_params *params, struct shmlog_control *ret_control,
                      const char **ret_reason)
{
    struct shmlog_control c;
    const char *wrong = params_wrong(params);

    if (wrong) {
        *ret_reason = wrong;
        return -EINVAL;
    }
    memset(&c, 0, sizeof(c));
    c.version = SHMLOG_LAYOUT_VERSION;
    c.header_size = SHMLOG_CONTROL_HEADER;
    c.slot_size = SHMLOG_SLOT_SIZE;
    c.ring_header = SHMLOG_RING_HEADER;
    c.on_full = params->on_full;
    c.wait_ns = params->on_full == SHMLOG_ON_FULL_WAIT ? params->wait_ns : 0;
    c.level = params->level;
    c.ring_slots = params->ring_bytes / SHMLOG_SLOT_SIZE;
    c.compatible = SHMLOG_COMPATIBLE_TEXT;
    c.cpu_rings = cpu_rings(params);
    c.rings = c.cpu_rings + params->spare_rings;
    if (params->shared_ring && c.rings < SHMLOG_RINGS_MAX) {
        c.compatible |= SHMLOG_COMPATIBLE_SHARED_RING;
        c.rings++;
    }
    if (severe_rings(params))
        c.compatible |= SHMLOG_COMPATIBLE_SEVERE_RINGS;
    else
        c.reserve_slots = (uint32_t)(c.ring_slots * params->reserve / 100);
    c.sites_max = params->sites_max ? params->sites_max : SITES_DEFAULT;
    c.producers_max = params->producers_max ? params->producers_max : PRODUCERS_DEFAULT;
    c.clock_pairs = CLOCK_PAIRS;
    c.rings_offset = SHMLOG_CONTROL_HEADER;
    c.clock_offset =
        aligned(c.rings_offset + c.rings * sizeof(struct shmlog_ring_entry), ALIGNMENT);
    c.producers_offset =
        aligned(c.clock_offset + c.clock_pairs * sizeof(struct shmlog_clock_pair), ALIGNMENT);
    c.sites_offset =
        aligned(c.producers_offset + c.producers_max * sizeof(struct shmlog_producer), ALIGNMENT);
    c.arena_offset = aligned(c.sites_offset + c.sites_max * sizeof(uint64_t), ALIGNMENT);
    c.arena_size = (uint64_t)c.sites_max * ARENA_PER_SITE;
    c.file_size = aligned(c.arena_offset + c.arena_size, shm_small_page_kib() * 1024);
    *ret_control = c;
    return 0;
}

void shm_geometry_plan_ring(const struct shm_params *params, uint32_t index,
                            struct shmlog_ring_entry *ret_entry)
{
    bool of_cpu = index < cpu_rings(params);
    struct shmlog_ring_entry entry = {
        .kind = of_cpu ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED,
        .cpu = of_cpu ? params->cpus[index % params->cpu_count] : UINT32_MAX,
        .page_kib_wanted = (uint32_t)shm_geometry_page_kib(params->ring_bytes, params->page_kib),
        .node = -1,
        .node_wanted = -1,
    };

    *ret_entry = entry;
}

/* ---- checking ---- */

int shm_geometry_check_ring(const struct shmlog_control *geometry, uint32_t index,
                            const struct shmlog_ring_entry *copy)
{
    bool of_cpu = index < geometry->cpu_rings;

    if (copy->kind != (of_cpu ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED))
        return -SHM_ERR_GEOMETRY;
    if (of_cpu && copy->cpu >= SHMLOG_CPUS_MAX)
        return -SHM_ERR_GEOMETRY;
    if (copy->file_size < shm_geometry_ring_size(geometry) || copy->file_size > RING_FILE_MAX)
        return -SHM_ERR_GEOMETRY;
    return 0;
}

bool shm_geometry_same(const struct shmlog_control *a, const struct shmlog_control *b)
{
    return a->on_full == b->on_full && a->clock == b->clock && a->wait_ns == b->wait_ns &&
           a->ring_slots == b->ring_slots && a->cpu_rings == b->cpu_rings && a->rings == b->rings &&
           a->reserve_slots == b->reserve_slots && a->compatible == b->compatible &&
           a->sites_max == b->sites_max && a->producers_max == b->producers_max;
}
