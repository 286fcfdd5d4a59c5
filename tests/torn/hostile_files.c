/* SPDX-License-Identifier: MIT
 *
 * Hostile files through shmlog-dump: contents that are far larger than what holds them, sizes and
 * counts that are not so, pointers that lead back or in a circle, frames within frames. Demanded:
 * bounded memory, an end, exit status 1, and one line of where and why.
 *
 * Memory is bounded by a limit of the address space, which sanitizers do not live with: with them
 * only the rest is tried.
 */
#include "logfile/block/encoder.h"
#include "logfile/format.h"
#include "tests/kit/kit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#define MEMORY_MAX (UINT64_C(768) << 20) /* what shmlog-dump(1) promises */
#define FILE_MOST (24u << 20)

static uint8_t *file;
static size_t size;

static const uint8_t uuid[16] = {1, 2, 3};
static const struct file_identity identity = {
    .file_uuid = {1, 2, 3},
    .segment_uuid = {4, 5, 6},
    .file_number = 1,
    .clock_hz = 1000000000,
    .clock = SHMLOG_CLOCK_TSC,
    .ring_slots = 1024,
    .segment = "hostile",
};

/* ---- Putting a file together ---- */

static void put(const void *bytes, size_t count)
{
    KIT_CHECK(size + count <= FILE_MOST);
    memcpy(file + size, bytes, count);
    size += count;
}

static void put_frame(void *frame, unsigned kind, size_t frame_size)
{
    struct frame_head head;

    file_frame_head(&head, kind, frame_size, uuid);
    memcpy(frame, &head, sizeof(head));
    file_frame_seal(frame, frame_size);
    put(frame, frame_size);
}

static void begin(void)
{
    const struct file_ledger_entry line = {.kind = SHMLOG_RING_CPU, .next_seq = 1};
    struct file_buffer out = {0};

    size = 0;
    KIT_OK(file_put_ledger(&identity, &line, 1, FILE_KIND_HEADER, 0, 0, &out));
    put(out.data, out.size);
    file_buffer_done(&out);
}

/* A trailer, a ledger before it, and pointers to where is asked. */
static void finish(uint64_t ledger_at, uint64_t index_at)
{
    struct frame_trailer trailer = {.ledger_offset = ledger_at, .index_offset = index_at};

    trailer.file_size = size + sizeof(trailer);
    put_frame(&trailer, FILE_KIND_TRAILER, sizeof(trailer));
}

static uint64_t put_ledger(void)
{
    const struct file_ledger_entry line = {.kind = SHMLOG_RING_CPU, .next_seq = 1};
    struct file_buffer out = {0};
    uint64_t at = size;

    KIT_OK(file_put_ledger(&identity, &line, 1, FILE_KIND_LEDGER, 0, 1, &out));
    put(out.data, out.size);
    file_buffer_done(&out);
    return at;
}

static void put_block(struct frame_block frame, const void *stored, size_t stored_size)
{
    frame.stored_size = (uint32_t)stored_size;
    frame.data_hash = XXH64(stored, stored_size, 0);
    frame.codec = FILE_CODEC_COLUMNS;
    frame.levels = FILE_LEVELS_ALL;
    put_frame(&frame, FILE_KIND_BLOCK, sizeof(frame));
    put(stored, stored_size);
}

/* ---- The files ---- */

/* 64 MiB of zeros in a few KiB, in many blocks; and each says that it is as many records. */
static void content_bomb(void)
{
    uint8_t *zeros = calloc(1, FILE_BLOCK_RAW_MAX);
    size_t room = ZSTD_compressBound(FILE_BLOCK_RAW_MAX);
    uint8_t *stored = malloc(room);
    size_t stored_size;

    KIT_CHECK(zeros && stored);
    stored_size = ZSTD_compress(stored, room, zeros, FILE_BLOCK_RAW_MAX, 19);
    KIT_CHECK(!ZSTD_isError(stored_size) && stored_size < 65536);
    begin();
    for (uint32_t i = 0; i < 20; i++)
        put_block((struct frame_block){.ring = i,
                                       .first_seq = 1,
                                       .records = FILE_BLOCK_SLOTS_MAX,
                                       .slots = FILE_BLOCK_SLOTS_MAX,
                                       .raw_size = FILE_BLOCK_RAW_MAX},
                  stored, stored_size);
    free(stored);
    free(zeros);
}

/* A zstd frame that claims to hold 2^60 bytes, with the block saying so as far as it can, or not.
 */
static void size_claim(void)
{
    static const uint8_t claim[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0,
                                    0,    0,    0,    0x10, 1,    0, 0, 0, 0};

    begin();
    for (uint32_t raw = 0; raw < 2; raw++)
        put_block((struct frame_block){.first_seq = 1 + raw,
                                       .records = 1,
                                       .slots = 1,
                                       .raw_size = raw ? FILE_BLOCK_RAW_MAX : 100},
                  claim, sizeof(claim));
}

/* Sound blocks of as many records as there may be, in a few bytes each, all at the same time. */
static void put_records(uint32_t rings, uint32_t blocks)
{
    struct file_encoder *encoder;
    struct file_buffer out = {0};
    struct shmlog_slot *slots = calloc(FILE_BLOCK_SLOTS_MAX, sizeof(*slots));
    struct frame_block frame;

    KIT_CHECK(slots);
    for (uint32_t i = 0; i < FILE_BLOCK_SLOTS_MAX; i++) {
        memcpy(slots[i].payload + SHMLOG_PAYLOAD_TIME, &i, sizeof(i));
        slots[i].seq = 1 + i;
        slots[i].site = 1 | 1u << SHMLOG_SITE_SLOTS_SHIFT;
    }
    KIT_OK(file_encoder_open(&encoder, 1));
    KIT_OK(file_put_block(encoder,
                          &(struct file_block_params){.first_seq = 1,
                                                      .slots = slots,
                                                      .slot_count = FILE_BLOCK_SLOTS_MAX,
                                                      .records = FILE_BLOCK_SLOTS_MAX},
                          &out, NULL));
    KIT_CHECK(out.size < 65536);
    memcpy(&frame, out.data, sizeof(frame));
    begin();
    for (uint32_t i = 0; i < rings * blocks; i++) {
        frame.ring = i % rings;
        frame.first_seq = 1 + i / rings * FILE_BLOCK_SLOTS_MAX;
        put_block(frame, out.data + sizeof(frame), frame.stored_size);
    }
    file_encoder_close(encoder);
    file_buffer_done(&out);
    free(slots);
}

/* More than 3 GiB if all were decoded at once. */
static void record_bomb(void)
{
    put_records(60, 1);
}

/* One line in pieces without an end, of bytes that are four or six times as long when escaped: a
 * GiB in a few KiB. Or with a producer for each piece, a line that waits for its end for each. */
static void put_lines(uint32_t producers)
{
    enum { RECORDS = FILE_BLOCK_SLOTS_MAX / SHMLOG_RECORD_SLOTS };
    struct shmlog_slot *slots = calloc(FILE_BLOCK_SLOTS_MAX, sizeof(*slots)), *slot = slots;
    const uint32_t length = SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 4;
    static const char strings[] = "%s\0f.c\0put\0\0text";
    const struct shmlog_site_arg arg = {.type = SHMLOG_TYPE_STRING,
                                        .size = 4,
                                        .offset = SHMLOG_PAYLOAD_ARGS};
    const struct shmlog_site site = {.size = sizeof(site) + sizeof(arg) + sizeof(strings),
                                     .kind = SHMLOG_SITE_PRINTF,
                                     .level = SHMLOG_INFO,
                                     .flags = SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE,
                                     .args = 1};
    uint8_t bytes[sizeof(site) + sizeof(arg) + sizeof(strings)];
    struct file_encoder *encoder;
    struct file_buffer out = {0};
    struct frame_block frame;

    KIT_CHECK(slots);
    memcpy(bytes, &site, sizeof(site));
    memcpy(bytes + sizeof(site), &arg, sizeof(arg));
    memcpy(bytes + sizeof(site) + sizeof(arg), strings, sizeof(strings));
    for (uint32_t i = 0; i < RECORDS; i++) {
        const uint32_t producer = 1 + i % producers;

        memset(slot->payload, 1, SHMLOG_SLOT_PAYLOAD);
        memset(slot->payload, 0, SHMLOG_PAYLOAD_ARGS);
        memcpy(slot->payload + SHMLOG_PAYLOAD_PRODUCER, &producer, sizeof(producer));
        memcpy(slot->payload + SHMLOG_PAYLOAD_ARGS, &length, sizeof(length));
        slot->site = 1 | SHMLOG_RECORD_SLOTS << SHMLOG_SITE_SLOTS_SHIFT;
        for (uint32_t j = 0; j < SHMLOG_RECORD_SLOTS; j++, slot++) {
            slot->seq = 1 + i;
            if (j)
                memset(slot->payload, 1, SHMLOG_SLOT_PAYLOAD);
        }
    }
    begin();
    KIT_OK(file_encoder_open(&encoder, 1));
    KIT_OK(file_put_site(encoder, uuid, 1, bytes, sizeof(bytes), &out));
    put(out.data, out.size);
    out.size = 0;
    KIT_OK(file_put_block(encoder,
                          &(struct file_block_params){.first_seq = 1,
                                                      .slots = slots,
                                                      .slot_count = FILE_BLOCK_SLOTS_MAX,
                                                      .records = RECORDS},
                          &out, NULL));
    KIT_CHECK(out.size < 65536);
    memcpy(&frame, out.data, sizeof(frame));
    for (uint32_t i = 0; i < 10; i++) {
        put_block(frame, out.data + sizeof(frame), frame.stored_size);
        frame.first_seq += RECORDS;
    }
    file_encoder_close(encoder);
    file_buffer_done(&out);
    free(slots);
}

static void endless_line(void)
{
    put_lines(1);
}

static void endless_lines(void)
{
    put_lines(UINT32_MAX);
}

/* Blocks and gaps that say a ring that no segment has, and each another one. */
static void ring_claims(void)
{
    begin();
    for (uint32_t i = 0; i < 20000; i++) {
        struct frame_gap gap = {.ring = 2048 + i, .cause = 1, .count = 1, .seq = 1};

        put_frame(&gap, FILE_KIND_GAP, sizeof(gap));
    }
    put_block((struct frame_block){.ring = UINT32_MAX, .records = 1, .slots = 1, .raw_size = 1},
              "\0", 1);
}

/* An index of four million entries in a few bytes; one whose pieces are all the same; and a
 * trailer that says it is itself the ledger, or that the header is. */
static void index_claims(void)
{
    uint8_t zeros[4096] = {0}, stored[8192];
    size_t stored_size = ZSTD_compress(stored, sizeof(stored), zeros, sizeof(zeros), 1);
    struct frame_index frame = {.entries = FILE_INDEX_ENTRIES_MAX,
                                .stored_size = (uint32_t)stored_size,
                                .raw_size = sizeof(zeros)};
    uint64_t ledger_at, index_at;

    begin();
    ledger_at = put_ledger();
    index_at = size;
    frame.data_hash = XXH64(stored, stored_size, 0);
    put_frame(&frame, FILE_KIND_INDEX, sizeof(frame));
    put(stored, stored_size);
    finish(ledger_at, index_at);
}

static void trailer_to_itself(void)
{
    begin();
    finish(size, size);
}

static void trailer_to_the_header(void)
{
    begin();
    put_ledger();
    finish(0, 0);
}

/* The index is the block before it, and the ledger lies within the index. */
static void pointers_back(void)
{
    uint64_t ledger_at;

    begin();
    ledger_at = put_ledger();
    put_block((struct frame_block){.first_seq = 1, .records = 1, .slots = 1, .raw_size = 1}, "x",
              1);
    finish(ledger_at, ledger_at);
}

/* Every frame claims all that follows as its data. */
static void frames_in_frames(void)
{
    begin();
    while (size + 2 * sizeof(struct frame_block) < 8u << 20) {
        struct frame_block frame = {
            .first_seq = 1, .records = 1, .slots = 1, .raw_size = 100, .stored_size = 4u << 20};

        put_frame(&frame, FILE_KIND_BLOCK, sizeof(frame));
    }
}

/* A million sites and producers with ids as far apart as they go. */
static void dictionary_claims(void)
{
    struct file_encoder *encoder;
    struct file_buffer out = {0};

    begin();
    KIT_OK(file_encoder_open(&encoder, 1));
    for (uint32_t i = 0; i < 40000; i++) {
        struct shmlog_producer producer = {.id = i * 2654435761u};
        const struct shmlog_site site = {.size = sizeof(site) + 4, .kind = SHMLOG_SITE_PRINTF};
        uint8_t bytes[sizeof(site) + 4] = {0};

        memcpy(bytes, &site, sizeof(site));
        KIT_OK(file_put_producer(encoder, uuid, &producer, &out));
        KIT_OK(file_put_site(encoder, uuid, (i * 2654435761u) & SHMLOG_SITE_ID_MASK, bytes,
                             sizeof(bytes), &out));
    }
    put(out.data, out.size);
    file_buffer_done(&out);
    file_encoder_close(encoder);
}

/* ---- Reading them ---- */

struct reading {
    const char *argv[7];
    bool quiet;
};

static int run_limited(void *arg)
{
    struct reading *reading = arg;
    const struct rlimit limit = {MEMORY_MAX, MEMORY_MAX};

    if (!kit_sanitized() && setrlimit(RLIMIT_AS, &limit) < 0)
        return 99;
    if (reading->quiet && !freopen("/dev/null", "w", stdout))
        return 97;
    execv(reading->argv[0], (char *const *)reading->argv);
    return 98;
}

/* `placed`: it has to name a place in the file. */
static void read_with(const char *name, const char *path, bool placed, const char *option,
                      const char *value, const char *second, const char *second_value)
{
    struct reading reading = {.argv = {kit_program("tools/shmlog-dump"), path, option, value,
                                       second, second_value},
                              .quiet = true};
    struct kit_process process;
    uint64_t begun = kit_now_ns();
    char *err;
    size_t err_size;
    int status;

    kit_spawn_function(&process, "dump", run_limited, &reading);
    status = kit_wait_exit(&process, 60);
    err = kit_read_file(process.err, &err_size);
    fprintf(stderr, "%s %s: %zu bytes, status %d in %.2f s: %.*s\n", name, option, size, status,
            (double)(kit_now_ns() - begun) / 1e9, (int)strcspn(err, "\n"), err);
    if (status != 1 || !strstr(err, path) || (placed && !strstr(err, ": at ")) ||
        strstr(err, "Cannot allocate"))
        KIT_FAIL("%s %s: exit status %d: %s", name, option, status, err);
    free(err);
}

/* Blocks that are larger than there is room for are read in parts, and each record comes out once.
 */
static void all_records_of_large_blocks(void)
{
    enum { RINGS = 8, BLOCKS = 2 };
    const char *path = kit_path("large.shmlog");
    struct reading reading = {
        .argv = {kit_program("tools/shmlog-dump"), "--count-by", "ring", path}};
    struct kit_process process;
    char *out;

    put_records(RINGS, BLOCKS);
    kit_write_file(path, file, size);
    kit_spawn_function(&process, "dump", run_limited, &reading);
    KIT_EQ(kit_wait_exit(&process, 60), 1); /* it has no seal */
    out = kit_read_file(process.out, NULL);
    for (unsigned ring = 0; ring < RINGS; ring++) {
        const char *line = kit_text("%u\t%u\n", BLOCKS * FILE_BLOCK_SLOTS_MAX, ring);

        if (!strstr(out, line))
            KIT_FAIL("no '%s' in %s", line, out);
    }
    free(out);
}

/* As many values as records: not all are counted, and that is said. */
static void more_values_than_fit(void)
{
    const char *path = kit_path("values.shmlog");
    struct reading reading = {.argv = {kit_program("tools/shmlog-dump"), "--count-by", "seq", path},
                              .quiet = true};
    struct kit_process process;

    put_records(1, 6);
    kit_write_file(path, file, size);
    kit_spawn_function(&process, "dump", run_limited, &reading);
    KIT_EQ(kit_wait_exit(&process, 60), 1);
    KIT_CHECK(kit_err_contains(&process, " records are left out, since there are more values"));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*make)(void);
        bool sound_pieces; /* all that --verify can say is of the file as a whole */
    } files[] = {
        {"content_bomb", content_bomb, false},
        {"size_claim", size_claim, false},
        {"record_bomb", record_bomb, true},
        {"endless_line", endless_line, true},
        {"endless_lines", endless_lines, true},
        {"ring_claims", ring_claims, false},
        {"index_claims", index_claims, true},
        {"trailer_to_itself", trailer_to_itself, true},
        {"trailer_to_the_header", trailer_to_the_header, true},
        {"pointers_back", pointers_back, false},
        {"frames_in_frames", frames_in_frames, false},
        {"dictionary_claims", dictionary_claims, true},
    };

    kit_begin("hostile_files");
    file = malloc(FILE_MOST);
    KIT_CHECK(file);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = kit_path(kit_text("%s.shmlog", files[i].name));

        files[i].make();
        kit_write_file(path, file, size);
        read_with(files[i].name, path, true, "--limit", "1000", NULL, NULL);
        read_with(files[i].name, path, true, "--format", "json", "--limit", "2");
        read_with(files[i].name, path, !files[i].sound_pieces, "--verify", NULL, NULL, NULL);
    }
    all_records_of_large_blocks();
    more_values_than_fit();
    free(file);
    return 0;
}
