/* SPDX-License-Identifier: MIT
 *
 * A process begins a line with cat_line() and dies, or goes on without ever ending it; others,
 * and itself, log criticals in the same ring. These come out on their own, at once, and are found
 * by category; the line comes out as far as it was logged, marked as unfinished. Of a live segment,
 * of one that is followed, and of files.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "tools/cat_line.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT "begun"
#define GIVEN_UP_S 6 /* somewhat more than --follow waits for the next piece of a line */

static void begin_line(struct shmlog *log)
{
    cat_line(log, SHMLOG_INFO, 1, "begun ", 6);
}

static struct shmlog *attach(void)
{
    struct shmlog *log;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(kit_cpu(0), &set);
    KIT_EQ(sched_setaffinity(0, sizeof(set), &set), 0); /* one ring for all */
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    return log;
}

static int begin_and_die(void *arg)
{
    begin_line(attach());
    raise(SIGKILL);
    return 0;
}

/* Its later lines are others, of another level. */
static int begin_and_go_on(void *arg)
{
    struct shmlog *const log = attach();

    begin_line(log);
    shmlog_log(log, SHMLOG_CRITICAL, "risk", "its own critical");
    cat_line(log, SHMLOG_WARN, 0, "another line", 12);
    shmlog_close(log);
    return 0;
}

static int log_critical(void *arg)
{
    struct shmlog *const log = attach();

    shmlog_log(log, SHMLOG_CRITICAL, "risk", "another's critical");
    shmlog_close(log);
    return 0;
}

static void run(const char *name, int (*function)(void *arg), int status)
{
    struct kit_process process;

    kit_spawn_function(&process, name, function, NULL);
    KIT_EQ(kit_wait_exit(&process, KIT_PATIENCE), status);
}

static void expect_dump(const char *source, const char *option, const char *value, const char *want)
{
    const char *const path = kit_path("dumped");
    char *got;

    kit_dump(path, (const char *const[]){"--fields", "level,message", option, value, source, NULL});
    got = kit_read_file(path, NULL);
    KIT_STR_EQ(got, want);
    free(got);
}

static void expect_all(const char *source)
{
    expect_dump(source, "--level", "info",
                "critical\tits own critical\n"
                "warn\tanother line\n"
                "critical\tanother's critical\n"
                "info\tbegun \n"
                "info\tbegun \n");
    expect_dump(source, "--category", "risk",
                "critical\tits own critical\n"
                "critical\tanother's critical\n");
}

static bool has_criticals(void *arg)
{
    char *out = kit_read_file(((struct kit_process *)arg)->out, NULL);
    const bool has = strstr(out, "CRIT") && strstr(out, "its own critical\n") &&
                     strstr(out, "another's critical\n");

    free(out);
    return has;
}

static bool has_begun(void *arg)
{
    char *out = kit_read_file(((struct kit_process *)arg)->out, NULL);
    const char *one = strstr(out, "begun \xe2\x80\xa6\n");
    const bool has = one && strstr(one + 1, "begun \xe2\x80\xa6\n");

    free(out);
    return has;
}

static struct shmlog *marks;

/* It has attached, and does not begin behind what is logged from now on. */
static bool is_following(void *arg)
{
    const struct kit_process *const dump = arg;
    char *out;
    bool is;

    shmlog_debug(marks, "mark");
    if (access(dump->out, R_OK) < 0)
        return false;
    out = kit_read_file(dump->out, NULL);
    is = strstr(out, "mark");
    free(out);
    return is;
}

int main(void)
{
    struct kit_process collector, dump;
    bool driven;

    kit_begin("begun_line");
    kit_collector_start(&collector, SEGMENT, kit_path("log"), NULL);
    driven = kit_clock_begin();
    kit_clock_stand(); /* no line is given up */
    kit_spawn(&dump,
              (const char *const[]){kit_program("tools/shmlog-dump"), "--follow", SEGMENT, NULL},
              NULL);
    kit_clock_end();
    KIT_OK(shmlog_open(&marks, SEGMENT, NULL));
    KIT_CHECK(kit_wait(is_following, &dump, KIT_PATIENCE));
    shmlog_close(marks);
    run("dies", begin_and_die, 128 + SIGKILL);
    run("goes-on", begin_and_go_on, 0);
    run("critical", log_critical, 0);
    KIT_CHECK(kit_wait(has_criticals, &dump, KIT_PATIENCE));
    if (driven)
        KIT_CHECK(!has_begun(&dump));
    kit_clock_forward(GIVEN_UP_S);
    KIT_CHECK(kit_wait(has_begun, &dump, KIT_PATIENCE));
    kit_kill(&dump, SIGTERM);
    KIT_EQ(kit_wait_exit(&dump, KIT_PATIENCE), 0);
    expect_all(SEGMENT);
    kit_collector_stop(&collector);
    expect_all(kit_path("log"));
    return 0;
}
