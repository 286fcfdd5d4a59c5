/* SPDX-License-Identifier: MIT
 *
 * Shared objects that log. The program exports its implementation: by that a linked library, and
 * plugins that are loaded, log and are unloaded, log as one producer. A plugin with an
 * implementation of its own is another one. The program goes on when they are gone, and while timer
 * signals interrupt it, so that the kernel looks at what an unloaded sequence may have left behind.
 */
#include "tests/producer/segment_kit.h"

#include "producer/shmlog.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define RECORDS 100u
#define ROUNDS 20u
#define RELOADS 300u

void linked_log(struct shmlog *log, unsigned records);

struct seen {
    uint32_t producer;
    uint64_t others; /* records with another producer's id */
};

static void see(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct seen *seen = arg;

    (void)ring;
    if (!seen->producer)
        seen->producer = segment_kit_producer(slots);
    if (segment_kit_producer(slots) != seen->producer)
        seen->others++;
}

static void *load(const char *path, const char *name, void *ret_function)
{
    void *const plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol;

    if (!plugin)
        KIT_FAIL("%s: %s", path, dlerror());
    symbol = dlsym(plugin, name);
    KIT_CHECK(symbol != NULL);
    memcpy(ret_function, &symbol, sizeof(symbol));
    return plugin;
}

/* Really, so that its code is gone. */
static void unload(void *plugin, const char *path)
{
    KIT_EQ(dlclose(plugin), 0);
    if (!kit_sanitized())
        KIT_CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

static void log_through(struct shmlog *log, const char *name)
{
    const char *const path = kit_program(kit_text("tests/producer/lib%s.so", name));
    void (*function)(struct shmlog *, unsigned);
    void *const plugin = load(path, "plugin_log", &function);

    function(log, RECORDS);
    unload(plugin, path);
}

/* Load a plugin again and again, each time before the one before is unloaded, and log through it.
 */
static void reload(struct shmlog *log, const char *name, unsigned times)
{
    void (*function)(struct shmlog *, unsigned);
    void *last = NULL;

    for (unsigned i = 0; i < times; i++) {
        const char *const path = kit_path(kit_text("%s-%u.so", name, i % 2));
        void *plugin;

        if (i < 2)
            kit_copy_file(kit_program(kit_text("tests/producer/lib%s.so", name)), path);
        plugin = load(path, "plugin_log", &function);
        function(log, 1);
        if (last)
            KIT_EQ(dlclose(last), 0);
        last = plugin;
    }
    KIT_EQ(dlclose(last), 0);
}

static struct segment_kit of_plugin;

static void create(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18};

    segment_kit_open(&of_plugin, "of_plugin", &params);
}

/* A plugin that opens for itself, before there is a segment. */
static void run_and_unload(const char *name, unsigned times)
{
    const char *const path = kit_program(kit_text("tests/producer/lib%s.so", name));

    for (unsigned i = 0; i < times; i++) {
        int (*run)(const char *segment, void (*create)(void), unsigned records);
        void *const plugin = load(path, "plugin_run", &run);

        KIT_OK(run("of_plugin", create, RECORDS));
        unload(plugin, path);
        KIT_EQ(of_plugin.segment->control->lost[SHMLOG_LOST_NO_RING], RECORDS);
        KIT_EQ(segment_kit_counted(&of_plugin), RECORDS);
        KIT_EQ(segment_kit_drain(&of_plugin, NULL, NULL), RECORDS);
        KIT_CHECK(!shm_segment_in_use(of_plugin.segment));
        segment_kit_close(&of_plugin);
    }
}

static void on_alarm(int signal)
{
    (void)signal;
}

static void start_alarms(void)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec every = {.it_interval = {.tv_nsec = 50000}, .it_value = {.tv_nsec = 1}};
    timer_t timer;

    sigaction(SIGALRM, &sa, NULL);
    KIT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    KIT_EQ(timer_settime(timer, 0, &every, NULL), 0);
}

int main(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 20, .spare_rings = 2};
    struct segment_kit segment;
    struct seen seen = {0};
    struct shmlog *log;

    kit_begin("plugins");
    segment_kit_open(&segment, "plugins", &params);
    KIT_OK(shmlog_open(&log, "plugins", NULL));
    start_alarms();
    for (unsigned round = 0; round < ROUNDS; round++) {
        shmlog_info(log, "program round %u", round);
        linked_log(log, RECORDS);
        log_through(log, "plugin_one");
        for (unsigned i = 0; i < RECORDS; i++)
            shmlog_info(log, "program record %u", i);
        log_through(log, "plugin_two");
        segment_kit_drain(&segment, see, &seen);
    }
    reload(log, "plugin_one", RELOADS);
    run_and_unload("plugin_one", ROUNDS);
    run_and_unload("plugin_own", ROUNDS);
    shmlog_info(log, "program");
    segment_kit_drain(&segment, see, &seen);
    KIT_EQ(segment.records, ROUNDS * (1 + 4 * RECORDS) + RELOADS + 1);
    KIT_EQ(segment.lost, 0);
    KIT_EQ(segment_kit_counted(&segment), 0);
    KIT_EQ(seen.others, 0);
    shmlog_close(log);
    segment_kit_close(&segment);
    return 0;
}
