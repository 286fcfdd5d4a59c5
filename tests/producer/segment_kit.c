/* SPDX-License-Identifier: MIT
 *
 * A segment without a collector. See segment_kit.h.
 */
#include "tests/producer/segment_kit.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SLOTS 4096u

void segment_kit_open(struct segment_kit *kit, const char *name,
                      const struct segment_kit_params *params)
{
    static uint32_t cpus[SHMLOG_CPUS_MAX];
    char message[512] = "";
    struct shm_params p = {
        .name = name,
        .cpus = cpus,
        .spare_rings = params->spare_rings,
        .reserve = params->reserve,
        .shared_ring = params->shared_ring,
        .ring_bytes = params->ring_bytes ? params->ring_bytes : 65536,
        .on_full = params->on_full ? params->on_full : SHMLOG_ON_FULL_DROP,
        .level = SHMLOG_TRACE,
        .wait_ns = params->wait_ns ? params->wait_ns : UINT64_MAX,
        .page_kib = 4,
        .producers_max = params->producers_max,
        .sites_max = params->sites_max,
        .group = -1,
    };
    int r;

    if (params->only_cpu)
        cpus[p.cpu_count++] = (uint32_t)(params->only_cpu - 1);
    for (unsigned i = 0; !params->only_cpu && i < kit_cpus(); i++)
        cpus[p.cpu_count++] = (uint32_t)kit_cpu(i);
    memset(kit, 0, sizeof(*kit));
    r = shm_segment_create(kit_text("%s/%s", kit_shm_dir(), name), &p, NULL, &kit->segment, message,
                           sizeof(message));
    if (r < 0)
        KIT_FAIL("segment %s: %s (%s)", name, shm_strerror(r), message);
    kit->reader = calloc(kit->segment->geometry.rings, sizeof(*kit->reader));
    kit->buffer = calloc(BUFFER_SLOTS, sizeof(*kit->buffer));
    KIT_CHECK(kit->reader && kit->buffer);
    for (uint32_t i = 0; i < kit->segment->geometry.rings; i++) {
        KIT_CHECK(kit->segment->rings[i].header != NULL);
        shm_ring_reader_init(&kit->reader[i], kit->segment, i, 0, 1);
    }
}

void segment_kit_close(struct segment_kit *kit)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s", kit->segment->path);
    shm_segment_close(kit->segment);
    KIT_OK(shm_segment_destroy(path));
    free(kit->reader);
    free(kit->buffer);
}

static void give(struct segment_kit *kit, const struct shm_read *read, uint32_t ring,
                 segment_kit_record *record, void *arg)
{
    for (size_t at = 0; record && at < read->slots;) {
        const uint32_t slots =
            kit->buffer[at].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;

        KIT_COMPARE(slots, >, 0);
        record(arg, ring, &kit->buffer[at]);
        at += slots;
    }
}

uint64_t segment_kit_drain(struct segment_kit *kit, segment_kit_record *record, void *arg)
{
    uint64_t records = 0;

    for (uint32_t i = 0; i < kit->segment->geometry.rings; i++) {
        struct shmlog_ring *ring = kit->segment->rings[i].header;
        const uint64_t head = shm_ring_head(ring);
        struct shm_read read;

        for (;;) {
            shm_ring_read(&kit->reader[i], head, kit->buffer, BUFFER_SLOTS, &read);
            if (read.kind == SHM_READ_NONE)
                break;
            if (read.kind == SHM_READ_LOST) {
                kit->lost += read.lost;
            } else {
                give(kit, &read, i, record, arg);
                records += read.records;
            }
            shmlog_store_relaxed_(&ring->tail_seq, kit->reader[i].seq);
            shmlog_store_release_(&ring->tail, kit->reader[i].pos);
        }
    }
    kit->records += records;
    return records;
}

uint64_t segment_kit_counted(const struct segment_kit *kit)
{
    uint64_t sum = 0;

    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++) {
        sum += shmlog_load_relaxed_(&kit->segment->control->lost[cause]);
        for (uint32_t i = 0; i < kit->segment->geometry.rings; i++)
            sum += shmlog_load_relaxed_(&kit->segment->rings[i].header->lost[cause]);
    }
    return sum;
}

uint64_t segment_kit_u64(const struct shmlog_slot *slots, size_t payload_offset)
{
    uint64_t value;

    memcpy(&value, slots->payload + payload_offset, sizeof(value));
    return value;
}

uint32_t segment_kit_u32(const struct shmlog_slot *slots, size_t payload_offset)
{
    uint32_t value;

    memcpy(&value, slots->payload + payload_offset, sizeof(value));
    return value;
}

uint32_t segment_kit_producer(const struct shmlog_slot *slots)
{
    return segment_kit_u32(slots, SHMLOG_PAYLOAD_PRODUCER);
}
