/* SPDX-License-Identifier: MIT
 *
 * Log files of some rings, written by hand, and all lines that a cursor makes of them.
 */
#ifndef TESTS_UNIT_CURSOR_KIT_H
#define TESTS_UNIT_CURSOR_KIT_H

#include "tests/unit/log_kit.h"
#include "reader/cursor.h"
#include "reader/join.h"

#include <errno.h>
#include <inttypes.h>

static char directory[64];
static struct log_kit_file file;
static struct log_kit_slots slots;
static struct file_ledger_entry ledger[LOG_KIT_RINGS];
static unsigned damages;
static uint64_t gap_records;

static const struct log_kit_site text_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};
static const struct log_kit_site more_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .flags = SHMLOG_SITE_FLAG_MORE,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};
static const struct log_kit_site error_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_ERROR,
    .format = "bad %s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};

/* A site of cat_line(). */
__attribute__((unused)) static struct log_kit_site line_site(bool more, const char *function,
                                                             uint8_t level)
{
    struct log_kit_site site = text_site;

    site.flags = SHMLOG_SITE_FLAG_LINE | (more ? SHMLOG_SITE_FLAG_MORE : 0);
    site.function = function;
    site.level = level;
    return site;
}

__attribute__((unused)) static void setup(void)
{
    log_kit_directory(directory);
    log_kit_ledger_begin(ledger);
    damages = 0;
    gap_records = 0;
}

__attribute__((unused)) static void teardown(void)
{
    log_kit_remove(directory);
}

__attribute__((unused)) static void begin(uint64_t number, uint8_t segment)
{
    log_kit_file_begin(&file, number, segment, ledger);
    log_kit_put_site(&file, 1, &text_site);
    log_kit_put_site(&file, 2, &more_site);
    log_kit_put_site(&file, 3, &error_site);
    log_kit_put_producer(&file, 65537, 100, "one");
    log_kit_put_producer(&file, 65538, 200, "two");
}

__attribute__((unused)) static void end(const char *name)
{
    memcpy(ledger, file.ledger, sizeof(ledger));
    log_kit_file_end(&file, directory, name);
}

/* A block of single records at these times, each with its time as text. */
__attribute__((unused)) static void block(uint32_t ring, uint32_t site, const uint64_t *times,
                                          size_t count)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 0; i < count; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%" PRIu64, times[i]);
        log_kit_string(&slots, site, times[i], 65537 + ring % 2, text);
    }
    log_kit_put_block(&file, ring, &slots);
}
#define BLOCK(ring, site, ...)                         \
    block(ring, site, (const uint64_t[]){__VA_ARGS__}, \
          sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

__attribute__((unused)) static void on_damage(void *arg, const char *where, uint64_t offset,
                                              int error, const char *reason)
{
    damages++;
}

__attribute__((unused)) static void on_gap(void *arg, const struct file_gap *gap)
{
    gap_records += gap->count;
}

static uint64_t missed, unread;

__attribute__((unused)) static void on_missed(void *arg, uint32_t ring, uint64_t records,
                                              uint64_t of_them)
{
    missed += records;
    unread += of_them;
}

__attribute__((unused)) static int next(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

/* All lines of the path (NULL: the directory), one after the other, with a blank after each. */
__attribute__((unused)) static const char *read_all(const char *path, struct cursor_options options)
{
    static char all[1 << 16];
    const char *paths[] = {path ? path : directory};
    struct cursor *cursor;
    struct join *join;
    struct line line = {0};
    char message[512] = "";
    size_t at = 0;
    int r;

    options.on_damage = on_damage;
    options.on_gap = on_gap;
    options.on_missed = on_missed;
    r = cursor_open(paths, 1, &options, &cursor, message, sizeof(message));
    cr_assert_eq(r, 0, "%s", message);
    cr_assert_eq(join_open(next, cursor, &(struct join_options){0}, &join), 0);
    *all = 0;
    while ((r = join_next(join, &line)) == 1)
        at +=
            (size_t)snprintf(all + at, sizeof(all) - at, "%.*s%s ", (int)line_message(&line)->size,
                             line_message(&line)->data, line.unfinished ? "(unfinished)" : "");
    cr_assert_eq(r, 0);
    line_done(&line);
    join_close(join);
    cursor_close(cursor);
    return all;
}

static const struct cursor_options all = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};

#endif
