/* SPDX-License-Identifier: MIT
 *
 * Records of older programs that bring their site along (shm/inline_site.h), beside the same calls
 * of sites in the table: from the ring and from the files, both read alike.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "shm/inline_site.h"
#include "shm/segment.h"
#include "shm/tables.h"
#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT "inlined"
#define PAIRS 7u

static struct shmlog *log_;
static struct shm_segment *segment;

struct point {
    int32_t x, y;
    char name[40];
};
SHMLOG_RECORD(point_record, struct point, SHMLOG_ERROR, SHMLOG_RISK, "point",
              SHMLOG_FIELD(struct point, x), SHMLOG_FIELD(struct point, y),
              SHMLOG_FIELD(struct point, name));

/* The record at `from` once more, with its site in it. */
static void repeat(struct shmlog_ring *ring, uint64_t from)
{
    static struct shmlog_slot image[SHMLOG_RECORD_SLOTS];
    const struct shmlog_slot *const slot = shmlog_slots_(ring);
    const uint64_t mask = log_->local.slot_mask;
    const uint32_t first = slot[from & mask].site;
    uint8_t site[SHMLOG_SITE_MAX], payload[SHMLOG_RECORD_PAYLOAD];
    const uint32_t slots = first >> SHMLOG_SITE_SLOTS_SHIFT;
    uint32_t length[2], end = SHMLOG_PAYLOAD_ARGS + sizeof(length), id;
    struct shmlog_site head;
    size_t size;

    KIT_EQ(ring->head, from + slots);
    for (uint32_t i = 0; i < slots; i++)
        memcpy(payload + (size_t)i * SHMLOG_SLOT_PAYLOAD, slot[(from + i) & mask].payload,
               SHMLOG_SLOT_PAYLOAD);
    KIT_OK(shm_site_copy(segment, first & SHMLOG_SITE_ID_MASK, site, &size));
    memcpy(&head, site, sizeof(head));
    id = SHMLOG_SITE_INLINE + head.level;
    length[0] = (uint32_t)size;
    length[1] = slots * SHMLOG_SLOT_PAYLOAD - SHMLOG_PAYLOAD_ARGS;
    memset(image, 0, sizeof(image));
    shmlog_image_put_(image, SHMLOG_PAYLOAD_ARGS, length, sizeof(length));
    shmlog_image_put_(image, end, site, size);
    end += (uint32_t)size;
    shmlog_image_put_(image, end, payload + SHMLOG_PAYLOAD_ARGS, length[1]);
    end += length[1];
    shmlog_commit_(log_, shmlog_thread_(log_), image,
                   shmlog_image_head_(image, end, (uint64_t)id << 32, shmlog_thread_(log_), NULL),
                   0);
}

#define TWICE(...)                         \
    do {                                   \
        const uint64_t from_ = ring->head; \
        __VA_ARGS__;                       \
        repeat(ring, from_);               \
    } while (0)

static void log_pairs(void)
{
    const struct point point = {-3, 4, "a name of more than a few bytes"};
    struct shmlog_ring *ring;
    char text[200];

    kit_share(log_);
    ring = log_->local.ring[log_->local.shared_begin];
    memset(text, 't', sizeof(text));
    TWICE(shmlog_trace(log_, "no argument"));
    TWICE(shmlog_info(log_, "order %lu px %.2f side %c", 7ul, 100.25, 'B'));
    TWICE(shmlog_warn(log_, "%s and %.*s", "short", (int)sizeof(text), text));
    TWICE(shmlog_log(log_, SHMLOG_CRITICAL, "own", "%p %d %d %d %d %d %d %d %d", (void *)text, 1, 2,
                     3, 4, 5, 6, 7, 8));
    TWICE(shmlog_event(log_, SHMLOG_DEBUG, SHMLOG_ORDER, "new", "id", UINT64_MAX, "sym", "BTC"));
    TWICE(shmlog_event(log_, SHMLOG_INFO, "", "raw", "bytes", shmlog_bytes("\0\1\2", 3)));
    TWICE(shmlog_record(log_, &point_record, &point));
    KIT_EQ(shmlog_lost(log_), 0);
}

/* Lines in pairs, which are alike. */
static void check_pairs(const char *source, const char *format)
{
    const char *const path = kit_path("dumped");
    char *text, *line, *next, *save = NULL;
    unsigned pairs = 0;

    kit_dump(path, (const char *const[]){source, "--format", format, "--fields",
                                         "level,category,site,file,line,function,pid,tid,"
                                         "process,ring,message,fields",
                                         NULL});
    text = kit_read_file(path, NULL);
    line = strtok_r(text, "\n", &save);
    if (strcmp(format, "csv") == 0) /* the heading */
        line = strtok_r(NULL, "\n", &save);
    for (; line; line = strtok_r(NULL, "\n", &save)) {
        next = strtok_r(NULL, "\n", &save);
        KIT_CHECK(next != NULL);
        KIT_STR_EQ(next, line);
        KIT_CHECK(!strstr(line, "unregistered"));
        pairs++;
    }
    KIT_EQ(pairs, PAIRS);
    free(text);
}

int main(void)
{
    const char *const args[] = {"--level", "trace", "--flush-ms", "60000", NULL};
    struct kit_process collector;
    struct kit_ledger ledger;

    kit_begin("inlined");
    kit_need_io();
    kit_collector_start(&collector, SEGMENT, kit_path("log"), args);
    KIT_OK(shmlog_open(&log_, SEGMENT, NULL));
    KIT_OK(shm_segment_open(kit_text("%s/" SEGMENT, kit_shm_dir()), false, &segment));
    log_pairs();
    check_pairs(SEGMENT, "json");
    check_pairs(SEGMENT, "csv");
    shm_segment_close(segment);
    shmlog_close(log_);
    kit_collector_stop(&collector);
    kit_verify_balanced(kit_path("log"), &ledger);
    KIT_EQ(ledger.written, 2 * PAIRS);
    KIT_EQ(ledger.dropped, 0);
    check_pairs(kit_path("log"), "json");
    check_pairs(kit_path("log"), "csv");
    return 0;
}
