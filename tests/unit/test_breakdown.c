/* SPDX-License-Identifier: MIT
 *
 * Records counted by level, category and process: exact, however many names there are.
 */
#include "producer/shmlog.h"

#include "collector/breakdown.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"
#include "tests/unit/segment_kit.h"

#define PRODUCERS 300u

static struct shm_segment *s;
static struct breakdown *breakdown;
static struct file_sites sites;
static char *text;

static void open_all(void)
{
    struct shm_params params = kit_params();

    params.producers_max = PRODUCERS;
    kit_open();
    s = kit_create(&params);
    cr_assert_eq(breakdown_open(&breakdown), 0);
}

static void close_all(void)
{
    free(text);
    file_sites_done(&sites);
    shm_segment_close(s);
    kit_close();
}

TestSuite(breakdown, .init = open_all, .fini = close_all, .timeout = 120);

static void put(void)
{
    size_t size;
    FILE *const to = open_memstream(&text, &size);

    breakdown_put(breakdown, s, to);
    cr_assert_eq(fclose(to), 0);
}

static void expect_line(const char *metric, const char *label, const char *value, unsigned records)
{
    char line[256];

    snprintf(line, sizeof(line), "\nshmlog_%s_records_total{segment=\"test\",%s=\"%s\"} %u\n",
             metric, label, value, records);
    cr_assert_not_null(strstr(text, line), "no%sin %s", line, text);
}

static struct shmlog_slot made(uint32_t site, uint32_t slots, uint32_t producer)
{
    struct shmlog_slot slot = {.site = site | slots << SHMLOG_SITE_SLOTS_SHIFT};

    memcpy(slot.payload + SHMLOG_PAYLOAD_PRODUCER, &producer, sizeof(producer));
    return slot;
}

/* More names than there is room for: the rest is counted together. */
Test(breakdown, many_processes)
{
    struct shmlog_slot slot[PRODUCERS + 3];

    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct shmlog_producer *const producer = &shm_producers(s)[i];

        producer->id = 1u << 16 | (i + 1);
        producer->claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
        snprintf(producer->process, sizeof(producer->process), "p%u", i);
        slot[i] = made(0, 1, producer->id);
    }
    s->control->producers_used = PRODUCERS;
    memcpy(shm_producers(s)[2].process, "\xff\"\n\\", 5); /* no name, but what may stand there */
    slot[PRODUCERS] = made(SHMLOG_SITE_ID_MASK, 0, UINT32_MAX); /* damaged */
    slot[PRODUCERS + 1] = made(7, 1, 0);
    slot[PRODUCERS + 2] = made(7, 1, 2u << 16 | 1); /* whose entry is another's by now */
    for (int i = 0; i < 2; i++)
        breakdown_add(breakdown, s, &sites, slot, PRODUCERS + 3);
    put();
    expect_line("level", "level", "unknown", 2 * (PRODUCERS + 3));
    expect_line("level", "level", "info", 0);
    expect_line("process", "process", "p0", 2);
    expect_line("process", "process", "p254", 2);
    expect_line("process", "process", "\\\\xff\\\"\\\\x0a\\\\", 2);
    expect_line("process", "process", "(others)", 2 * (PRODUCERS - 255));
    cr_assert_null(strstr(text, "\"p255\""));
}

/* As programs log them, of several slots and of one. */
Test(breakdown, levels_and_categories)
{
    const struct shmlog_options options = {.process_name = "strategy"};
    struct shmlog *log;

    cr_assert_eq(shmlog_open(&log, kit_path, &options), 0);
    for (int i = 0; i < 10; i++) {
        shmlog_log(log, SHMLOG_INFO, "order", "%d and a text of more than one slot: %s", i,
                   "................................................................");
        shmlog_log(log, SHMLOG_ERROR, "risk", "%d", i);
        if (i % 2)
            shmlog_info(log, "%d", i);
    }
    for (uint32_t id = 1; id < s->geometry.sites_max; id++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size;

        if (shm_site_copy(s, id, bytes, &size) == 0)
            cr_assert_eq(file_sites_put(&sites, id, bytes, size), 0);
    }
    for (uint32_t i = 0; i < s->geometry.rings; i++) {
        static struct shmlog_slot slots[1024];
        struct shm_ring_reader reader;
        struct shm_read read;

        shm_ring_reader_init(&reader, s, i, 0, 1);
        shm_ring_read(&reader, shm_ring_head(s->rings[i].header), slots, 1024, &read);
        if (read.kind == SHM_READ_RECORDS)
            breakdown_add(breakdown, s, &sites, slots, read.slots);
    }
    shmlog_close(log);
    put();
    expect_line("level", "level", "info", 15);
    expect_line("level", "level", "error", 10);
    expect_line("level", "level", "unknown", 0);
    expect_line("category", "category", "order", 10);
    expect_line("category", "category", "risk", 10);
    expect_line("category", "category", "", 5);
    expect_line("process", "process", "strategy", 25);
}
