/* SPDX-License-Identifier: MIT
 *
 * What a log call costs while many threads and processes are attached.
 *
 *     bench_scale SEGMENT CORE THREADS PROCESSES TURNS
 *
 * THREADS threads, evenly spread over PROCESSES processes, attach to the segment and log a record
 * each. Then they take turns on one core, the next one each time: after some calls that do not
 * count, a burst of 4,096 calls, and beside it, from this program, a burst of the floor. So every
 * turn begins with what the others left in the caches. Figures are medians over the turns.
 *
 * Exits with 77 where the machine does not let so many threads be.
 */
#include "bench/bench.h"
#include "bench/burst.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define THREADS_MAX 4096u
#define TURNS_MAX 100000u
#define BURST 4096u /* a quarter of a default ring: the doorbell rings once in each */
#define WARM_UP 64u
#define STACK (256u * 1024u)

/* Shared by all processes. A worker's turn comes when its word is 1; it sets it back to 0. */
static struct {
    uint32_t ready;
    uint32_t turn[THREADS_MAX];
    double ticks; /* for each call of the last burst */
} * shared;

static const char *segment;
static unsigned core, threads_each;
static struct shmlog *log_;

static void futex_wait(uint32_t *word, uint32_t while_value)
{
    const struct timespec limit = {.tv_sec = 60};

    while (shmlog_load_acquire_(word) == while_value)
        if (syscall(SYS_futex, word, FUTEX_WAIT, while_value, &limit, NULL, 0) < 0 &&
            errno == ETIMEDOUT)
            bench_die("waited for 60 s for another thread");
}

static void futex_set(uint32_t *word, uint32_t value)
{
    shmlog_store_release_(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

__attribute__((noinline)) static void call_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

/* A process's attachment is for all of its threads; each has an identity of its own. */
static void *work(void *argument)
{
    uint32_t *const turn = argument;
    const struct shmlog_ring *ring;

    bench_pin(core);
    call_burst(log_, 1, 1);
    ring = bench_ring(log_, core);
    __atomic_fetch_add(&shared->ready, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &shared->ready, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    for (;;) {
        futex_wait(turn, 0);
        while (shmlog_load_relaxed_(&ring->head) - shmlog_load_acquire_(&ring->tail) >
               ring->slots - 2 * BURST)
            __builtin_ia32_pause();
        call_burst(log_, 1, WARM_UP);
        shared->ticks = bench_burst_run(call_burst, log_, BURST);
        futex_set(turn, 0);
    }
    return NULL;
}

static void skip(const char *what, int error)
{
    fprintf(stderr, "bench_scale: %s: %s\n", what, strerror(error));
    exit(77);
}

/* A process of threads `first` and on; its first thread is the process's own. */
static void run_process(unsigned first)
{
    pthread_attr_t attributes;
    pthread_t thread;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    log_ = bench_attach(segment);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (unsigned i = 1; i < threads_each; i++) {
        const int r = pthread_create(&thread, &attributes, work, &shared->turn[first + i]);

        if (r != 0)
            skip("cannot start a thread", r);
    }
    work(&shared->turn[first]);
}

static void start_workers(unsigned processes, pid_t *ret_pids)
{
    for (unsigned i = 0; i < processes; i++) {
        ret_pids[i] = fork();
        if (ret_pids[i] < 0)
            skip("cannot start a process", errno);
        if (ret_pids[i] == 0) {
            run_process(i * threads_each);
            _exit(1);
        }
    }
}

static void wait_ready(unsigned threads)
{
    const uint64_t since = bench_now_ns();
    uint32_t ready;
    int status;

    while ((ready = shmlog_load_acquire_(&shared->ready)) < threads) {
        const struct timespec limit = {.tv_nsec = 100000000};

        syscall(SYS_futex, &shared->ready, FUTEX_WAIT, ready, &limit, NULL, 0);
        if (waitpid(-1, &status, WNOHANG) > 0)
            exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        if (bench_now_ns() - since > UINT64_C(60000000000))
            bench_die("%u of %u threads were attached after 60 s", ready, threads);
    }
}

static void take_turns(unsigned threads, unsigned turns, double tick_ns)
{
    static double calls[TURNS_MAX], floors[TURNS_MAX];
    struct bench_floor floor;
    double call_ns, floor_ns;

    bench_floor_open(&floor);
    for (unsigned i = 0; i < turns; i++) {
        uint32_t *const turn = &shared->turn[i % threads];

        futex_set(turn, 1);
        futex_wait(turn, 1);
        calls[i] = shared->ticks * tick_ns;
        floors[i] = bench_burst_run(bench_floor_burst, &floor, BURST) * tick_ns;
    }
    call_ns = bench_median(calls, turns);
    floor_ns = bench_median(floors, turns);
    printf("\"call_ns\": %.3f, \"floor_ns\": %.3f, \"ratio\": %.4f", call_ns, floor_ns,
           call_ns / floor_ns);
}

int main(int argc, char **argv)
{
    unsigned threads, processes, turns;
    struct shmlog *log;
    double tick_ns;
    pid_t *pids;

    if (argc != 6) {
        fprintf(stderr, "usage: bench_scale SEGMENT CORE THREADS PROCESSES TURNS\n");
        return 2;
    }
    segment = argv[1];
    core = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    threads = (unsigned)bench_number("THREADS", argv[3], 1, THREADS_MAX);
    processes = (unsigned)bench_number("PROCESSES", argv[4], 1, threads);
    turns = (unsigned)bench_number("TURNS", argv[5], 1, TURNS_MAX);
    if (threads % processes)
        bench_die("%u threads do not go evenly into %u processes", threads, processes);
    threads_each = threads / processes;
    bench_pin(core);
    tick_ns = bench_ns_per_tick();
    bench_orders_fill();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pids = calloc(processes, sizeof(*pids));
    if (shared == MAP_FAILED || !pids)
        bench_die("out of memory");

    start_workers(processes, pids);
    wait_ready(threads);
    log = bench_attach(segment);
    printf("{\"bench\": \"scale\", \"threads\": %u, \"processes\": %u, \"rings\": %u, ", threads,
           processes, log->local.geometry.rings);
    take_turns(threads, turns, tick_ns);
    printf(", \"lost\": %lu}\n", shmlog_lost(log));
    for (unsigned i = 0; i < processes; i++)
        kill(pids[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    shmlog_close(log);
    free(pids);
    return 0;
}
