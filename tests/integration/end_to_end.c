/* SPDX-License-Identifier: MIT
 *
 * From a log call to a file and back: producers in C and C++ log one of everything and write down
 * themselves what should come out; the JSON of the files, and of the live segment before, agrees,
 * to the nanosecond.
 */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>

#define SEGMENT "e2e"

/* `earlier`: what the same records were in another source, or NULL. What they are in this one. */
static const char *compare(const char *oracle, const char *source, pid_t pid, const char *earlier)
{
    const char *script = kit_text("%s/tests/integration/compare_json.py", getenv("SHMLOG_SOURCE"));
    const char *name = kit_text("%s-%d", earlier ? "files" : "live", (int)pid);
    const char *dumped = kit_path(kit_text("%s.json", name));
    const char *rows = kit_path(kit_text("%s.csv", name));
    struct kit_process python;

    kit_dump(dumped, (const char *const[]){source, "--format", "json", "--pid",
                                           kit_text("%d", (int)pid), NULL});
    kit_dump(rows, (const char *const[]){source, "--format", "csv", "--pid",
                                         kit_text("%d", (int)pid), NULL});
    if (kit_run(&python,
                (const char *const[]){"python3", script, oracle, dumped, rows, SEGMENT, earlier,
                                      NULL},
                NULL) != 0)
        KIT_FAIL("%s: %s", source, kit_read_file(python.out, NULL));
    return dumped;
}

int main(void)
{
    static const char *const producers[] = {"tests/integration/e2e_producer",
                                            "tests/integration/e2e_producer_cpp"};
    const char *const args[] = {"--ring-size", "256k",       "--on-full", "drop", "--level",
                                "trace",       "--flush-ms", "60000",     NULL};
    struct kit_process collector, producer;
    const char *oracle[2], *live[2], *log;
    struct kit_ledger ledger;
    pid_t pid[2];

    kit_begin("end_to_end");
    kit_need_io();
    log = kit_path("log");
    kit_collector_start(&collector, SEGMENT, log, args);
    for (unsigned i = 0; i < 2; i++) {
        oracle[i] = kit_path(kit_text("oracle-%u", i));
        kit_spawn(&producer,
                  (const char *const[]){kit_program(producers[i]), SEGMENT, oracle[i], NULL}, NULL);
        pid[i] = producer.pid;
        KIT_EQ(kit_wait_exit(&producer, 30), 0);
        /* from the ring, which nobody has flushed yet */
        live[i] = compare(oracle[i], SEGMENT, pid[i], NULL);
    }
    kit_collector_stop(&collector);
    kit_verify_balanced(log, &ledger);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    for (unsigned i = 0; i < 2; i++)
        (void)compare(oracle[i], log, pid[i], live[i]);
    kit_check_zstd(log);
    return 0;
}
