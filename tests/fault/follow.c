/* SPDX-License-Identifier: MIT
 *
 * `shmlog-dump --follow` from before its segment's collector has ever run, through collectors that
 * end and take their segment with them, and one that is killed: each record comes out once, and
 * each change is said.
 */
#include "tests/kit/kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 4u
#define LINES 300u
#define GONE ": followed: the segment is gone; waiting for its successor\n"

static struct kit_process collector, dump;

/* The collector takes records at once: without a look back they would be missed. */
static void start_collector(void)
{
    kit_collector_start(&collector, "followed", kit_path("log"),
                        (const char *const[]){"--flush-ms", "1", "--ring-size", "1m", NULL});
}

static void log_round(unsigned round)
{
    const char *const argv[] = {kit_program("tools/shmlog-cat"), "--segment", "followed", NULL};
    const char *const path = kit_text("%s-%u", kit_path("lines"), round);
    const struct kit_spawn_options options = {.stdin_path = path};
    struct kit_process cat;
    FILE *lines = fopen(path, "w");

    KIT_CHECK(lines);
    for (unsigned i = 0; i < LINES; i++)
        fprintf(lines, "round %u line %u.\n", round, i);
    fclose(lines);
    KIT_EQ(kit_run(&cat, argv, &options), 0);
}

static unsigned count(const char *path, const char *text)
{
    char *all = kit_read_file(path, NULL);
    unsigned found = 0;

    for (const char *at = all; (at = strstr(at, text)); at += strlen(text))
        found++;
    free(all);
    return found;
}

static bool has_seen_the_end(void *arg)
{
    return count(dump.err, GONE) == 1 + *(const unsigned *)arg;
}

static bool has_last_line(void *arg)
{
    const unsigned round = *(const unsigned *)arg;
    char *out = kit_read_file(dump.out, NULL);
    const bool found = strstr(out, kit_text("round %u line %u.\n", round, LINES - 1));

    free(out);
    return found;
}

static void check_lines(void)
{
    char *out = kit_read_file(dump.out, NULL), *at = out;

    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < LINES; i++) {
            const char *const line = kit_text("round %u line %u.\n", round, i);

            if (strncmp(at, line, strlen(line)) != 0)
                KIT_FAIL("not '%.*s' but '%.40s'", (int)strlen(line) - 1, line, at);
            at += strlen(line);
        }
    KIT_STR_EQ(at, "");
    free(out);
}

int main(void)
{
    kit_begin("follow");
    kit_spawn(&dump,
              (const char *const[]){kit_program("tools/shmlog-dump"), "--follow", "--fields",
                                    "message", "followed", NULL},
              NULL);
    kit_wait_text(&dump, "no such segment", KIT_PATIENCE);
    for (unsigned round = 0; round < ROUNDS; round++) {
        start_collector();
        log_round(round);
        KIT_CHECK(kit_wait(has_last_line, &round, KIT_PATIENCE));
        if (round == 1) { /* its successor takes the segment over: nothing is gone */
            kit_kill_hard(&collector);
            start_collector();
        }
        kit_collector_stop(&collector);
        KIT_CHECK(kit_wait(has_seen_the_end, &round, KIT_PATIENCE));
    }
    kit_kill(&dump, SIGINT);
    KIT_EQ(kit_wait_exit(&dump, KIT_PATIENCE), 0);
    check_lines();
    KIT_EQ(count(dump.err, "; waiting for it\n"), 1);
    KIT_EQ(count(dump.err, ": followed: following the new segment\n"), ROUNDS);
    KIT_EQ(count(dump.err, GONE), ROUNDS);
    KIT_EQ(count(dump.err, "\n"), 1 + 2 * ROUNDS); /* and nothing else: none missed, none lost */
    return 0;
}
