/* SPDX-License-Identifier: MIT
 *
 * Counting records, see breakdown.h.
 */
#include "collector/breakdown.h"

#include "logfile/block/record.h"
#include "shm/metrics.h"
#include "shm/tables.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define NAMES 256u /* of each kind; the last one is for all others */
#define LEVELS (SHMLOG_CRITICAL + 2u)
#define UNKNOWN (SHMLOG_CRITICAL + 1u)

struct names {
    uint32_t count; /* a name is complete before it is counted */
    char name[NAMES][64];
    uint64_t records[NAMES];
};

struct breakdown {
    uint64_t level[LEVELS];
    struct names category, process;
    /* the drain's own */
    uint8_t level_of[SHMLOG_SITE_ID_MASK + 1];
    uint16_t category_of[SHMLOG_SITE_ID_MASK + 1]; /* plus 1; 0: not looked up */
    uint16_t process_of[SHMLOG_PRODUCERS_MAX];     /* of the producer with this id: */
    uint32_t id_of[SHMLOG_PRODUCERS_MAX];
};

int breakdown_open(struct breakdown **ret_breakdown)
{
    /* zero, and most of it never touched */
    struct breakdown *const breakdown = mmap(NULL, sizeof(*breakdown), PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (breakdown == MAP_FAILED)
        return -ENOMEM;
    *ret_breakdown = breakdown;
    return 0;
}

static uint16_t find_name(struct names *names, const char *name, size_t size)
{
    const uint32_t count = names->count;

    if (size >= sizeof(names->name[0]))
        size = sizeof(names->name[0]) - 1;
    for (uint32_t i = 0; i < count; i++)
        if (strlen(names->name[i]) == size && !memcmp(names->name[i], name, size))
            return (uint16_t)i;
    if (count == NAMES)
        return NAMES - 1;
    if (count == NAMES - 1) {
        name = "(others)";
        size = strlen(name);
    }
    memcpy(names->name[count], name, size);
    /* release: the name before it, pairs with breakdown_put() */
    shmlog_store_release_(&names->count, count + 1);
    return (uint16_t)count;
}

/* What a site is counted as. One that is not known yet may be later. */
static void learn_site(struct breakdown *breakdown, const struct file_sites *sites, uint32_t id)
{
    const struct file_site *const site = file_sites_get(sites, id);

    breakdown->level_of[id] = site && site->level < UNKNOWN ? site->level : (uint8_t)UNKNOWN;
    if (site)
        breakdown->category_of[id] =
            (uint16_t)(find_name(&breakdown->category, site->category, strlen(site->category)) +
                       1u);
}

/* NULL: unknown. */
static uint64_t *count_of_process(struct breakdown *breakdown, const struct shm_segment *segment,
                                  uint32_t id)
{
    const uint32_t index = (id & 0xffffu) - 1;
    struct shmlog_producer producer;

    if (index >= SHMLOG_PRODUCERS_MAX)
        return NULL;
    if (breakdown->id_of[index] != id) {
        if (shm_producer_copy(segment, id, &producer) < 0)
            return NULL;
        breakdown->process_of[index] =
            find_name(&breakdown->process, producer.process,
                      strnlen(producer.process, sizeof(producer.process)));
        breakdown->id_of[index] = id;
    }
    return &breakdown->process.records[breakdown->process_of[index]];
}

static void add(uint64_t *count, uint64_t records)
{
    shmlog_store_relaxed_(count, *count + records);
}

void breakdown_add(struct breakdown *breakdown, const struct shm_segment *segment,
                   const struct file_sites *sites, const struct shmlog_slot *slots, size_t count)
{
    for (size_t i = 0; i < count;) {
        const uint32_t word = slots[i].site, site = word & SHMLOG_SITE_ID_MASK;
        const unsigned size = record_slots(&slots[i]);
        const uint32_t producer = record_producer(&slots[i]);
        uint64_t records = 0, *of_process;

        do { /* one like the one before it, mostly */
            records++;
            i += size ? size : 1;
        } while (i < count && slots[i].site == word && record_producer(&slots[i]) == producer);
        if (!breakdown->category_of[site])
            learn_site(breakdown, sites, site);
        add(&breakdown->level[breakdown->level_of[site]], records);
        if (breakdown->category_of[site])
            add(&breakdown->category.records[breakdown->category_of[site] - 1], records);
        of_process = count_of_process(breakdown, segment, producer);
        if (of_process)
            add(of_process, records);
    }
}

static void put_names(const struct names *names, const struct shm_segment *segment,
                      const char *metric, const char *label, FILE *to)
{
    const uint32_t count = shmlog_load_acquire_(&names->count); /* the release of find_name() */

    for (uint32_t i = 0; i < count; i++)
        shm_metrics_row(segment, metric, label, names->name[i],
                        shmlog_load_relaxed_(&names->records[i]), to);
}

void breakdown_put(const struct breakdown *breakdown, const struct shm_segment *segment, FILE *to)
{
    static const char *const levels[LEVELS] = {"trace", "debug",    "info",   "warn",
                                               "error", "critical", "unknown"};

    shm_metrics_head(to, "level_records_total", "counter",
                     "Records put into files since the collector began, by level.");
    for (uint32_t i = 0; i < LEVELS; i++)
        shm_metrics_row(segment, "level_records_total", "level", levels[i],
                        shmlog_load_relaxed_(&breakdown->level[i]), to);
    shm_metrics_head(to, "category_records_total", "counter",
                     "Records put into files since the collector began, by category.");
    put_names(&breakdown->category, segment, "category_records_total", "category", to);
    shm_metrics_head(to, "process_records_total", "counter",
                     "Records put into files since the collector began, by process name.");
    put_names(&breakdown->process, segment, "process_records_total", "process", to);
}
