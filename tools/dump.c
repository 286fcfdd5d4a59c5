/* SPDX-License-Identifier: MIT
 *
 * shmlog-dump: options -> cursor -> filter -> print.
 */
#include "tools/count.h"
#include "reader/fileset.h"
#include "tools/health.h"
#include "tools/info.h"
#include "reader/join.h"
#include "reader/level.h"
#include "tools/options.h"
#include "reader/target.h"
#include "tools/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "shmlog-dump"
#define OUTPUT_BUFFER (256 * 1024)
#define DAMAGE_SHOWN 100
#define FOLLOW_HOLD_NS UINT64_C(5000000000) /* for the rest of a line */

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    stop = 1;
}

static void complain(const char *message)
{
    fflush(stdout);
    text_say(stderr, PROGRAM ": %s", message);
}

/* What a run gathers beside records. */
struct run {
    uint64_t damages;
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint64_t missed, unread; /* by this reader; of them, overwritten before the collector came */
    uint64_t passed;         /* records */
    struct printer *printer; /* NULL: nothing is printed yet */
    int failed;              /* the first error of writing what was waiting */
};

static int flush(void)
{
    if (fflush(stdout) == 0)
        return 0;
    return errno ? -errno : -EIO;
}

/* What cannot be written is gone from the rows, and a later write may work again: the run remembers
 * that it happened. */
static int flush_rows(struct run *run)
{
    const int r = run->printer ? print_flush(run->printer) : flush();

    if (r < 0 && run->failed == 0)
        run->failed = r;
    return r;
}

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    struct run *run = arg;

    if (run->damages++ >= DAMAGE_SHOWN)
        return;
    flush_rows(run);
    text_say(stderr, PROGRAM ": %s: at %" PRIu64 ": %s%s%s", where, offset, fileset_strerror(error),
             reason ? ": " : "", reason ? reason : "");
}

static void on_gap(void *arg, const struct file_gap *gap)
{
    struct run *run = arg;

    if (gap->cause < SHMLOG_LOST_CAUSES)
        run->lost[gap->cause] += gap->count;
}

static void on_missed(void *arg, uint32_t ring, uint64_t records, uint64_t unread)
{
    struct run *run = arg;

    run->missed += records;
    run->unread += unread;
}

static void on_change(void *arg, const char *line)
{
    flush_rows(arg);
    text_say(stderr, PROGRAM ": %s", line);
}

static bool on_idle(void *arg)
{
    return flush_rows(arg) < 0 || stop;
}

/* On standard error: what is printed is not all there was. Lost is what no reader will see. */
static void report_run(const struct run *run)
{
    bool any = false;

    if (run->damages > DAMAGE_SHOWN)
        fprintf(stderr, PROGRAM ": and %" PRIu64 " more damage%s\n", run->damages - DAMAGE_SHOWN,
                text_plural(run->damages - DAMAGE_SHOWN));
    if (run->missed > run->unread)
        fprintf(stderr,
                PROGRAM ": records missed by this reader, which was too slow: %" PRIu64
                        "; the collector has taken them, see the log files\n",
                run->missed - run->unread);
    for (unsigned i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (run->lost[i]) {
            fprintf(stderr, "%s %" PRIu64 " %s",
                    any ? "," : PROGRAM ": records lost:", run->lost[i], shm_losses_name(i));
            any = true;
        }
    if (any)
        fputc('\n', stderr);
}

/* There are more values than can be kept. */
static void report_left_out(struct run *run, uint64_t records)
{
    fprintf(stderr,
            PROGRAM ": %" PRIu64 " record%s in no count, since the field has too many values; "
                    "choose less of them, as with --since and --until\n",
            records, records == 1 ? " is" : "s are");
    run->damages++;
}

/* A name in --where that no record has is most likely a wrong one. Where records passed all the
 * same, the rest of the condition decides alone. */
static void report_stranger(struct run *run, const struct query *where)
{
    char message[256];

    if (!where || run->passed || !query_has_stranger(where, message, sizeof(message)))
        return;
    complain(message);
    run->damages++;
}

/* A reader that has gone away is no failure of ours. */
static int output_status(int r)
{
    if (r == -EPIPE)
        return EXIT_WELL;
    if (r < 0) {
        fprintf(stderr, PROGRAM ": %s\n", fileset_strerror(r));
        return EXIT_BAD;
    }
    return EXIT_WELL;
}

static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb");
}

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

static int print_records(struct options *options, struct join *join, struct run *run,
                         struct count *count)
{
    struct printer *const printer = run->printer;
    struct line line = {0};
    int r = count ? 0 : print_begin(printer), flushed;

    while (r == 0 && !stop && (!options->limited || run->passed < options->limit)) {
        r = join_next(join, &line);
        if (r <= 0)
            break;
        r = 0;
        if (!filter_passes(&options->filter, &line))
            continue;
        run->passed++;
        r = count ? count_line(count, &line) : print_line(printer, &line);
    }
    if (r == 0 && count)
        r = count_print(count, options->format, stdout);
    flushed = count ? flush() : print_flush(printer);
    line_done(&line);
    return r < 0 ? r : flushed;
}

static int dump_from(struct options *options, struct cursor *cursor, struct run *run)
{
    struct printer printer = {
        .format = options->format,
        .colour = options->format == PRINT_TEXT && wants_colour(),
        .chosen = options->fields.count > 0,
        .fields = options->fields,
        .out = stdout,
    };
    const struct join_options hold = {.hold_ns = options->cursor.follow ? FOLLOW_HOLD_NS : 0};
    struct count *count = NULL;
    struct join *join = NULL;
    int r;

    options->fields = (struct field_list){0}; /* the printer's now */
    if (!printer.chosen)
        field_list_all(&printer.fields);
    run->printer = &printer;
    r = join_open(next_record, cursor, &hold, &join);
    if (r == 0 && options->count_by.count)
        r = count_open(&options->count_by, &count);
    if (r == 0)
        r = print_records(options, join, run, count);
    if (r == 0)
        r = run->failed;
    if (count && count_left_out(count))
        report_left_out(run, count_left_out(count));
    report_stranger(run, options->filter.where);
    count_close(count);
    join_close(join);
    run->printer = NULL;
    printer_done(&printer);
    report_run(run);
    r = output_status(r);
    return r == EXIT_WELL && run->damages ? EXIT_BAD : r;
}

static int dump(struct options *options)
{
    struct run run = {0};
    struct cursor *cursor;
    char message[PATH_MAX + 256] = "";
    int r;

    options->cursor.on_damage = on_damage;
    options->cursor.on_gap = on_gap;
    options->cursor.on_missed = on_missed;
    options->cursor.on_change = on_change;
    options->cursor.on_idle = on_idle;
    options->cursor.arg = &run;
    r = cursor_open(options->paths, options->path_count, &options->cursor, &cursor, message,
                    sizeof(message));
    if (r < 0) {
        if (!run.damages)
            complain(message);
        return r == -EINVAL ? EXIT_USAGE : EXIT_BAD;
    }
    r = dump_from(options, cursor, &run);
    cursor_close(cursor);
    return r;
}

static int info(const struct options *options)
{
    struct shm_segment *segment;
    struct text out = {0};
    char message[PATH_MAX + 256] = "";
    int r = target_open_segment(options->paths[0], false, &segment, message, sizeof(message));

    if (r < 0) {
        complain(message);
        return EXIT_BAD;
    }
    r = options->format == PRINT_JSON ? info_json(segment, options->show, &out)
                                      : info_text(segment, options->show, &out);
    if (r == 0 && out.size) {
        size_t skip = out.data[0] == '\n'; /* a part that is printed alone needs no blank line */

        fwrite(out.data + skip, 1, out.size - skip, stdout);
        r = flush();
    }
    text_done(&out);
    shm_segment_close(segment);
    return output_status(r);
}

/* What cannot be asked is no better than gone: never 0 or 1 then. */
static int health(const struct options *options)
{
    struct shm_segment *segment;
    struct text out = {0};
    struct health health;
    char message[PATH_MAX + 256] = "";
    int r = target_open_segment(options->paths[0], false, &segment, message, sizeof(message));

    if (r < 0) {
        complain(message);
        return EXIT_USAGE;
    }
    health_look(segment, &health);
    if (options->format == PRINT_JSON)
        r = info_json_health(segment, &health, &out);
    else
        health_put_line(&health, options->paths[0], &out);
    if (r == 0)
        r = out.failed ? -ENOMEM : 0;
    if (r == 0) {
        fwrite(out.data, 1, out.size, stdout);
        r = flush();
    }
    text_done(&out);
    shm_segment_close(segment);
    return output_status(r) == EXIT_WELL ? health_status(&health) : EXIT_USAGE;
}

static int set_level(const struct options *options)
{
    struct shm_segment *segment;
    char message[PATH_MAX + 256] = "";
    int r = target_open_segment(options->paths[0], true, &segment, message, sizeof(message));
    uint32_t before;

    if (r < 0) {
        complain(message);
        return EXIT_BAD;
    }
    before = shmlog_load_relaxed_(&segment->control->level);
    shmlog_store_release_(&segment->control->level, options->set_level);
    text_say(stdout, "%s: level %s, was %s", options->paths[0], level_name(options->set_level),
             level_name(before));
    shm_segment_close(segment);
    return output_status(flush());
}

static int verify_files(const struct options *options)
{
    char message[PATH_MAX + 256] = "";
    int r = verify(options->paths, options->path_count, stdout, stderr, message, sizeof(message));
    int flushed = flush();

    if (r < 0) {
        complain(message);
        return EXIT_BAD;
    }
    if (flushed == 0 && ferror(stdout)) /* an earlier part did not arrive */
        flushed = -EIO;
    /* Unlike for records, an output that did not arrive is no proof, also for a reader that left.
     */
    if (flushed < 0)
        fprintf(stderr, PROGRAM ": standard output: %s\n", strerror(-flushed));
    return flushed < 0 || r > 0 ? EXIT_BAD : EXIT_WELL;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int run_mode(struct options *options)
{
    switch (options->mode) {
    case MODE_RECORDS:
        return dump(options);
    case MODE_INFO:
        return info(options);
    case MODE_HEALTH:
        return health(options);
    case MODE_VERIFY:
        return verify_files(options);
    case MODE_SET_LEVEL:
        return set_level(options);
    case MODE_HELP:
        options_print_help(stdout);
        break;
    case MODE_VERSION:
        puts(PROGRAM " " SHMLOG_VERSION_STRING);
        break;
    }
    return output_status(flush());
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct options options;
    char message[PATH_MAX + 256] = "";
    int r;

    signal(SIGPIPE, SIG_IGN); /* a reader that has gone shows as EPIPE */
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER);
    r = options_parse(argc, argv, now_ns(), &options, message, sizeof(message));
    if (r < 0) {
        complain(message);
        fprintf(stderr, "Try '" PROGRAM " --help'.\n");
        r = EXIT_USAGE;
    } else {
        if (options.cursor.follow) {
            sigaction(SIGINT, &action, NULL);
            sigaction(SIGTERM, &action, NULL);
        }
        r = run_mode(&options);
    }
    options_done(&options);
    return r;
}
