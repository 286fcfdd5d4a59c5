/* SPDX-License-Identifier: MIT
 *
 * Four shmlog-cat at once, as fast as they can go, with the wait policy: every line comes back byte
 * for byte, in order per producer, from files that zstd finds sound, and the ledger balances.
 *
 * The lines: a real market data feed, if it is there (SHMLOG_DATA, or btcusdt_20240808.gz in
 * ../shared/data beside the source), else generated ones; and a file of awkward ones.
 */
#include "tests/kit/kit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CATS 4u

/* Long, empty, binary, without a newline at the end. */
static void write_awkward(const char *path)
{
    static const size_t lengths[] = {0, 1,     3571, 3572, 3573, 7144, 7145, 40000, 0,
                                     0, 42112, 5,    56,   64,   48,   12,   100000};
    FILE *f = fopen(path, "we");

    KIT_CHECK(f != NULL);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t k = 0; k < lengths[i]; k++)
            fputc("0123456789abcdef"[(k + i) % 16], f);
        fputc('\n', f);
    }
    for (int byte = 0; byte < 256; byte++) {
        if (byte != '\n')
            fputc(byte, f);
    }
    fputs("\n\r\n\xff\xfe\x80\n%s %n %d\n\nno newline at the end", f);
    KIT_EQ(fclose(f), 0);
}

static void write_generated(const char *path)
{
    uint64_t random = kit_seed();
    FILE *f = fopen(path, "we");

    KIT_CHECK(f != NULL);
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t levels =
            kit_random_below(&random, 100) ? kit_random_below(&random, 20) : 900;

        fprintf(f, "%u {\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"b\":[", i);
        for (uint64_t k = 0; k < levels; k++)
            fprintf(f, "[\"%" PRIu64 ".%02u\",\"0.%03u\"],",
                    58000 + kit_random_below(&random, 4000),
                    (unsigned)kit_random_below(&random, 100),
                    (unsigned)kit_random_below(&random, 1000));
        fputs("]}\n", f);
    }
    KIT_EQ(fclose(f), 0);
}

/* Unpack the real feed to `path`; false if it is not there. */
static bool take_real(const char *path)
{
    const char *data = getenv("SHMLOG_DATA");
    const char *source = getenv("SHMLOG_SOURCE");
    /* Sanitizers are slow: a part will do. */
    const char *command =
        kit_sanitized() ? "gzip -dc -- \"$0\" | head -n 5000" : "gzip -dc -- \"$0\"";
    struct kit_spawn_options options = {.stdout_path = path};
    struct kit_process gzip;

    if (!data || !*data)
        data = kit_text("%s/../shared/data/btcusdt_20240808.gz", source ? source : ".");
    if (access(data, R_OK) != 0)
        return false;
    KIT_EQ(kit_run(&gzip, (const char *const[]){"sh", "-c", command, data, NULL}, &options), 0);
    return true;
}

static void compare(const char *log, pid_t pid, const char *input)
{
    const char *dumped = kit_path(kit_text("dump-%d", (int)pid));
    const char *script =
        "{ cat -- \"$0\"; [ -z \"$(tail -c 1 -- \"$0\")\" ] || echo; } | cmp - \"$1\"";
    struct kit_process cmp;

    kit_dump(dumped, (const char *const[]){log, "--pid", kit_text("%d", (int)pid), "--fields",
                                           "message", "--format", "text", NULL});
    if (kit_run(&cmp, (const char *const[]){"sh", "-c", script, input, dumped, NULL}, NULL) != 0)
        KIT_FAIL("lines of pid %d came back different from %s: %s", (int)pid, input,
                 kit_read_file(cmp.out, NULL));
    unlink(dumped);
}

static void feed(const char *segment, const char *input, const char *const args[])
{
    const char *log = kit_path(kit_text("log-%s", segment));
    const struct kit_spawn_options options = {.stdin_path = input};
    const char *argv[] = {kit_program("tools/shmlog-cat"), "--segment", segment, NULL};
    struct kit_process collector, cat[CATS];
    struct kit_ledger ledger;
    pid_t pid[CATS];

    kit_collector_start(&collector, segment, log, args);
    for (unsigned i = 0; i < CATS; i++) {
        kit_spawn(&cat[i], argv, &options);
        pid[i] = cat[i].pid;
    }
    for (unsigned i = 0; i < CATS; i++)
        KIT_EQ(kit_wait_exit(&cat[i], 120), 0);
    kit_collector_stop(&collector);
    kit_verify_balanced(log, &ledger);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    for (unsigned i = 0; i < CATS; i++)
        compare(log, pid[i], input);
    kit_check_zstd(log);
    printf("%s: %" PRIu64 " records\n", segment, ledger.written);
}

int main(void)
{
    const char *const small[] = {"--on-full", "wait",          "--wait-ms", "600000", "--ring-size",
                                 "64k",       "--rotate-size", "256k",      NULL};
    const char *const usual[] = {"--on-full",   "wait", "--wait-ms", "600000",
                                 "--ring-size", "1m",   NULL};

    kit_begin("feed");
    kit_need_io();
    write_awkward(kit_path("awkward"));
    feed("awkward", kit_path("awkward"), small);
    if (!take_real(kit_path("lines"))) {
        printf("no real feed here: generated lines\n");
        write_generated(kit_path("lines"));
    }
    feed("feed", kit_path("lines"), usual);
    return 0;
}
