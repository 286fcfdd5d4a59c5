/* SPDX-License-Identifier: MIT
 *
 * The collector's options: what is right is taken as meant, and each mistake gives one line that
 * names it.
 */
#include "collector/options.h"

#include "producer/shmlog/check.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(options, .timeout = 120);

/* Parse a line of words; what is printed goes to `out` and `err`. */
static char out[65536], err[4096];

static enum options_result parse(const char *line, struct options *ret_options)
{
    static char words[1024], program[] = "shmlog-collector", empty[] = "";
    char *argv[64] = {program};
    FILE *const o = fmemopen(out, sizeof(out), "w"), *const e = fmemopen(err, sizeof(err), "w");
    enum options_result result;
    int argc = 1;

    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? empty : word;
    out[0] = err[0] = 0;
    result = options_parse(argc, argv, ret_options, o, e);
    fclose(o);
    fclose(e);
    return result;
}

/* Right, after what must always be there. */
static struct options right(const char *line)
{
    struct options options;
    char whole[1024];

    snprintf(whole, sizeof(whole), "--segment t --output /tmp/logs %s", line);
    cr_assert_eq(parse(whole, &options), OPTIONS_RUN, "%s: %s", line, err);
    cr_assert_str_eq(err, "");
    cr_assert_str_eq(out, "");
    return options;
}

/* Wrong: one line which has `says` in it, and the options untouched. */
static void wrong(const char *line, const char *says)
{
    struct options options;

    memset(&options, 0x55, sizeof(options));
    cr_assert_eq(parse(line, &options), OPTIONS_WRONG, "%s", line);
    cr_assert_str_eq(out, "", "%s", line);
    cr_assert_eq(strncmp(err, "shmlog-collector: ", 18), 0, "%s: %s", line, err);
    cr_assert_not_null(strstr(err, says), "%s: %s", line, err);
    cr_assert_eq(strchr(err, '\n'), err + strlen(err) - 1, "%s: not one line: %s", line, err);
    for (size_t i = 0; i < sizeof(options); i++)
        cr_assert_eq(((const unsigned char *)&options)[i], 0x55);
}

static void wrong_after(const char *line, const char *says)
{
    char whole[1024];

    snprintf(whole, sizeof(whole), "--segment t --output /tmp/logs %s", line);
    wrong(whole, says);
}

Test(options, defaults)
{
    const struct options o = right("");

    cr_assert_str_eq(o.segment, "t");
    cr_assert_str_eq(o.output, "/tmp/logs");
    cr_assert_gt(o.cpu_count, 0);
    cr_assert_eq(o.ring_bytes, 1 << 20);
    cr_assert_eq(o.spare_rings, 8);
    cr_assert_eq(o.page_kib, 0);
    cr_assert_eq(o.on_full, SHMLOG_ON_FULL_DROP);
    cr_assert_eq(o.reserve, 12);
    cr_assert_eq(o.wait_ms, 10000);
    cr_assert_eq(o.level, SHMLOG_TRACE);
    cr_assert_null(o.group);
    cr_assert_eq(o.rotate_bytes, 256 << 20);
    cr_assert_eq(o.rotate_s, 3600);
    cr_assert_eq(o.retain_count + o.retain_bytes + o.retain_s, 0);
    cr_assert_eq(o.retain_min, 1);
    cr_assert_eq(o.keep_free.bytes + o.keep_free.percent, 0);
    cr_assert_eq(o.flush_ms, 100);
    cr_assert_eq(o.outbox_bytes, 16 << 20);
    cr_assert_eq(o.zstd_level, 1);
    cr_assert(!o.durable && !o.mlock && !o.quiet);
    cr_assert_eq(o.io, IO_AUTO);
    cr_assert_eq(o.pin, -1);
    cr_assert_eq(o.realtime, 0);
    cr_assert_eq(o.idle, IDLE_SLEEP);
}

Test(options, all_of_them)
{
    const struct options o = right(
        "--cpus 1,0 --ring-size 128k --spare-rings 0 --page-size 2M --on-full wait --reserve 50 "
        "--wait-ms 5 "
        "--level warn --group wheel --rotate-size 1G --rotate-time 60 --retain-count 7 "
        "--retain-size 3t --retain-age 9 --retain-min 4 --flush-ms 1 --outbox-size 8m --zstd-level "
        "19 --durable "
        "--io plain --pin 3 --realtime 50 --mlock --idle spin --quiet");

    cr_assert_eq(o.cpu_count, 2);
    cr_assert(o.cpus[0] == 1 && o.cpus[1] == 0);
    cr_assert_eq(o.ring_bytes, 128 << 10);
    cr_assert_eq(o.spare_rings, 0);
    cr_assert_eq(o.page_kib, 2048);
    cr_assert_eq(o.on_full, SHMLOG_ON_FULL_WAIT);
    cr_assert_eq(o.reserve, 50);
    cr_assert_eq(o.wait_ms, 5);
    cr_assert_eq(o.level, SHMLOG_WARN);
    cr_assert_str_eq(o.group, "wheel");
    cr_assert_eq(o.rotate_bytes, 1 << 30);
    cr_assert_eq(o.rotate_s, 60);
    cr_assert_eq(o.retain_count, 7);
    cr_assert_eq(o.retain_bytes, UINT64_C(3) << 40);
    cr_assert_eq(o.retain_s, 9);
    cr_assert_eq(o.retain_min, 4);
    cr_assert_eq(o.flush_ms, 1);
    cr_assert_eq(o.outbox_bytes, 8 << 20);
    cr_assert_eq(o.zstd_level, 19);
    cr_assert(o.durable && o.mlock && o.quiet);
    cr_assert_eq(o.io, IO_PLAIN);
    cr_assert_eq(o.pin, 3);
    cr_assert_eq(o.realtime, 50);
    cr_assert_eq(o.idle, IDLE_SPIN);
}

Test(options, forms)
{
    cr_assert_eq(right("--flush-ms=250").flush_ms, 250);
    cr_assert_eq(right("--flush-ms 1 --flush-ms 2").flush_ms, 2, "the last one counts");
    cr_assert_eq(right("--wait-ms forever").wait_ms, UINT64_MAX);
    cr_assert_eq(right("--cpus 0-3 --cpus 5").cpu_count, 5, "a list adds up");
    cr_assert_eq(right("--cpus 0-3 --cpus 5,9").cpus[5], 9);
    cr_assert_eq(right("--cpus 0-511 --cpus 512-1023").cpu_count, 1024);
    cr_assert_eq(right("--ring-size 65536").ring_bytes, 65536);
    cr_assert_eq(right("--ring-size 64K").ring_bytes, 65536);
    cr_assert_eq(right("--keep-free 20%").keep_free.percent, 20);
    cr_assert_eq(right("--keep-free 20%").keep_free.bytes, 0);
    cr_assert_eq(right("--keep-free 20% --keep-free 3g").keep_free.percent, 0);
    cr_assert_eq(right("--keep-free 20% --keep-free 3g").keep_free.bytes, UINT64_C(3) << 30);
    cr_assert_eq(right("--keep-free 1t --keep-free 0").keep_free.bytes, 0);
    cr_assert_str_eq(right("--segment ./here").segment, "./here");
    cr_assert_str_eq(right("--output a=b").output, "a=b");
    cr_assert_str_eq(right("--output=a=b").output, "a=b");
}

Test(options, cpu_lists)
{
    static const struct {
        const char *text;
        int count;
        uint32_t first, last;
    } lists[] = {
        {"0", 1, 0, 0},    {"7", 1, 7, 7},          {"0-3,8", 5, 0, 8},        {"8,0-3", 5, 8, 3},
        {"5-5", 1, 5, 5},  {"1023", 1, 1023, 1023}, {"0-1023", 1024, 0, 1023}, {"3,2,1", 3, 3, 1},
        {"00,01", 2, 0, 1}};
    static const char *const bad[] = {"",
                                      "a",
                                      "1,",
                                      ",1",
                                      "1,,2",
                                      "-1",
                                      "3-",
                                      "3-1",
                                      "1-2-3",
                                      "1 ",
                                      " 1",
                                      "1024",
                                      "0-1024",
                                      "1,1",
                                      "0-3,2",
                                      "0x1",
                                      "+1",
                                      "1.5",
                                      "1;2",
                                      "99999999999999999999",
                                      "0-99999999999999999999",
                                      "18446744073709551616-1"};
    uint32_t cpus[OPTIONS_CPUS_MAX];

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const int n = options_cpu_list(lists[i].text, cpus);

        cr_assert_eq(n, lists[i].count, "%s: %d", lists[i].text, n);
        cr_assert_eq(cpus[0], lists[i].first, "%s", lists[i].text);
        cr_assert_eq(cpus[n - 1], lists[i].last, "%s", lists[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(options_cpu_list(bad[i], cpus), -EINVAL, "'%s'", bad[i]);
}

Test(options, mistakes)
{
    wrong("", "--segment is missing");
    wrong("--segment t", "--output is missing");
    wrong("--output o", "--segment is missing");
    wrong("--segment a!b --output o", "a!b");
    wrong("--segment .. --output o", "..");
    wrong("--segment '' --output o", "--segment");
    wrong("--segment t --output ''", "--output");
    wrong_after("--output", "needs a value");
    wrong_after("logs", "logs: not an option");
    wrong_after("-h", "-h: not an option");
    wrong_after("--", "--: not an option");
    wrong_after("-", "-: not an option");
    wrong_after("''", "not an option");
    wrong_after("--nonsense", "--nonsense: no such option");
    wrong_after("--cpu 1", "--cpu: no such option");
    wrong_after("--durable=yes", "--durable takes no value");
    wrong_after("--durable=", "--durable takes no value");
    wrong_after("--flush-ms=", "--flush-ms");
    wrong_after("--cpus 0-", "--cpus 0-");
    wrong_after("--cpus=", "--cpus '': must be a list");
    wrong_after("--cpus 0-3 --cpus 2", "--cpus 2");
    wrong_after("--cpus 0-1023 --cpus 1024", "--cpus 1024");
    wrong_after("--on-full block", "drop overwrite wait");
    wrong_after("--page-size 1M", "auto 1G 2M 4K");
    wrong_after("--level loud", "critical");
    wrong_after("--io aio", "auto uring plain");
    wrong_after("--idle never", "spin pause sleep");
    wrong_after("--pin x", "number of a core");
    wrong_after("--pin -1", "number of a core");
    wrong_after("--pin 1024", "number of a core");
    wrong_after("--pin 99999999999999999999", "number of a core");
    wrong_after("--realtime 100", "from 0 to 99");
    wrong_after("--ring-size 65535", "--ring-size");
    wrong_after("--ring-size 100k", "--ring-size 100k: must be a number from 65536");
    wrong_after("--ring-size 100k", "power of two");
    wrong_after("--ring-size 128kb",
                "--ring-size 128kb: must be a number from 65536 to 68719476736, a power of two, "
                "with k, m, g or t");
    wrong_after("--ring-size 128x", "--ring-size 128x");
    wrong_after("--ring-size k", "--ring-size k");
    wrong_after("--ring-size 18446744073709551615t", "--ring-size");
    wrong_after("--ring-size 16777216t", "--ring-size");     /* 2^64 */
    wrong_after("--retain-size 16777216t", "--retain-size"); /* not 0 */
    wrong_after("--ring-size -65536", "--ring-size");
    wrong_after("--outbox-size 3m", "--outbox-size");
    wrong_after("--outbox-size 6m", "power of two");
    wrong_after("--spare-rings 1025", "from 0 to 1024");
    wrong_after("--spare-rings 1k", "--spare-rings 1k");
    wrong_after("--wait-ms ever",
                "--wait-ms ever: must be a number from 0 to 86400000, or 'forever'");
    wrong_after("--wait-ms 1.5", "--wait-ms 1.5");
    wrong_after("--flush-ms 0", "from 1 to 60000");
    wrong_after("--zstd-level 20", "from 1 to 19");
    wrong_after("--rotate-time 4294967296", "--rotate-time");
    wrong_after("--retain-min 4294967296", "--retain-min");
    wrong_after("--keep-free 0%",
                "--keep-free 0%: must be a number from 0 to 1152921504606846976,");
    wrong_after("--keep-free 100%", "or a share from 1% to 99%");
    wrong_after("--keep-free 5%%", "--keep-free 5%%");
    wrong_after("--keep-free 5k%", "--keep-free 5k%");
    wrong_after("--keep-free %", "--keep-free %");
    wrong_after("--keep-free -5%", "--keep-free -5%");
    wrong_after("--keep-free 18446744073709551617%", "--keep-free");
    wrong_after("--keep-free 2097152t", "--keep-free");
    wrong_after("--retain-count 2 --retain-min 3",
                "--retain-count 2: is less than --retain-min, 3");
}

Test(options, help_and_version)
{
    struct options options;
    static const char *const names[] = {"--segment",  "--output",     "--cpus",  "--ring-size",
                                        "--on-full",  "--pin",        "--idle",  "--durable",
                                        "--help",     "--version",    "--io",    "--zstd-level",
                                        "--realtime", "--retain-age", "--group", "--outbox-size"};

    cr_assert_eq(parse("--help", &options), OPTIONS_DONE);
    cr_assert_str_eq(err, "");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_assert_not_null(strstr(out, names[i]), "%s", names[i]);
    for (const char *line = out; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        cr_assert_leq(strcspn(line, "\n"), 120);
    cr_assert_eq(parse("--version", &options), OPTIONS_DONE);
    cr_assert_str_eq(out, "shmlog-collector " SHMLOG_VERSION_STRING "\n");
    cr_assert_eq(parse("--segment t --help --nonsense", &options), OPTIONS_DONE);
}
