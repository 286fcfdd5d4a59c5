/* SPDX-License-Identifier: MIT
 *
 * Many logs in one thread: a program's, and those of a plugin, which has its host's implementation
 * or one of its own. Calls that alternate take no system call, and a signal handler that logs to
 * one log at any instruction of a call to another leaves that call right.
 *
 * usage: many_logs PLUGIN   a shared object of logs.c; SHMLOG_TEST_THOROUGH=1: every instruction
 */
#include "tests/producer/logs.h"
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#include "tests/kit/shared_rings.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define LOGS 4u /* that an implementation can have open */
#define ALTERNATIONS 1000u
#define SAMPLE 97u /* the processor's single steps are slow in a virtual machine */

static const struct logs_calls *load(const char *name)
{
    void *const plugin =
        dlopen(kit_program(kit_text("tests/producer/lib%s.so", name)), RTLD_NOW | RTLD_LOCAL);
    const struct logs_calls *calls;

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

/* Logs of the program; and as many of the plugin, if that has an implementation of its own. */
static void test_many(const struct logs_calls *plugin)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 20};
    const unsigned logs = plugin->share ? 2 * LOGS : LOGS;
    struct shmlog *log[2 * LOGS], *more;
    pid_t child;
    int status;

    segment_kit_open(&segment[0], name[0], &params);
    for (unsigned i = 0; i < logs; i++)
        KIT_OK(i < LOGS ? shmlog_open(&log[i], name[0], NULL) : plugin->open(&log[i], name[0]));
    KIT_EQ(shmlog_open(&more, name[0], NULL), -EMFILE);
    KIT_EQ(plugin->open(&more, name[0]), -EMFILE);
    child = fork();
    KIT_COMPARE(child, >=, 0);
    if (child == 0) {
        for (unsigned round = 0; round < ALTERNATIONS; round++) {
            /* by then all is registered; a sanitizer makes system calls of its own */
            if (round == 2 && !kit_sanitized())
                forbid_system_calls();
            for (unsigned i = 0; i < logs; i++) {
                if (i < LOGS && plugin->share)
                    shmlog_info(log[i], "%u", round);
                else
                    plugin->log(log[i], 0, LOGS_SLOT, round);
            }
        }
        _exit(0);
    }
    KIT_EQ(waitpid(child, &status, 0), child);
    if (status != 0)
        KIT_FAIL("calls to many logs in turn: status %x", (unsigned)status);
    KIT_EQ(segment_kit_drain(&segment[0], NULL, NULL), logs * ALTERNATIONS);
    KIT_EQ(segment_kit_counted(&segment[0]), 0);
    /* its entries and the parent's: one for each log */
    KIT_EQ(shm_producers_used(segment[0].segment), 2 * logs);
    for (unsigned i = 0; i < logs; i++)
        (i < LOGS ? shmlog_close : plugin->close)(log[i]);
    segment_kit_close(&segment[0]);
}

/* ---- A handler logs to another log ---- */

struct interrupted {
    const struct logs_calls *object;
    struct shmlog *log, *other;
    unsigned which; /* of the two is `log` */
    enum logs_kind kind;
    bool shares_other; /* there it goes into shared rings, too */
    bool fresh;        /* it is registered with the other log by the handler */
    unsigned step;
    int hit;
};

static void *run_interrupted(void *arg)
{
    struct interrupted *const i = arg;

    /* stepping through a sequence would abort it each time */
    KIT_OK((i->object->share ? i->object->share : kit_share)(i->log));
    if (i->shares_other)
        KIT_OK((i->object->share ? i->object->share : kit_share)(i->other));
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
static void bury(struct segment_kit *kit)
{
    struct shm_segment *const s = kit->segment;

    for (uint32_t i = 0; i < shm_producers_used(s); i++)
        if (shm_producers(s)[i].tid != (uint32_t)getpid())
            shm_producers(s)[i].claim = 0;
    for (uint32_t i = 0; i < s->geometry.rings; i++)
        KIT_EQ(s->rings[i].header->holder, 0);
    KIT_EQ(segment_kit_counted(kit), 0);
    KIT_EQ(s->control->magic, SHMLOG_CONTROL_MAGIC);
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
        bury(&segment[0]);
        bury(&segment[1]);
        if (!i->hit)
            return steps;
        KIT_EQ(seen[0].number, i->step);
        KIT_EQ(seen[1].number, i->step);
    }
}

static void test_interrupted(const struct logs_calls *object)
{
    const struct segment_kit_params params[2] = {{.ring_bytes = 1 << 16, .spare_rings = 2},
                                                 {.ring_bytes = 1 << 18, .spare_rings = 2}};
    const unsigned sample = kit_number("SHMLOG_TEST_THOROUGH", 0) ? 1 : SAMPLE;
    unsigned steps = 0;

    for (unsigned i = 0; i < 2; i++)
        segment_kit_open(&segment[i], name[i], &params[i]);
    for (unsigned variant = 0; variant < 8 * LOGS_KINDS; variant++) {
        struct shmlog *log[2];
        struct interrupted i = {
            .object = object,
            .which = variant & 1,
            .shares_other = variant & 2,
            .fresh = variant & 4,
            .kind = variant / 8,
        };

        if (i.shares_other && i.fresh) /* who is to share is registered */
            continue;
        for (unsigned k = 0; k < 2; k++)
            KIT_OK(object->open(&log[k], name[k]));
        i.log = log[variant & 1];
        i.other = log[!(variant & 1)];
        steps += interrupt_call(&i, sample);
        for (unsigned k = 0; k < 2; k++)
            object->close(log[k]);
    }
    printf("%u instructions interrupted\n", steps);
    KIT_COMPARE(steps, >, 6 * LOGS_KINDS * 30 / sample);
    for (unsigned i = 0; i < 2; i++)
        segment_kit_close(&segment[i]);
}

int main(int argc, char **argv)
{
    const struct logs_calls *plugin;

    kit_begin("many_logs");
    plugin = load(argc > 1 ? argv[1] : "logs");
    test_many(plugin);
#if defined(__x86_64__)
    if (!kit_sanitized()) /* whose own instructions would be interrupted, too */
        test_interrupted(plugin);
#endif
    return 0;
}
