/* SPDX-License-Identifier: MIT
 *
 * Log files of some rings, written by hand, and what --verify says of them.
 */
#ifndef TESTS_UNIT_VERIFY_KIT_H
#define TESTS_UNIT_VERIFY_KIT_H

#include "tests/unit/log_kit.h"
#include "tools/verify.h"
#include <inttypes.h>

static char directory[64];
static struct log_kit_file file;
static struct log_kit_slots slots;
static struct file_ledger_entry ledger[LOG_KIT_RINGS];

static const struct log_kit_site text_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};

__attribute__((unused)) static void setup(void)
{
    log_kit_directory(directory);
    log_kit_ledger_begin(ledger);
}

__attribute__((unused)) static void teardown(void)
{
    log_kit_remove(directory);
}

__attribute__((unused)) static void begin(uint64_t number)
{
    log_kit_file_begin(&file, number, 1, ledger);
    log_kit_put_site(&file, 1, &text_site);
}

__attribute__((unused)) static void end(const char *name)
{
    memcpy(ledger, file.ledger, sizeof(ledger));
    log_kit_file_end(&file, directory, name);
}

__attribute__((unused)) static void finish(const char *name)
{
    log_kit_seal(&file, false);
    end(name);
}

/* Records of a ring, whose times are `ticks` for each number. */
__attribute__((unused)) static void block_at(uint32_t ring, size_t records, uint64_t ticks)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 0; i < records; i++)
        log_kit_string(&slots, 1, slots.seq * ticks, 65537, "text");
    log_kit_put_block(&file, ring, &slots);
}

__attribute__((unused)) static void block(uint32_t ring, size_t records)
{
    block_at(ring, records, 10);
}

struct result {
    int r;
    char out[8192], err[8192], *last; /* line of `out` */
};

__attribute__((unused)) static struct result run(void)
{
    static struct result result;
    const char *paths[] = {directory};
    char message[512] = "";
    FILE *out, *err;

    result = (struct result){0};
    out = fmemopen(result.out, sizeof(result.out), "w");
    err = fmemopen(result.err, sizeof(result.err), "w");
    result.r = verify(paths, 1, out, err, message, sizeof(message));
    fclose(out);
    fclose(err);
    result.last = result.out;
    for (char *at = result.out; (at = strchr(at, '\n')) && at[1];)
        result.last = ++at;
    return result;
}

__attribute__((unused)) static void expect_good(const char *last)
{
    struct result result = run();

    cr_expect_eq(result.r, 0, "%s%s", result.out, result.err);
    cr_expect_str_eq(result.err, "");
    cr_expect_str_eq(result.last, last);
}

__attribute__((unused)) static void expect_bad(const char *reason)
{
    struct result result = run();

    cr_expect_eq(result.r, 1, "%s%s", result.out, result.err);
    cr_expect_not_null(strstr(result.err, reason), "no '%s' in: %s", reason, result.err);
    cr_expect_eq(strncmp(result.last, "produced=", 9), 0, "%s", result.last);
}

#endif
