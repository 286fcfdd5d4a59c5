/* SPDX-License-Identifier: MIT
 *
 * A log that attaches later. See later_kit.h.
 */
#include "tests/producer/later_kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct shmlog_options later_options = {.flags = SHMLOG_OPEN_LATER};

/* In all records the number is followed by what says how they look, who wrote them, and a check. */
#define CHECK(number, kind, writer) \
    ((number)*UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(kind) << 8 ^ (writer))
#define TEXT                                                                                 \
    "a text that takes the record beyond its first slot, and beyond its second one, as far " \
    "as into the third of them: so it has more than one hundred and twelve bytes"

struct small {
    uint64_t number, check;
};
struct large {
    uint64_t number, check;
    char text[200];
};
SHMLOG_RECORD(small_record, struct small, SHMLOG_INFO, SHMLOG_TRADE, "small",
              SHMLOG_FIELD(struct small, number), SHMLOG_FIELD(struct small, check));
SHMLOG_RECORD(large_record, struct large, SHMLOG_INFO, SHMLOG_TRADE, "large",
              SHMLOG_FIELD(struct large, number), SHMLOG_FIELD(struct large, check),
              SHMLOG_FIELD(struct large, text));

struct shmlog *later_open(void)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, LATER_SEGMENT, &later_options));
    KIT_CHECK(log != NULL);
    return log;
}

void later_log_one(struct shmlog *log, unsigned kind, uint64_t number, uint8_t writer)
{
    const uint64_t check = CHECK(number, kind, writer);
    const struct small small = {number, check};
    const struct large large = {number, check, TEXT};

    switch (kind) {
    case 0:
        shmlog_info(log, "%lu %lx", number, check);
        break;
    case 1:
        shmlog_info_at(log, shmlog_now(log), "%lu %lx %s", number, check, "short");
        break;
    case 2:
        shmlog_info(log, "%lu %lx %s", number, check, TEXT);
        break;
    case 3:
        shmlog_event(log, SHMLOG_WARN, SHMLOG_ORDER, "many", "number", number, "check", check, "a",
                     number, "b", number, "c", number, "d", number, "e", number, "f", number);
        break;
    case 4:
        shmlog_record(log, &small_record, &small);
        break;
    default:
        shmlog_record(log, &large_record, &large);
    }
}

void later_log(struct shmlog *log, uint64_t number, uint8_t writer)
{
    for (unsigned kind = 0; kind < LATER_KINDS; kind++)
        later_log_one(log, kind, number, writer);
}

uint64_t later_number(const struct shmlog_slot *slots, uint8_t *ret_writer)
{
    const uint32_t count = slots->site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;
    const uint64_t number = segment_kit_u64(slots, 16);
    const uint64_t check = segment_kit_u64(slots, 24) ^ CHECK(number, 0, 0);
    const uint64_t kind = check >> 8;
    uint8_t payload[16 * SHMLOG_SLOT_PAYLOAD];

    KIT_COMPARE(kind, <, LATER_KINDS);
    KIT_COMPARE(count, <=, 16);
    for (uint32_t i = 0; i < count; i++)
        memcpy(payload + (size_t)i * SHMLOG_SLOT_PAYLOAD, slots[i].payload, SHMLOG_SLOT_PAYLOAD);
    if (kind == 1)
        KIT_EQ(memcmp(payload + 36, "short", 5), 0);
    for (uint32_t i = 0; kind == 3 && i < 6; i++)
        KIT_EQ(memcmp(payload + 32 + 8 * i, &number, 8), 0);
    if (kind == 2 || kind == 5)
        KIT_EQ(memcmp(payload + (kind == 2 ? 36 : 32), TEXT, sizeof(TEXT) - 1), 0);
    *ret_writer = (uint8_t)check;
    return number;
}

static const char *removed_path(void)
{
    return kit_text("%s/removed", kit_shm_dir());
}

void later_remove(const struct segment_kit *kit, enum later_way way)
{
    const char *const control = kit_text("%s/control", kit->segment->path);
    FILE *f;

    if (way == LATER_NO_CONTROL) {
        KIT_EQ(unlink(control), 0);
        return;
    }
    KIT_EQ(rename(kit->segment->path, removed_path()), 0);
    if (way == LATER_REPLACED) {
        KIT_EQ(mkdir(kit->segment->path, 0700), 0);
        f = fopen(control, "w");
        KIT_CHECK(f != NULL);
        fclose(f);
    }
}

/* With the plain files in it, if it is there. */
static void remove_folder(const char *path)
{
    DIR *const folder = opendir(path);
    struct dirent *entry;

    if (!folder)
        return;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            KIT_EQ(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    closedir(folder);
    KIT_EQ(rmdir(path), 0);
}

void later_close_removed(struct segment_kit *kit)
{
    shm_segment_close(kit->segment); /* NULL: before */
    remove_folder(removed_path());
    remove_folder(kit_text("%s/" LATER_SEGMENT, kit_shm_dir()));
    free(kit->reader);
    free(kit->buffer);
}

unsigned later_mappings(void)
{
    char *const maps = kit_read_file("/proc/self/maps", NULL);
    unsigned count = 0;

    for (const char *at = maps; (at = strstr(at, kit_shm_dir())); at++)
        count++;
    free(maps);
    return count;
}
