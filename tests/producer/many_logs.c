/* SPDX-License-Identifier: MIT
 *
 * Many logs in one thread: a program's own, and those that it and plugins hand each other. Each
 * plugin has a copy of its own of all that the header has, which finds the thread's state for any
 * of them; calls that alternate take no system call, and a signal handler that logs to one log at
 * any instruction of a call to another leaves that call right.
 *
 * usage: many_logs PLUGIN   a shared object of logs.c; SHMLOG_TEST_THOROUGH=1: every instruction
 */
#include "tests/producer/logs.h"
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define OWN 4u /* logs that each object can open */
#define OBJECTS 3u
#define ALTERNATIONS 1000u
#define SAMPLE 97u /* the processor's single steps are slow in a virtual machine */

static const struct logs_calls *load(const char *name)
{
    /* a copy by another name is another object */
    static unsigned copies;
    const char *const copy = kit_path(kit_text("%s-%u.so", name, copies++));
    const struct logs_calls *calls;
    void *plugin;

    kit_copy_file(kit_program(kit_text("tests/producer/lib%s.so", name)), copy);
    plugin = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        KIT_FAIL("%s", dlerror());
    calls = dlsym(plugin, "logs_calls");
    KIT_CHECK(calls != NULL);
    return calls;
}

/* From now on, a system call other than that of _exit() kills this process. */
static void forbid_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = 4, .filter = filter};

    KIT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    KIT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static struct segment_kit segment[2];
static const char *const name[2] = {"first", "second"};

static void test_many(const char *plugin)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 20, .spare_rings = OBJECTS * OWN};
    const struct logs_calls *const object[] = {NULL, load(plugin), load(plugin)};
    struct shmlog *log[OBJECTS * OWN];
    pid_t child;
    int status;

    segment_kit_open(&segment[0], name[0], &params);
    for (unsigned i = 0; i < OBJECTS * OWN; i++)
        KIT_OK(object[i / OWN] ? object[i / OWN]->open(&log[i], name[0])
                               : shmlog_open(&log[i], name[0], NULL));
    child = fork();
    KIT_COMPARE(child, >=, 0);
    if (child == 0) {
        for (unsigned round = 0; round < ALTERNATIONS; round++) {
            /* by then all is registered; a sanitizer makes system calls of its own */
            if (round == 2 && !kit_sanitized())
                forbid_system_calls();
            for (unsigned i = 0; i < OBJECTS * OWN; i++)
                object[1]->log(log[i], 0, LOGS_SLOT, round);
        }
        _exit(0);
    }
    KIT_EQ(waitpid(child, &status, 0), child);
    if (status != 0)
        KIT_FAIL("calls to many logs in turn: status %x", (unsigned)status);
    KIT_EQ(segment_kit_drain(&segment[0], NULL, NULL), OBJECTS * OWN * ALTERNATIONS);
    KIT_EQ(segment_kit_counted(&segment[0]), 0);
    /* its entries and the parent's: one for each log */
    KIT_EQ(shm_producers_used(segment[0].segment), 2 * OBJECTS * OWN);
    for (unsigned i = 0; i < OBJECTS * OWN; i++)
        (object[i / OWN] ? object[i / OWN]->close : shmlog_close)(log[i]);
    segment_kit_close(&segment[0]);
}

/* ---- A handler logs to another log ---- */

struct interrupted {
    const struct logs_calls *object;
    struct shmlog *log, *other;
    unsigned which; /* of the two is `log` */
    enum logs_kind kind;
    bool own_other; /* the thread owns a ring there, too */
    bool fresh;     /* it is registered with the other log by the handler */
    unsigned step;
    int hit;
};

static void *run_interrupted(void *arg)
{
    struct interrupted *const i = arg;

    /* stepping through a sequence would abort it each time */
    KIT_OK(shmlog_own_ring(i->log));
    if (i->own_other)
        KIT_OK(shmlog_own_ring(i->other));
    i->object->log(i->log, i->which, i->kind, 0);
    if (!i->fresh)
        i->object->log(i->other, !i->which, i->kind, 0);
    i->hit = i->object->interrupt(i->log, i->other, i->which, i->kind, i->step, i->step);
    return NULL;
}

struct seen {
    enum logs_kind kind;
    unsigned number; /* the highest */
};

static void see(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct seen *const seen = arg;
    const unsigned number =
        segment_kit_u32(slots, seen->kind == LOGS_RAW ? SHMLOG_PAYLOAD_RAW : SHMLOG_PAYLOAD_ARGS);

    (void)ring;
    KIT_COMPARE(segment_kit_producer(slots), !=, 0);
    seen->number = number > seen->number ? number : seen->number;
}

/* What threads that have ended leave to the collector. */
static void bury(struct segment_kit *kit, struct shmlog *log)
{
    struct shm_segment *const s = kit->segment;

    for (uint32_t i = 0; i < shm_producers_used(s); i++)
        if (shm_producers(s)[i].tid != (uint32_t)getpid())
            shm_producers(s)[i].claim = 0;
    for (uint32_t i = s->geometry.cpu_rings; i < s->geometry.rings; i++)
        s->rings[i].header->owner = 0;
    KIT_EQ(segment_kit_counted(kit), 0);
    KIT_EQ(s->control->magic, SHMLOG_CONTROL_MAGIC);
    KIT_EQ(shmlog_lost(log), 0);
}

/* At each instruction of a call, or at one in `sample`. Returns how many they were. */
static unsigned interrupt_call(struct interrupted *i, unsigned sample)
{
    static uint64_t random;
    unsigned steps = 0;

    if (!random)
        random = kit_seed();
    for (i->step = 1 + (unsigned)kit_random_below(&random, sample);; i->step += sample, steps++) {
        struct seen seen[2] = {{i->kind, 0}, {i->kind, 0}};
        pthread_t thread;

        KIT_EQ(pthread_create(&thread, NULL, run_interrupted, i), 0);
        KIT_EQ(pthread_join(thread, NULL), 0);
        KIT_EQ(segment_kit_drain(&segment[0], see, &seen[0]) +
                   segment_kit_drain(&segment[1], see, &seen[1]),
               3u - i->fresh + (unsigned)i->hit);
        KIT_EQ(segment[0].lost + segment[1].lost, 0);
        bury(&segment[0], i->log);
        bury(&segment[1], i->other);
        if (!i->hit)
            return steps;
        KIT_EQ(seen[0].number, i->step);
        KIT_EQ(seen[1].number, i->step);
    }
}

static void test_interrupted(const char *plugin)
{
    const struct segment_kit_params params[2] = {{.ring_bytes = 1 << 16, .spare_rings = 2},
                                                 {.ring_bytes = 1 << 18, .spare_rings = 2}};
    const struct logs_calls *const object = load(plugin);
    const unsigned sample = kit_number("SHMLOG_TEST_THOROUGH", 0) ? 1 : SAMPLE;
    struct shmlog *log[2];
    unsigned steps = 0;

    for (unsigned i = 0; i < 2; i++)
        segment_kit_open(&segment[i], name[i], &params[i]);
    KIT_OK(shmlog_open(&log[0], name[0], NULL)); /* handed to the plugin */
    KIT_OK(object->open(&log[1], name[1]));      /* its own */
    for (unsigned variant = 0; variant < 8 * LOGS_KINDS; variant++) {
        struct interrupted i = {
            .object = object,
            .which = variant & 1,
            .log = log[variant & 1],
            .other = log[!(variant & 1)],
            .own_other = variant & 2,
            .fresh = variant & 4,
            .kind = variant / 8,
        };

        if (!i.own_other || !i.fresh) /* who asks for a ring is registered */
            steps += interrupt_call(&i, sample);
    }
    printf("%u instructions interrupted\n", steps);
    KIT_COMPARE(steps, >, 6 * LOGS_KINDS * 30 / sample);
    shmlog_close(log[0]);
    object->close(log[1]);
    for (unsigned i = 0; i < 2; i++)
        segment_kit_close(&segment[i]);
}

int main(int argc, char **argv)
{
    const char *const plugin = argc > 1 ? argv[1] : "logs";

    kit_begin("many_logs");
    test_many(plugin);
#if defined(__x86_64__)
    if (!kit_sanitized()) /* whose own instructions would be interrupted, too */
        test_interrupted(plugin);
#endif
    return 0;
}
