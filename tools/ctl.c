/* SPDX-License-Identifier: MIT
 *
 * shmlog-ctl: steer segments and their collectors.
 */
#include "producer/shmlog.h"
#include "reader/level.h"
#include "reader/target.h"
#include "reader/text.h"
#include "reader/when.h"
#include "shm/directory.h"
#include "shm/health.h"
#include "shm/metrics.h"
#include "shm/path.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"
#include "tools/record.h"
#include "tools/snapshot.h"
#include "tools/table.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "shmlog-ctl"
#define POLL_NS 2000000

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

/* What the options of all commands say. */
struct arguments {
    const char *word[3]; /* without an option */
    int words;
    uint64_t ring_bytes, last_ns, keep, timeout_ns, every_ns, pause_ns;
    uint32_t on_full, level;
    const char *output, *where;
    bool on_death;
};

struct command {
    const char *name, *words, *options; /* of its usage; `options`: letters that it takes */
    int least, most;                    /* words */
    int (*run)(const struct arguments *arguments);
    const char *help;
};

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    struct text text = {0};
    va_list args;

    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    text_say(stderr, PROGRAM ": %s", text_string(&text) ? text.data : format);
    text_done(&text);
    return EXIT_BAD;
}

static struct shm_segment *open_segment(const char *name, bool writable)
{
    struct shm_segment *segment;
    char message[PATH_MAX + 256];

    if (target_open_segment(name, writable, &segment, message, sizeof(message)) == 0)
        return segment;
    fail("%s", message);
    return NULL;
}

/* ---- Segments ---- */

static void put_segment(const struct shm_segment *segment, const char *name, struct text *rows)
{
    struct shm_health health;

    shm_health_of(segment, &health);
    text_put_plain(rows, name, strlen(name));
    text_printf(rows, "\t%s\t%u\t%" PRIu64 "\t%s\t", shm_health_word(health.state),
                segment->geometry.rings, segment->geometry.ring_slots * SHMLOG_SLOT_SIZE / 1024,
                level_name(shmlog_load_relaxed_(&segment->control->level)));
    text_put_plain(rows, segment->path, strlen(segment->path));
    text_putc(rows, '\n');
}

static int list_folder(const char *folder, struct text *rows)
{
    DIR *const directory = opendir(folder);
    const struct dirent *entry;
    int r = EXIT_WELL;

    if (!directory)
        return errno == ENOENT ? EXIT_WELL : fail("%s: %s", folder, strerror(errno));
    while (shm_directory_next(directory, &entry) > 0) {
        char path[PATH_MAX];
        struct shm_segment *segment;

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path) ||
            shm_segment_open(path, false, &segment) < 0)
            continue;
        put_segment(segment, entry->d_name, rows);
        shm_segment_close(segment);
    }
    closedir(directory);
    return r;
}

static int run_list(const struct arguments *arguments)
{
    const char *folder[SHM_PATH_FOLDERS];
    const unsigned folders = shm_path_folders(folder);
    struct text rows = {0};
    int r = EXIT_WELL;

    for (unsigned i = 0; i < folders && r == EXIT_WELL; i++)
        r = list_folder(folder[i], &rows);
    if (r == EXIT_WELL && rows.size) {
        struct text table = {0};

        text_puts(&table, "segment\tstate\trings\tKiB each\tlevel\tpath\n");
        text_put(&table, rows.data, rows.size);
        table_align(&table, 2, 2);
        fwrite(table.data, 1, table.size, stdout);
        text_done(&table);
    } else if (r == EXIT_WELL) {
        fprintf(stderr, PROGRAM ": no segments\n");
    }
    text_done(&rows);
    return r;
}

static bool nothing_waits(const char *path)
{
    return true; /* a segment that is there is not touched */
}

static int run_create(const struct arguments *arguments)
{
    const long cpus = sysconf(_SC_NPROCESSORS_CONF);
    struct shm_params params = {
        .name = strrchr(arguments->word[0], '/') ? strrchr(arguments->word[0], '/') + 1
                                                 : arguments->word[0],
        .spare_rings = 8,
        .ring_bytes = arguments->ring_bytes ? arguments->ring_bytes : 1024 * 1024,
        .on_full = arguments->on_full ? arguments->on_full : SHMLOG_ON_FULL_OVERWRITE,
        .level = arguments->level == ~UINT32_C(0) ? SHMLOG_TRACE : arguments->level,
        .reserve = 12,
        .shared_ring = true,
        .wait_ns = UINT64_C(10000000000),
        .numa = true,
        .group = -1,
    };
    char path[PATH_MAX], message[PATH_MAX + 256] = "";
    uint32_t cpu[SHMLOG_CPUS_MAX];
    struct shm_segment *segment;
    int r = shm_path_make(arguments->word[0], path, sizeof(path));

    if (r < 0)
        return fail("%s: %s", arguments->word[0], shm_strerror(r));
    if (access(path, F_OK) == 0)
        return fail("%s: it is there already; " PROGRAM " destroy removes it", arguments->word[0]);
    for (params.cpu_count = 0;
         params.cpu_count < (uint32_t)cpus && params.cpu_count < SHMLOG_CPUS_MAX;
         params.cpu_count++)
        cpu[params.cpu_count] = params.cpu_count;
    params.cpus = cpu;
    r = shm_segment_create(path, &params, nothing_waits, &segment, message, sizeof(message));
    if (r < 0)
        return fail("%s", *message ? message : shm_strerror(r));
    shm_segment_close(segment);
    return EXIT_WELL;
}

static int run_destroy(const struct arguments *arguments)
{
    char path[PATH_MAX];
    int r = shm_path_find(arguments->word[0], path, sizeof(path));

    if (r == 0)
        r = shm_segment_destroy(path);
    return r < 0 ? fail("%s: %s", arguments->word[0], shm_strerror(r)) : EXIT_WELL;
}

static int run_level(const struct arguments *arguments)
{
    struct shm_segment *segment;
    uint32_t level, before;

    if (level_parse(arguments->word[0], &level) < 0) {
        fail("level %s: must be one of trace, debug, info, warn, error, critical, off",
             arguments->word[0]);
        return EXIT_USAGE;
    }
    segment = open_segment(arguments->word[1], true);
    if (!segment)
        return EXIT_BAD;
    before = shmlog_load_relaxed_(&segment->control->level);
    shmlog_store_release_(&segment->control->level, level);
    text_say(stdout, "%s: level %s, was %s", arguments->word[1], level_name(level),
             level_name(before));
    shm_segment_close(segment);
    return EXIT_WELL;
}

/* ---- The collector ---- */

static int run_rotate(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);
    struct shm_health health;

    if (!segment)
        return EXIT_BAD;
    shm_health_of(segment, &health);
    shm_segment_close(segment);
    if (!shm_health_has_collector(health.state) || !health.pid)
        return fail("%s: no collector is at work", arguments->word[0]);
    if (kill((pid_t)health.pid, SIGHUP) < 0)
        return fail("%s: its collector, process %u: %s", arguments->word[0], health.pid,
                    strerror(errno));
    return EXIT_WELL;
}

static int run_mark(const struct arguments *arguments)
{
    const struct shmlog_options options = {.process_name = PROGRAM};
    struct shmlog *log;
    uint64_t lost;
    int r = shmlog_open(&log, arguments->word[0], &options);

    if (r < 0)
        return fail("%s: %s", arguments->word[0], shmlog_strerror(r));
    shmlog_log(log, SHMLOG_CRITICAL, "shmlog", "mark: %s",
               SHMLOG_NAMED("text", arguments->word[1]));
    lost = shmlog_thread_lost(log);
    shmlog_close(log);
    return lost ? fail("%s: the mark found its ring full", arguments->word[0]) : EXIT_WELL;
}

/* The collector has taken every ring up to there. */
static bool is_taken(const struct shm_segment *segment, const uint64_t *head)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        if (segment->rings[i].header &&
            shmlog_load_acquire_(&segment->rings[i].header->tail) < head[i]) /* its release */
            return false;
    return true;
}

static uint64_t stat_of(const struct shm_segment *segment, enum shm_stat stat)
{
    return shmlog_load_relaxed_(&segment->control->stats[stat]);
}

static bool wait_for_disk(const struct shm_segment *segment, const uint64_t *head, uint64_t until)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    uint64_t records;

    while (!is_taken(segment, head)) {
        if (when_monotonic() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    records = stat_of(segment, SHM_STAT_records);
    while (stat_of(segment, SHM_STAT_acknowledged) < records) {
        if (when_monotonic() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static int run_drain(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);
    struct shm_health health;
    uint64_t *head = NULL;
    int r = EXIT_WELL;

    if (!segment)
        return EXIT_BAD;
    shm_health_of(segment, &health);
    if (!shm_health_has_collector(health.state))
        r = fail("%s: no collector is at work", arguments->word[0]);
    if (r == EXIT_WELL && !(head = calloc(segment->geometry.rings, sizeof(*head))))
        r = fail("%s", strerror(ENOMEM));
    for (uint32_t i = 0; head && i < segment->geometry.rings; i++)
        if (segment->rings[i].header)
            head[i] = shm_ring_head(segment->rings[i].header);
    if (r == EXIT_WELL && !wait_for_disk(segment, head, when_monotonic() + arguments->timeout_ns))
        r = fail("%s: not on the disk within %g s; " PROGRAM " is done waiting, see --timeout",
                 arguments->word[0], (double)arguments->timeout_ns / 1e9);
    free(head);
    shm_segment_close(segment);
    return r;
}

static int run_metrics(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);

    if (!segment)
        return EXIT_BAD;
    shm_metrics_put(segment, stdout);
    shm_segment_close(segment);
    return EXIT_WELL;
}

static int run_snapshot(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);
    const struct snapshot_params params = {.segment = segment,
                                           .directory = arguments->output ? arguments->output : ".",
                                           .last_ns = arguments->last_ns,
                                           .keep = arguments->keep};
    char path[PATH_MAX], message[PATH_MAX + 256];
    uint64_t records, lost;
    int r;

    if (!segment)
        return EXIT_BAD;
    r = snapshot_take(&params, path, &records, &lost, message, sizeof(message));
    shm_segment_close(segment);
    if (r < 0)
        return fail("%s", message);
    if (lost)
        fail("%" PRIu64 " record%s overwritten while they were read", lost,
             lost == 1 ? " was" : "s were");
    text_say(stdout, "%s: %" PRIu64 " record%s", path, records, text_plural(records));
    return EXIT_WELL;
}

static void say_taken(const char *path, uint64_t records, const char *why)
{
    text_say(stdout, "%s: %" PRIu64 " record%s, %s", path, records, text_plural(records), why);
    fflush(stdout);
}

static void say_failed(const char *message)
{
    fail("%s", message);
}

static void say_ready(void)
{
    fprintf(stderr, PROGRAM ": recording\n");
}

static int run_record(const struct arguments *arguments)
{
    const struct record_params params = {
        .segment = arguments->word[0],
        .snapshot = {.directory = arguments->output ? arguments->output : ".",
                     .last_ns = arguments->last_ns,
                     .keep = arguments->keep},
        .where = arguments->where,
        .on_death = arguments->on_death,
        .every_ns = arguments->every_ns,
        .pause_ns = arguments->pause_ns,
        .taken = say_taken,
        .failed = say_failed,
        .ready = say_ready,
    };
    char message[PATH_MAX + 256];
    const int r = record_run(&params, message, sizeof(message));

    if (r == -EINVAL && arguments->where) {
        fail("--where %s: %s", arguments->where, message);
        return EXIT_USAGE;
    }
    return r < 0 ? fail("%s", message) : EXIT_WELL;
}

/* ---- The command line ---- */

static const struct command commands[] = {
    {"list", "", "", 0, 0, run_list, "the segments of this user and of the system"},
    {"create", "SEGMENT", "rfl", 1, 1, run_create,
     "a segment without a collector, by default a flight recorder"},
    {"destroy", "SEGMENT", "", 1, 1, run_destroy, "remove a segment that no collector holds"},
    {"level", "LEVEL SEGMENT", "", 2, 2, run_level, "what is logged in running programs"},
    {"rotate", "SEGMENT", "", 1, 1, run_rotate, "have the collector begin a new file"},
    {"mark", "SEGMENT TEXT", "", 2, 2, run_mark, "log a critical record of category shmlog"},
    {"drain", "SEGMENT", "t", 1, 1, run_drain,
     "wait until all that was committed by now is in the files"},
    {"metrics", "SEGMENT", "", 1, 1, run_metrics, "its numbers, as Prometheus takes them"},
    {"snapshot", "SEGMENT", "nok", 1, 1, run_snapshot, "what the rings hold now, as a log file"},
    {"record", "SEGMENT", "nokwdep", 1, 1, run_record,
     "take snapshots when something happens, until SIGTERM"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
    {"ring-size", required_argument, NULL, 'r'}, {"on-full", required_argument, NULL, 'f'},
    {"level", required_argument, NULL, 'l'},     {"timeout", required_argument, NULL, 't'},
    {"last", required_argument, NULL, 'n'},      {"output", required_argument, NULL, 'o'},
    {"keep", required_argument, NULL, 'k'},      {"where", required_argument, NULL, 'w'},
    {"on-death", no_argument, NULL, 'd'},        {"every", required_argument, NULL, 'e'},
    {"pause", required_argument, NULL, 'p'},     {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},         {0},
};

static void print_help(void)
{
    puts("usage: " PROGRAM " COMMAND [OPTION]... [ARGUMENT]...\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        char left[40];

        snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].words);
        printf("  %-24s %s\n", left, commands[i].help);
    }
    fputs("\n"
          "  create: --ring-size BYTES      of each ring, a power of two, with k, m or g (1m)\n"
          "          --on-full POLICY       overwrite (default), drop, wait\n"
          "          --level LEVEL          lowest level that is logged (trace)\n"
          "  drain: --timeout DURATION      how long to wait (10s)\n"
          "  snapshot: --last DURATION      only the last seconds, as 30s (all)\n"
          "            --output DIR         where to (the current folder)\n"
          "            --keep N             so many snapshots of the segment, the newest (all)\n"
          "  record: the same, and SIGUSR1 asks for one;\n"
          "          --where EXPR           when a record passes, see shmlog-query(7)\n"
          "          --on-death             when a program has died without closing its log\n"
          "          --every DURATION       every so often\n"
          "          --pause DURATION       at least so long between two by the former (10s)\n"
          "  --help                         this text\n"
          "  --version                      the version\n"
          "\n"
          "exit status: 0 done; 1 a failure; 2 wrong use\n",
          stdout);
}

static bool parse_bytes(const char *string, uint64_t *ret_bytes)
{
    static const char units[] = "kmg";
    const char *unit;
    char *end;
    uint64_t bytes;

    errno = 0;
    if (*string < '0' || *string > '9')
        return false;
    bytes = strtoull(string, &end, 10);
    if (*end && (unit = strchr(units, *end))) {
        const unsigned shift = 10 * (unsigned)(unit - units + 1);

        if (bytes >> (64 - shift))
            return false;
        bytes <<= shift;
        end++;
    }
    *ret_bytes = bytes;
    return !errno && !*end;
}

static bool parse_policy(const char *string, uint32_t *ret_policy)
{
    static const char *const names[] = {"drop", "overwrite", "wait"};

    for (uint32_t i = 0; i < 3; i++)
        if (!strcmp(string, names[i])) {
            *ret_policy = SHMLOG_ON_FULL_DROP + i;
            return true;
        }
    return false;
}

/* NULL: taken; else what it must be. */
static const char *take_option(int letter, const char *value, struct arguments *arguments)
{
    int64_t ns;

    switch (letter) {
    case 'r':
        return parse_bytes(value, &arguments->ring_bytes) && arguments->ring_bytes >= 65536 &&
                       !(arguments->ring_bytes & (arguments->ring_bytes - 1))
                   ? NULL
                   : "must be a power of two from 64k on";
    case 'f':
        return parse_policy(value, &arguments->on_full) ? NULL
                                                        : "must be one of drop, overwrite, wait";
    case 'l':
        return level_parse(value, &arguments->level) == 0
                   ? NULL
                   : "must be one of trace, debug, info, warn, error, critical, off";
    case 'k':
        return parse_bytes(value, &arguments->keep) && arguments->keep ? NULL : "must be a number";
    case 'w':
        arguments->where = value;
        return *value ? NULL : "must not be empty";
    case 'd':
        arguments->on_death = true;
        return NULL;
    case 'o':
        arguments->output = value;
        return *value ? NULL : "must not be empty";
    default:
        if (when_parse_duration(value, strlen(value), &ns) < 0)
            return "must be a duration, as 30s or 5m";
        *(letter == 'n'   ? &arguments->last_ns
          : letter == 'e' ? &arguments->every_ns
          : letter == 'p' ? &arguments->pause_ns
                          : &arguments->timeout_ns) = (uint64_t)ns;
        return NULL;
    }
}

__attribute__((format(printf, 1, 2))) static int wrong_use(const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    fail("%s", message);
    fprintf(stderr, "Try '" PROGRAM " --help'.\n");
    return EXIT_USAGE;
}

static const char *name_of_option(int letter)
{
    for (size_t i = 0; options[i].name; i++)
        if (options[i].val == letter)
            return options[i].name;
    return "";
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments arguments = {.level = ~UINT32_C(0),
                                  .timeout_ns = UINT64_C(10000000000),
                                  .pause_ns = UINT64_C(10000000000)};
    int letter;

    while ((letter = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        const char *wants;

        if (letter == 'h' || letter == 'v') {
            if (letter == 'h')
                print_help();
            else
                puts(PROGRAM " " SHMLOG_VERSION_STRING);
            return EXIT_WELL;
        }
        if (letter == ':')
            return wrong_use("%s needs a value", argv[optind - 1]);
        if (letter == '?')
            return wrong_use("%s: no such option", argv[optind - 1]);
        if (!strchr(command->options, letter))
            return wrong_use("--%s does not apply to %s", name_of_option(letter), command->name);
        wants = take_option(letter, optarg, &arguments);
        if (wants) {
            fail("--%s %s: %s", name_of_option(letter), *optarg ? optarg : "''", wants);
            return EXIT_USAGE;
        }
    }
    if (!command->run)
        return wrong_use("what is to be done? a command is missing");
    arguments.words = argc - optind;
    if (arguments.words < command->least || arguments.words > command->most)
        return wrong_use("usage: " PROGRAM " %s %s", command->name, command->words);
    for (int i = 0; i < arguments.words; i++)
        arguments.word[i] = argv[optind + i];
    return command->run(&arguments);
}

int main(int argc, char **argv)
{
    static const struct command none = {.name = "nothing", .options = ""};
    const struct command *command = argc < 2 || *argv[1] == '-' ? &none : NULL;
    int r;

    for (size_t i = 0; i < COMMANDS && !command; i++)
        if (!strcmp(argv[1], commands[i].name))
            command = &commands[i];
    if (!command)
        return wrong_use("%s: no such command", argv[1]);
    r = command == &none ? run_command(command, argc, argv)
                         : run_command(command, argc - 1, argv + 1);
    if (fflush(stdout) && r == EXIT_WELL)
        r = fail("standard output: %s", strerror(errno));
    return r;
}
