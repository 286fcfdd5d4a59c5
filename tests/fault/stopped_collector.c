/* SPDX-License-Identifier: MIT
 *
 * The collector is stopped (SIGSTOP) under producers and goes on later: under every policy they
 * come to the end of what they have to log, many times more than the rings hold, while it stands
 * still; and the ledger is exact: what the calls said was lost is what the files say was lost.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SEGMENT "stopped"
#define PRODUCERS 2u
#define SLOTS 1024u /* of a ring */
#define RECORDS (20u * SLOTS)

struct page {
    uint64_t calls[PRODUCERS]; /* that returned */
    uint64_t lost[PRODUCERS];
    uint64_t stopped; /* the collector stands still */
};
static struct page *page;

struct producer {
    unsigned index;
};

static bool is_stopped(void *arg)
{
    (void)arg;
    return __atomic_load_n(&page->stopped, __ATOMIC_ACQUIRE) != 0;
}

/* A thousand before, the rest while it is stopped. */
static int produce(void *arg)
{
    const unsigned index = ((struct producer *)arg)->index;
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    if (index == 1)
        kit_share(log);
    for (unsigned i = 0; i < RECORDS; i++) {
        shmlog_info(log, "producer %u record %u", index, i);
        __atomic_store_n(&page->calls[index], i + 1, __ATOMIC_RELEASE);
        if (i == 999)
            KIT_CHECK(kit_wait(is_stopped, NULL, KIT_PATIENCE));
    }
    page->lost[index] = shmlog_thread_lost(log);
    shmlog_close(log);
    return 0;
}

static char state_of(pid_t pid)
{
    char *text = kit_read_file(kit_text("/proc/%d/stat", (int)pid), NULL);
    const char *name_end = strrchr(text, ')');
    const char state = name_end ? name_end[2] : '?';

    free(text);
    return state;
}

static bool have_begun(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < PRODUCERS; i++)
        if (__atomic_load_n(&page->calls[i], __ATOMIC_ACQUIRE) < 1000)
            return false;
    return true;
}

static void run(const char *on_full)
{
    const char *const args[] = {"--on-full", on_full, "--ring-size", "64k", "--wait-ms", "5", NULL};
    struct kit_process collector, process[PRODUCERS];
    struct producer producer[PRODUCERS];
    const char *output = kit_path(on_full);
    struct kit_ledger ledger;
    uint64_t lost = 0;

    memset(page, 0, sizeof(*page));
    kit_collector_start(&collector, SEGMENT, output, args);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producer[i].index = i;
        kit_spawn_function(&process[i], "producer", produce, &producer[i]);
    }
    KIT_CHECK(kit_wait(have_begun, NULL, KIT_PATIENCE));
    kit_stop(collector.pid);
    __atomic_store_n(&page->stopped, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        KIT_EQ(kit_wait_exit(&process[i], KIT_PATIENCE), 0);
        KIT_EQ(page->calls[i], RECORDS);
        lost += page->lost[i];
    }
    KIT_EQ(state_of(collector.pid), 'T'); /* all the while */
    kit_kill(&collector, SIGCONT);
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    printf("%s: %" PRIu64 " written, %" PRIu64 " lost\n", on_full, ledger.written, ledger.dropped);
    KIT_EQ(ledger.produced, PRODUCERS * RECORDS);
    KIT_EQ(ledger.written + ledger.dropped, PRODUCERS * RECORDS);
    KIT_EQ(ledger.in_ring, 0);
    KIT_COMPARE(ledger.dropped + (kit_cpus() + 1) * SLOTS, >=, PRODUCERS * (RECORDS - 1000));
    if (strcmp(on_full, "overwrite") == 0)
        KIT_EQ(lost, 0); /* the calls succeed; older records give way */
    else
        KIT_EQ(lost, ledger.dropped);
}

int main(void)
{
    kit_begin("stopped_collector");
    kit_need_io();
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(page != MAP_FAILED);
    run("drop");
    run("overwrite");
    run("wait");
    return 0;
}
