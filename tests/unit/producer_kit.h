/* SPDX-License-Identifier: MIT
 *
 * A segment with a producer attached, and its records taken apart again: written through the public
 * header, read by shm/ring_reader.h and logfile/site.h, as the collector does.
 *
 * The test's process is pinned to one core, so that its records come in order from one ring.
 */
#ifndef TESTS_UNIT_PRODUCER_KIT_H
#define TESTS_UNIT_PRODUCER_KIT_H

#include "tests/unit/segment_kit.h"

#include "tests/kit/shared_rings.h"

#include "logfile/block/record.h"
#include "logfile/site.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <errno.h>

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

/* What a thread's struct rseq points the kernel to; 0 when it is in no sequence. */
__attribute__((unused)) static uint64_t kit_rseq_cs(void)
{
    uint64_t cs = 0;

#if defined(__x86_64__)
    if (logger->local.rseq_offset)
        __asm__ volatile("movq %%fs:8(%1), %0" : "=r"(cs) : "r"(logger->local.rseq_offset));
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

/* ---- Records to fill a ring with ---- */

__attribute__((unused)) static struct shmlog_ring *ring_in_use(void)
{
    return kit_has_rseq() ? logger->local.ring_of_cpu[kit_cpu]
                          : logger->local.ring[logger->local.shared_begin];
}

/* A record of so many slots, with its number in it. */
__attribute__((unused)) static void log_slots(uint32_t slots, uint64_t number)
{
    static char text[SHMLOG_RECORD_PAYLOAD];
    /* number at 16, length word at 24, text from 28 */
    const size_t size = slots * SHMLOG_SLOT_PAYLOAD - 28;

    if (!text[0])
        memset(text, 't', sizeof(text));
    if (slots == 1)
        shmlog_info(logger, "%lu", number);
    else
        shmlog_event(logger, SHMLOG_INFO, "", "long", "number", number, "text",
                     shmlog_text(text, size));
}

/* ---- What is in it ---- */

/* The i-th value has this type, and these bits in a word of its width. */
__attribute__((unused)) static void expect(unsigned i, uint8_t type, uint64_t bits)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_eq(kit_site.arg[i].type, type, "argument %u: type %u, not %u", i,
                 kit_site.arg[i].type, type);
    cr_assert_eq(kit_value[i].u, bits, "argument %u: %lx, not %lx", i,
                 (unsigned long)kit_value[i].u, (unsigned long)bits);
}

__attribute__((unused)) static void expect_text(unsigned i, const char *text, size_t size, bool cut)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_eq(kit_site.arg[i].type, SHMLOG_TYPE_STRING);
    cr_assert_not(kit_value[i].is_null);
    cr_assert_eq(kit_value[i].size, size, "argument %u: %u bytes, not %zu", i, kit_value[i].size,
                 size);
    cr_assert_eq(kit_value[i].cut, cut);
    cr_assert_eq(memcmp(kit_value[i].data, text, size), 0);
}

/* The same number, of whichever type. */
__attribute__((unused)) static void expect_number(unsigned i, int64_t number)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_eq(kit_value[i].i, number, "argument %u: %ld, not %ld", i, (long)kit_value[i].i,
                 (long)number);
}

__attribute__((unused)) static uint64_t f64(double x)
{
    uint64_t u;

    memcpy(&u, &x, sizeof(u));
    return u;
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
