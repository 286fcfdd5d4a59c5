/* SPDX-License-Identifier: MIT
 *
 * Records: see records.h.
 */
#include "tools/records.h"
#include "reader/fileset.h"
#include "reader/join.h"
#include "reader/when.h"
#include "shm/losses.h"
#include "tools/chrome.h"
#include "tools/count.h"
#include "tools/export.h"
#include "tools/latency.h"
#include "tools/output.h"
#include "tools/resume.h"
#include "tools/stats.h"
#include "tools/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "shmlog-dump"
#define DAMAGE_SHOWN 100
#define FOLLOW_HOLD_NS UINT64_C(5000000000) /* for the rest of a line */

static volatile sig_atomic_t stop, ending;

/* SIGTERM: what was logged by then is still to be printed. */
static void on_signal(int number)
{
    if (number == SIGINT)
        stop = 1;
    ending = 1;
}

/* What a run gathers beside its answer. */
struct run {
    uint64_t damages;
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint64_t missed, unread; /* by this reader; of them, overwritten before the collector came */
    uint64_t read, passed;   /* records */
    struct answer *answer;   /* NULL: there is none yet */
    struct join *join;
    struct resume resume;
    int failed; /* the first error of writing what was waiting */
};

/* What cannot be written is gone from the rows, and a later write may work again: the run remembers
 * that it happened. */
static int flush_rows(struct run *run)
{
    const int r = run->answer ? run->answer->flush(run->answer) : output_flush();

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

/* So many lines were read (0: all, and it is the end), and what was printed is written; the
 * position is behind it from now on. */
static int save(struct run *run, uint64_t read)
{
    char message[PATH_MAX + 256];
    int r;

    if (read && run->answer->at_end)
        return 0;
    r = resume_save(&run->resume, run->join, read, message, sizeof(message));
    if (r < 0) {
        output_complain(message);
        run->damages++;
        stop = 1;
    }
    return r;
}

static bool on_idle(void *arg)
{
    struct run *const run = arg;
    int r = flush_rows(run);

    if (r == 0 && run->answer && run->join)
        r = save(run, run->read);
    return r < 0 || stop || ending;
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

/* There are more values, or records that wait for others, than can be kept. */
static void report_left_out(struct run *run, uint64_t records)
{
    fprintf(stderr,
            PROGRAM ": %" PRIu64
                    " record%s left out, since there are more values than can be kept; "
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
    output_complain(message);
    run->damages++;
}

static void report_missing(struct run *run, const char *field)
{
    if (!run->passed)
        return;
    text_say(stderr, PROGRAM ": no record has a number in '%s'", field);
    run->damages++;
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

static int open_answer(struct options *options, const struct resume *resume,
                       struct answer **ret_answer)
{
    const struct rows_params rows = {
        .format = options->format,
        .colour = options->format == PRINT_TEXT && wants_colour(),
        .goes_on = resume_goes_on(resume),
        .tail = options->tail,
        .context = options->context,
        .fields = &options->fields,
        .out = stdout,
    };

    if (options->count_by.count)
        return count_open(&options->count_by, options->format, stdout, ret_answer);
    if (options->stats.count)
        return stats_open(&options->stats, &options->by, options->format, stdout, ret_answer);
    if (options->latency_from)
        return latency_open(options->latency_from, options->latency_to, &options->by,
                            options->format, stdout, ret_answer);
    if (options->traced)
        return trace_open(options->trace, options->format, stdout, ret_answer);
    if (options->format == PRINT_CHROME)
        return chrome_open(stdout, ret_answer);
    if (options->format == PRINT_PARQUET)
        return export_open(&options->fields, stdout, ret_answer);
    return rows_open(&rows, ret_answer);
}

/* All records that there are, or that were asked for. */
static int take_records(struct options *options, struct run *run)
{
    struct answer *const answer = run->answer;
    struct line line = {0};
    int64_t until = INT64_MAX;
    int r = 0;

    while (r == 0 && !stop && (!options->limited || run->passed < options->limit)) {
        r = join_next(run->join, &line);
        if (r <= 0)
            break;
        if (ending && until == INT64_MAX)
            until = when_now();
        if (line.record.time_ns > until)
            break;
        r = 0;
        run->read++;
        if (filter_passes(&options->filter, &line)) {
            run->passed++;
            r = answer->take(answer, &line);
        } else if (answer->pass_over) {
            r = answer->pass_over(answer, &line);
        }
        if (r == 0 && resume_is_due(&run->resume, run->read)) {
            r = answer->flush(answer);
            if (r == 0)
                r = save(run, run->read);
        }
    }
    line_done(&line);
    if (r == 0)
        r = answer->end(answer);
    if (r == 0)
        r = save(run, 0); /* blocks without a record that passes were read, too */
    return r;
}

static int answer_from(struct options *options, struct cursor *cursor, struct run *run)
{
    const struct join_options hold = {.hold_ns = options->cursor.follow ? FOLLOW_HOLD_NS : 0};
    int r = open_answer(options, &run->resume, &run->answer);

    if (r == 0)
        r = join_open(next_record, cursor, &hold, &run->join);
    if (r == 0)
        r = take_records(options, run);
    if (r == 0)
        r = run->failed;
    if (run->answer && run->answer->left_out)
        report_left_out(run, run->answer->left_out);
    report_stranger(run, options->filter.where);
    if (run->answer && run->answer->missing)
        report_missing(run, run->answer->missing);
    join_close(run->join);
    if (run->answer)
        run->answer->close(run->answer);
    run->answer = NULL;
    report_run(run);
    r = output_status(r);
    return r == EXIT_WELL && run->damages ? EXIT_BAD : r;
}

static int with_position(struct options *options, struct run *run)
{
    struct cursor *cursor;
    char message[PATH_MAX + 256] = "";
    int r = resume_open(&run->resume, options->position_file, message, sizeof(message));

    if (r == 0 && options->position_file)
        options->cursor.position = &run->resume.position;
    if (r == 0)
        r = cursor_open(options->paths, options->path_count, &options->cursor, &cursor, message,
                        sizeof(message));
    if (r < 0) {
        if (!run->damages)
            output_complain(message);
        return r == -EINVAL ? EXIT_USAGE : EXIT_BAD;
    }
    r = answer_from(options, cursor, run);
    cursor_close(cursor);
    return r;
}

int records(struct options *options)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct run run = {0};
    sigset_t waiting;
    int r;

    if (options->cursor.follow) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigemptyset(&waiting);
        sigaddset(&waiting, SIGTERM);
        sigprocmask(SIG_UNBLOCK, &waiting, NULL); /* the collector has blocked it until now */
    }
    options->cursor.on_damage = on_damage;
    options->cursor.on_gap = on_gap;
    options->cursor.on_missed = on_missed;
    options->cursor.on_change = on_change;
    options->cursor.on_idle = on_idle;
    options->cursor.arg = &run;
    if (options->tail && filter_is_open(&options->filter) && !options->cursor.min_level &&
        options->cursor.since_ns == INT64_MIN && options->cursor.until_ns == INT64_MAX)
        options->cursor.tail = options->tail;
    if (options->format == PRINT_PARQUET && isatty(STDOUT_FILENO)) {
        output_complain("--format parquet is not for a terminal: send it to a file");
        return EXIT_USAGE;
    }
    r = with_position(options, &run);
    resume_done(&run.resume);
    return r;
}
