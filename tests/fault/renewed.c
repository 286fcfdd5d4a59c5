/* SPDX-License-Identifier: MIT
 *
 * Another ring size and policy while producers are attached, as shmlog-collector(1) tells to do it:
 * the collector is stopped, the segment moved aside, and a new one made in its place, while a
 * second collector drains the old one. A producer that stays with the old segment loses nothing;
 * one with SHMLOG_OPEN_LATER goes over to the new one when it looks, and the calls that it makes in
 * between are counted. Every call is in the files or counted, to the record.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const old_args[] = {"--ring-size", "1m", "--spare-rings", "4", NULL};
static const char *const new_args[] = {"--ring-size", "2m", "--spare-rings", "4", "--on-full",
                                       "overwrite",   NULL};

#define BETWEEN 100u /* calls without a segment */

static struct shmlog *plain, *later;
static uint64_t of_plain, of_later;

static void log_both(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        shmlog_info(plain, "plain %lu", (unsigned long)of_plain++);
        shmlog_info(later, "later %lu", (unsigned long)of_later++);
    }
}

/* Numbers in the order in which they were logged, none twice; how many. The later one's are not
 * all there. */
static uint64_t check_numbers(const char *output, const char *who)
{
    const char *const dump[] = {output, "--fields", "message", "--format", "text", NULL};
    char *text, *save = NULL;
    uint64_t count = 0, next = 0;

    kit_dump(kit_path("messages"), dump);
    text = kit_read_file(kit_path("messages"), NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        uint64_t number;

        if (strncmp(line, who, strlen(who)) != 0)
            continue;
        number = strtoull(line + strlen(who) + 1, NULL, 10);
        KIT_COMPARE(number, >=, next);
        if (who[0] == 'p')
            KIT_EQ(number, next);
        next = number + 1;
        count++;
    }
    free(text);
    return count;
}

int main(void)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_LATER};
    struct kit_process first, old, fresh;
    struct kit_ledger ledger;
    struct shmlog *other;
    const char *output;

    kit_begin("renewed");
    kit_need_io();
    output = kit_path("log");
    kit_collector_start(&first, "trading", output, old_args);
    KIT_OK(shmlog_open(&plain, "trading", NULL));
    KIT_OK(shmlog_open(&later, "trading", &options));
    log_both(1000);
    kit_collector_stop(&first);
    /* the segment itself keeps its rings, and the collector says so */
    kit_collector_start(&first, "trading", output, new_args);
    KIT_CHECK(kit_err_contains(&first, "--ring-size, --on-full: not in effect"));
    kit_collector_stop(&first);
    log_both(1000); /* there is room in the rings */
    KIT_EQ(rename(kit_text("%s/trading", kit_shm_dir()), kit_text("%s/trading.old", kit_shm_dir())),
           0);
    KIT_OK(shmlog_status(later));
    KIT_EQ(shmlog_poll(later), -ENOENT);
    log_both(BETWEEN);
    KIT_EQ(shmlog_lost(later), BETWEEN);
    kit_collector_start(&fresh, "trading", output, new_args);
    kit_collector_start(&old, "trading.old", output, NULL);
    KIT_CHECK(!kit_err_contains(&old, "not in effect")); /* nothing else was asked for */
    KIT_CHECK(!kit_err_contains(&fresh, "not in effect"));
    KIT_OK(shmlog_open(&other, "trading", NULL));
    KIT_EQ(other->local.geometry.ring_slots, (2 << 20) / SHMLOG_SLOT_SIZE);
    KIT_EQ(other->local.geometry.on_full, SHMLOG_ON_FULL_OVERWRITE);
    KIT_OK(shmlog_poll(later));
    log_both(1000);
    KIT_EQ(shmlog_lost(later), BETWEEN);
    KIT_EQ(plain->local.geometry.on_full, SHMLOG_ON_FULL_DROP);
    KIT_EQ(shmlog_lost(plain), 0);
    shmlog_close(other);
    shmlog_close(plain);
    shmlog_close(later);
    kit_collector_stop(&old);
    kit_collector_stop(&fresh);
    KIT_EQ(access(kit_text("%s/trading", kit_shm_dir()), F_OK), -1);
    KIT_EQ(access(kit_text("%s/trading.old", kit_shm_dir()), F_OK), -1);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.dropped, BETWEEN);
    KIT_EQ(ledger.produced, of_plain + of_later);
    KIT_EQ(ledger.in_ring, 0);
    KIT_EQ(check_numbers(output, "plain"), of_plain);
    KIT_EQ(check_numbers(output, "later"), of_later - BETWEEN);
    kit_check_zstd(output);
    return 0;
}
