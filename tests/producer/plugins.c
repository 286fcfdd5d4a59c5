/* SPDX-License-Identifier: MIT
 *
 * One log, many shared objects: the program, a linked library, and plugins that are loaded, log and
 * are unloaded log as one producer; the program goes on when they are gone, and while timer signals
 * interrupt it, so that the kernel looks at what an unloaded sequence may have left behind.
 */
#include "tests/producer/segment_kit.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define RECORDS 100u
#define ROUNDS 20u
#define RELOADS 300u
#define RELOADS_STATIC 20u /* with static thread-local storage */

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

/* Load a plugin, log through it, unload it: really, so that its code is gone. */
static void log_through(struct shmlog *log, const char *name)
{
    const char *path = kit_program(kit_text("tests/producer/lib%s.so", name));
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void (*function)(struct shmlog *, unsigned);
    void *symbol;

    if (!plugin)
        KIT_FAIL("%s", dlerror());
    symbol = dlsym(plugin, "plugin_log");
    KIT_CHECK(symbol != NULL);
    memcpy(&function, &symbol, sizeof(function));
    function(log, RECORDS);
    KIT_EQ(dlclose(plugin), 0);
    if (!kit_sanitized())
        KIT_CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

/* Load a plugin again and again, each time before the one before is unloaded, and log through it.
 * The C library gives back no static thread-local storage then. */
static void reload(struct shmlog *log, const char *name, unsigned times)
{
    void (*function)(struct shmlog *, unsigned);
    void *last = NULL;

    for (unsigned i = 0; i < times; i++) {
        const char *const path = kit_path(kit_text("%s-%u.so", name, i % 2));
        void *plugin, *symbol;

        if (i < 2)
            kit_copy_file(kit_program(kit_text("tests/producer/lib%s.so", name)), path);
        plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!plugin)
            KIT_FAIL("the %uth time: %s", i + 1, dlerror());
        symbol = dlsym(plugin, "plugin_log");
        memcpy(&function, &symbol, sizeof(function));
        function(log, 1);
        if (last)
            KIT_EQ(dlclose(last), 0);
        last = plugin;
    }
    KIT_EQ(dlclose(last), 0);
}

struct waiter {
    int (*wait)(const char *segment, unsigned records);
    int result;
};

static void *run_waiter(void *arg)
{
    struct waiter *waiter = arg;

    waiter->result = waiter->wait("waited", RECORDS);
    return NULL;
}

/* A plugin that waits for its segment; when it has closed its log, nothing of it runs any more. */
static void wait_and_unload(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 2};
    const char *path = kit_program("tests/producer/libplugin_one.so");
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    struct segment_kit segment;
    struct waiter waiter;
    pthread_t thread;
    void *symbol;

    KIT_CHECK(plugin != NULL);
    symbol = dlsym(plugin, "plugin_wait");
    KIT_CHECK(symbol != NULL);
    memcpy(&waiter.wait, &symbol, sizeof(waiter.wait));
    KIT_EQ(pthread_create(&thread, NULL, run_waiter, &waiter), 0);
    segment_kit_open(&segment, "waited", &params);
    KIT_EQ(pthread_join(thread, NULL), 0);
    KIT_OK(waiter.result);
    KIT_EQ(dlclose(plugin), 0);
    if (!kit_sanitized())
        KIT_CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL) + segment_kit_counted(&segment), 2 * RECORDS);
    segment_kit_close(&segment);
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
    reload(log, "plugin_one", RELOADS_STATIC);
    reload(log, "plugin_dynamic", RELOADS);
    segment_kit_drain(&segment, see, &seen);
    KIT_EQ(segment.records, ROUNDS * (1 + 4 * RECORDS) + RELOADS_STATIC + RELOADS);
    KIT_EQ(segment.lost, 0);
    KIT_EQ(segment_kit_counted(&segment), 0);
    KIT_EQ(seen.others, 0);
    wait_and_unload();
    shmlog_close(log);
    segment_kit_close(&segment);
    return 0;
}
