/* SPDX-License-Identifier: MIT
 *
 * For unit tests of the tools: sites, records and whole log files made by hand.
 */
#ifndef TESTS_UNIT_LOG_KIT_H
#define TESTS_UNIT_LOG_KIT_H

#include "logfile/format.h"
#include "logfile/read/reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Sites ---- */

struct log_kit_site {
    uint8_t kind, level;
    uint16_t flags;
    const char *format, *category, *function; /* NULL: "", "on_tick" */
    unsigned args;
    uint8_t type[16];
    const char *name[16];
};

static inline unsigned log_kit_type_size(uint8_t type)
{
    static const uint8_t sizes[SHMLOG_TYPES] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 4, 4, 0};

    return sizes[type];
}

static inline size_t log_kit_site_bytes(const struct log_kit_site *site, uint8_t *bytes)
{
    struct shmlog_site head = {
        .kind = site->kind,
        .level = site->level,
        .flags = site->flags,
        .args = (uint8_t)site->args,
        .line = 42,
    };
    const char *strings[3] = {"src/strategy.c", site->function ? site->function : "on_tick",
                              site->category ? site->category : ""};
    size_t at = sizeof(head), offset = SHMLOG_PAYLOAD_ARGS;

    for (unsigned i = 0; i < site->args; i++) {
        unsigned size = log_kit_type_size(site->type[i]);
        struct shmlog_site_arg arg = {.type = site->type[i], .size = (uint16_t)size};

        offset = (offset + size - 1) / size * size;
        arg.offset = (uint16_t)offset;
        offset += size;
        memcpy(bytes + at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    at += (size_t)sprintf((char *)bytes + at, "%s", site->format) + 1;
    for (unsigned i = 0; i < 3; i++)
        at += (size_t)sprintf((char *)bytes + at, "%s", strings[i]) + 1;
    for (unsigned i = 0; i < site->args; i++)
        at += (size_t)sprintf((char *)bytes + at, "%s", site->name[i] ? site->name[i] : "") + 1;
    head.size = (uint16_t)at;
    memcpy(bytes, &head, sizeof(head));
    return at;
}

/* ---- Records of one ring, as slots ---- */

struct log_kit_slots {
    struct shmlog_slot slot[4096];
    size_t slots, records;
    uint64_t first_seq, seq, pos;
};

/* Start collecting; the next record is number `seq`, at slot position `pos`. */
static inline void log_kit_slots_begin(struct log_kit_slots *slots, uint64_t seq, uint64_t pos)
{
    memset(slots, 0, sizeof(*slots));
    slots->first_seq = slots->seq = seq;
    slots->pos = pos;
}

static inline void log_kit_record(struct log_kit_slots *slots, uint32_t site, uint64_t time,
                                  uint32_t producer, const void *args, size_t size)
{
    uint8_t payload[SHMLOG_RECORD_PAYLOAD] = {0};
    size_t count = (SHMLOG_PAYLOAD_ARGS + size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

    memcpy(payload, &time, 8);
    memcpy(payload + SHMLOG_PAYLOAD_PRODUCER, &producer, 4);
    if (size)
        memcpy(payload + SHMLOG_PAYLOAD_ARGS, args, size);
    for (size_t i = 0; i < count; i++) {
        struct shmlog_slot *slot = &slots->slot[slots->slots++];

        slot->seq = (uint32_t)slots->seq;
        slot->site = i ? site : site | (uint32_t)count << SHMLOG_SITE_SLOTS_SHIFT;
        memcpy(slot->payload, payload + i * SHMLOG_SLOT_PAYLOAD, SHMLOG_SLOT_PAYLOAD);
    }
    slots->seq++;
    slots->records++;
}

/* A record of one STRING argument. */
static inline void log_kit_string(struct log_kit_slots *slots, uint32_t site, uint64_t time,
                                  uint32_t producer, const char *string)
{
    uint8_t args[SHMLOG_RECORD_PAYLOAD];
    uint32_t length = (uint32_t)strlen(string);

    memcpy(args, &length, 4);
    memcpy(args + 4, string, length);
    log_kit_record(slots, site, time, producer, args, 4 + length);
}

/* ---- Files ---- */

#define LOG_KIT_RINGS 4

struct log_kit_file {
    struct file_encoder *encoder;
    struct file_identity identity;
    struct file_buffer buffer;
    struct file_index *index;
    struct file_sites sites;
    struct file_ledger_entry ledger[LOG_KIT_RINGS]; /* kept up to date as pieces are put */
};

static inline void log_kit_ledger_begin(struct file_ledger_entry ledger[LOG_KIT_RINGS])
{
    for (uint32_t i = 0; i < LOG_KIT_RINGS; i++)
        ledger[i] = (struct file_ledger_entry){.ring = i,
                                               .cpu = i,
                                               .kind = SHMLOG_RING_CPU,
                                               .node = -1,
                                               .node_wanted = -1,
                                               .next_seq = 1};
}

static inline void log_kit_added(struct log_kit_file *file, size_t before)
{
    cr_assert_eq(file_index_add(file->index, before, file->buffer.data + before,
                                file->buffer.size - before),
                 0);
}

/* File `number` of segment `segment`, with a clock where a tick is a nanosecond since 1970. */
static inline void log_kit_file_begin(struct log_kit_file *file, uint64_t number, uint8_t segment,
                                      const struct file_ledger_entry ledger[LOG_KIT_RINGS])
{
    struct shmlog_clock_pair pair = {.seq = 2, .ticks = 1000, .realtime_ns = 1000};
    size_t before;

    *file = (struct log_kit_file){.identity = {.file_number = number,
                                               .clock_hz = 1000000000,
                                               .clock = SHMLOG_CLOCK_MONOTONIC,
                                               .on_full = 1,
                                               .ring_slots = 4096}};
    memset(file->identity.file_uuid, (int)(16 * segment + number), 16);
    memset(file->identity.segment_uuid, segment, 16);
    strcpy(file->identity.host, "testhost");
    strcpy(file->identity.segment, "test");
    memcpy(file->ledger, ledger, sizeof(file->ledger));
    cr_assert_eq(file_encoder_open(&file->encoder, 1), 0);
    cr_assert_eq(file_index_open(&file->index), 0);
    cr_assert_eq(file_put_header(file->encoder, &file->identity, file->ledger, LOG_KIT_RINGS,
                                 &file->buffer),
                 0);
    before = file->buffer.size;
    cr_assert_eq(file_put_clock(file->encoder, file->identity.file_uuid, &pair, &file->buffer), 0);
    log_kit_added(file, before);
}

static inline void log_kit_put_site(struct log_kit_file *file, uint32_t id,
                                    const struct log_kit_site *site)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size = log_kit_site_bytes(site, bytes), before = file->buffer.size;

    cr_assert_eq(file_put_site(file->encoder, file->identity.file_uuid, id, bytes, size,
                               &file->buffer),
                 0);
    cr_assert_eq(file_sites_put(&file->sites, id, bytes, size), 0);
    log_kit_added(file, before);
}

static inline void log_kit_put_producer(struct log_kit_file *file, uint32_t id, uint32_t pid,
                                        const char *process)
{
    struct shmlog_producer producer = {.claim = SHMLOG_PRODUCER_LIVE,
                                       .id = id,
                                       .pid = pid,
                                       .tid = pid + 1};
    size_t before = file->buffer.size;

    memcpy(producer.process, process, strlen(process));
    memcpy(producer.thread, "main", 4);
    cr_assert_eq(file_put_producer(file->encoder, file->identity.file_uuid, &producer,
                                   &file->buffer),
                 0);
    log_kit_added(file, before);
}

static inline void log_kit_put_block(struct log_kit_file *file, uint32_t ring,
                                     const struct log_kit_slots *slots)
{
    struct file_block_params params = {.ring = ring,
                                       .first_seq = slots->first_seq,
                                       .first_pos = slots->pos,
                                       .slots = slots->slot,
                                       .slot_count = slots->slots,
                                       .records = slots->records,
                                       .sites = &file->sites};
    struct file_block_summary summary;
    size_t before = file->buffer.size;

    memcpy(params.file_uuid, file->identity.file_uuid, 16);
    cr_assert_eq(file_put_block(file->encoder, &params, &file->buffer, &summary), 0);
    log_kit_added(file, before);
    file->ledger[ring].next_seq = slots->seq;
    file->ledger[ring].written += slots->records;
    file->ledger[ring].produced += slots->records;
}

static inline void log_kit_put_gap(struct log_kit_file *file, uint32_t ring, uint32_t cause,
                                   uint64_t count)
{
    bool takes = cause == SHMLOG_LOST_OVERWRITTEN || cause == SHMLOG_LOST_DAMAGED;
    struct file_gap gap = {.ring = ring,
                           .cause = cause,
                           .count = count,
                           .seq = file->ledger[ring].next_seq + (takes ? count : 0)};
    size_t before = file->buffer.size;

    memcpy(gap.file_uuid, file->identity.file_uuid, 16);
    cr_assert_eq(file_put_gap(file->encoder, &gap, &file->buffer), 0);
    log_kit_added(file, before);
    file->ledger[ring].next_seq = gap.seq;
    file->ledger[ring].lost[cause] += count;
    file->ledger[ring].produced += count;
}

/* Have the index say something else of the BLOCK at `at` than its frame does at `offset`. */
static inline void log_kit_lie(struct log_kit_file *file, size_t at, size_t offset, uint8_t lie)
{
    uint8_t *frame = file->buffer.data + at, truth[sizeof(struct frame_block)];

    memcpy(truth, frame, sizeof(truth));
    frame[offset] = lie;
    file_frame_seal(frame, sizeof(truth));
    file_index_clear(file->index);
    cr_assert_eq(file_index_add(file->index, 0, file->buffer.data, file->buffer.size), 0);
    memcpy(frame, truth, sizeof(truth));
}

static inline void log_kit_seal(struct log_kit_file *file, bool bad)
{
    cr_assert_eq(file_put_seal(file->encoder, &file->identity, file->ledger, LOG_KIT_RINGS,
                               file->index, file->buffer.size, bad, 5000, &file->buffer),
                 0);
}

/* Write its first `size` bytes to DIRECTORY/NAME. */
static inline void log_kit_write(const struct log_kit_file *file, size_t size,
                                 const char *directory, const char *name)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    f = fopen(path, "we");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(file->buffer.data, 1, size, f), size);
    fclose(f);
}

/* Write it to DIRECTORY/NAME, and free it. */
static inline void log_kit_file_end(struct log_kit_file *file, const char *directory,
                                    const char *name)
{
    log_kit_write(file, file->buffer.size, directory, name);
    file_buffer_done(&file->buffer);
    file_sites_done(&file->sites);
    file_index_close(file->index);
    file_encoder_close(file->encoder);
}

/* ---- A live segment, written to by hand ---- */

#ifdef SHM_SEGMENT_H
static inline struct shm_segment *log_kit_segment(const char *path, uint32_t on_full)
{
    static const uint32_t cpus[] = {0, 1};
    struct shm_params params = {.name = "unit",
                                .cpus = cpus,
                                .cpu_count = 2,
                                .spare_rings = 2,
                                .ring_bytes = 65536,
                                .on_full = on_full,
                                .level = SHMLOG_TRACE,
                                .page_kib = 4,
                                .group = -1};
    struct shm_segment *segment;
    char message[512] = "";

    cr_assert_eq(shm_segment_create(path, &params, NULL, &segment, message, sizeof(message)), 0,
                 "%s", message);
    return segment;
}

/* Commit the records at the head of a ring. */
static inline void log_kit_commit(struct shm_segment *segment, uint32_t ring,
                                  const struct log_kit_slots *slots)
{
    struct shm_ring *to = &segment->rings[ring];
    uint64_t head = to->header->head;

    for (size_t i = 0; i < slots->slots; i++)
        to->slots[(head + i) & segment->slot_mask] = slots->slot[i];
    shmlog_store_release_(&to->header->head, head + slots->slots);
}

/* Register a site at the end of the arena. */
static inline void log_kit_register(struct shm_segment *segment, uint32_t id,
                                    const struct log_kit_site *site)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size = log_kit_site_bytes(site, bytes);
    uint64_t at = (segment->control->arena_used + 7) & ~UINT64_C(7);

    memcpy(shm_arena(segment) + at, bytes, size);
    segment->control->arena_used = at + ((size + 7) & ~(size_t)7);
    shmlog_store_release_(&shm_site_words(segment)[id],
                          (uint64_t)shmlog_site_hash_(bytes, size) << 32 | at / 8);
}
#endif

static inline char *log_kit_directory(char path[64])
{
    snprintf(path, 64, "/tmp/shmlog-test-%ld-unit-XXXXXX", (long)getpid());
    cr_assert_not_null(mkdtemp(path));
    return path;
}

static inline void log_kit_remove(const char *directory)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

#endif
