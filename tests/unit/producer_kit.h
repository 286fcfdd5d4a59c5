/* SPDX-License-Identifier: MIT
 *
 * A segment with a producer attached, and its records taken apart again: written through the public
 * header, read by shm/ring_reader.h and collector/file/site.h, as the collector does.
 *
 * The test's process is pinned to one core, so that its records come in order from one ring.
 */
#ifndef TESTS_UNIT_PRODUCER_KIT_H
#define TESTS_UNIT_PRODUCER_KIT_H

#include "tests/unit/segment_kit.h"

#include "collector/file/record.h"
#include "collector/file/site.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#define KIT_SLOTS 2048u

static struct shm_segment *segment;
static struct shmlog *logger;
static uint32_t kit_cpu;

/* The record taken last. */
static struct shmlog_slot kit_slots[SHMLOG_RECORD_SLOTS];
static uint8_t kit_payload[SHMLOG_RECORD_PAYLOAD];
static struct file_site kit_site;
static struct file_value kit_value[FILE_SITE_ARGS_MAX];
static uint32_t kit_ring; /* it came from */
static bool kit_brought;  /* its site along: what is above is then of the record in it */

/* What a thread's struct rseq points the kernel to; 0 when it is in no sequence. */
__attribute__((unused)) static uint64_t kit_rseq_cs(void)
{
    uint64_t cs = 0;

#if SHMLOG_RSEQ_
    if (&__rseq_size && __rseq_size > 0)
        __asm__ volatile("movq %%fs:8(%1), %0" : "=r"(cs) : "r"(__rseq_offset));
#endif
    return cs;
}

__attribute__((unused)) static bool kit_has_rseq(void)
{
    return logger->local.cpus > 0;
}

/* One ring for this core, 1024 slots of it, and two spare ones; then `params` may be changed. */
__attribute__((unused)) static struct shm_params kit_producer_params(void)
{
    struct shm_params params = kit_params();
    cpu_set_t set;

    kit_cpu = (uint32_t)sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET(kit_cpu, &set);
    cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
    params.cpus = &kit_cpu;
    params.cpu_count = 1;
    return params;
}

__attribute__((unused)) static void kit_attach(const struct shm_params *params)
{
    int r;

    kit_open();
    segment = kit_create(params);
    r = shmlog_open(&logger, kit_path, NULL);
    cr_assert_eq(r, 0, "%s", shmlog_strerror(r));
}

__attribute__((unused)) static void kit_detach(void)
{
    shmlog_close(logger);
    shm_segment_close(segment);
    kit_close();
}

/* The record that is in this one. */
static void kit_take_out(void)
{
    const struct file_value values[2] = {kit_value[0], kit_value[1]};

    cr_assert_eq(kit_site.args, 2);
    cr_assert_eq(file_site_parse(values[0].data, values[0].size, &kit_site), 0);
    memmove(kit_payload + SHMLOG_PAYLOAD_ARGS, values[1].data, values[1].size);
    cr_assert_eq(file_site_values(&kit_site, kit_payload, SHMLOG_PAYLOAD_ARGS + values[1].size,
                                  kit_value),
                 0);
}

/* Take a record's site and values apart. */
static void kit_parse(void)
{
    const unsigned slots = record_slots(kit_slots);
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size;

    copy_payload(kit_payload, kit_slots, 0, slots * SHMLOG_SLOT_PAYLOAD);
    cr_assert_eq(shm_site_copy(segment, kit_slots->site & SHMLOG_SITE_ID_MASK, bytes, &size), 0);
    cr_assert_eq(file_site_parse(bytes, size, &kit_site), 0);
    cr_assert_eq(file_site_values(&kit_site, kit_payload, slots * SHMLOG_SLOT_PAYLOAD, kit_value),
                 0);
    kit_brought = kit_site.flags & SHMLOG_SITE_FLAG_INLINE;
    if (kit_brought)
        kit_take_out();
}

/* Take the next record; false: there is none. */
__attribute__((unused)) static bool kit_take(void)
{
    static struct shmlog_slot buffer[KIT_SLOTS];

    for (kit_ring = 0; kit_ring < segment->geometry.rings; kit_ring++) {
        struct shmlog_ring *const ring = segment->rings[kit_ring].header;
        struct shm_ring_reader reader;
        struct shm_read read;
        unsigned slots;

        shm_ring_reader_init(&reader, segment, kit_ring, ring->tail,
                             ring->tail ? ring->tail_seq : 1);
        shm_ring_read(&reader, shm_ring_head(ring), buffer, KIT_SLOTS, &read);
        if (read.kind == SHM_READ_NONE)
            continue;
        cr_assert_eq(read.kind, SHM_READ_RECORDS, "%lu records lost", (unsigned long)read.lost);
        slots = record_slots(buffer);
        memcpy(kit_slots, buffer, slots * sizeof(*buffer));
        ring->tail_seq = read.first_seq + 1;
        shmlog_store_release_(&ring->tail, read.first_pos + slots);
        kit_parse();
        return true;
    }
    return false;
}

/* Take all that is there; how many they were. */
__attribute__((unused)) static uint64_t kit_take_all(void)
{
    uint64_t records = 0;

    while (kit_take())
        records++;
    return records;
}

/* Records lost for this cause, as counted by the segment and all rings. */
__attribute__((unused)) static uint64_t kit_lost(uint32_t cause)
{
    uint64_t sum = shmlog_load_relaxed_(&segment->control->lost[cause]);

    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        sum += shmlog_load_relaxed_(&segment->rings[i].header->lost[cause]);
    return sum;
}

#endif
