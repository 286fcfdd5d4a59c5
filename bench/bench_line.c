/* SPDX-License-Identifier: MIT
 *
 * What a cache line costs on its way from one core to another: two threads hand one to and fro.
 *
 *     bench_line CORE OTHER_CORE
 *
 * A fact of the machine that all figures with a collector hang on, measured beside them: virtual
 * machines move their cores about, and then it changes by a factor of several. Turns are short, and
 * the tenth part of them that went best tells the distance, also while one of the cores has other
 * things to do; then the median is much larger.
 */
#include "bench/bench.h"

#include <pthread.h>

#define ROUNDS 200u
#define TURNS 100u

static struct {
    _Alignas(128) uint64_t value;
    uint8_t rest[120];
} line;
static unsigned other_cpu;

static void *answer(void *arg)
{
    (void)arg;
    bench_pin(other_cpu);
    for (uint64_t i = 1; i <= (uint64_t)ROUNDS * TURNS; i++) {
        while (shmlog_load_acquire_(&line.value) != 2 * i - 1)
            ;
        shmlog_store_release_(&line.value, 2 * i);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double ns[TURNS], median;
    pthread_t thread;
    uint64_t i = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_line CORE OTHER_CORE\n");
        return 2;
    }
    other_cpu = (unsigned)bench_number("OTHER_CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    bench_pin((unsigned)bench_number("CORE", argv[1], 0, SHMLOG_CPUS_MAX - 1));
    if (strcmp(argv[1], argv[2]) == 0)
        bench_die("two different cores are needed");
    if (pthread_create(&thread, NULL, answer, NULL) != 0)
        bench_die("cannot start a thread");
    for (unsigned turn = 0; turn < TURNS; turn++) {
        const uint64_t since = bench_now_ns();

        for (unsigned round = 0; round < ROUNDS; round++) {
            i++;
            shmlog_store_release_(&line.value, 2 * i - 1);
            while (shmlog_load_acquire_(&line.value) != 2 * i)
                ;
        }
        ns[turn] = (double)(bench_now_ns() - since) / (2.0 * ROUNDS);
    }
    pthread_join(thread, NULL);
    median = bench_median(ns, TURNS); /* sorted now */
    printf("{\"bench\": \"line\", \"one_way_ns\": %.1f, \"median_ns\": %.1f}\n", ns[TURNS / 10],
           median);
    return 0;
}
