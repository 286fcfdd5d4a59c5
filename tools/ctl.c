/* SPDX-License-Identifier: MIT
 *
 * shmlog-ctl: steer segments and their collectors.
 */
#include "producer/shmlog.h"
#include "reader/level.h"
#include "reader/target.h"
#include "reader/text.h"
#include "reader/when.h"
#include "shm/health.h"
#include "shm/metrics.h"
#include "shm/path.h"
#include "tools/flush.h"
#include "tools/record.h"
#include "tools/rules.h"
#include "tools/segments.h"
#include "tools/snapshot.h"
#include "tools/watch.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "shmlog-ctl"

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

/* What the options of all commands say. */
struct arguments {
    const char *word[3]; /* without an option */
    int words;
    struct segments_params create;
    uint64_t last_ns, keep, timeout_ns, every_ns, pause_ns;
    const char *output, *where, *service;
    int64_t since_ns;
    bool on_death;
    struct shmlog_rule rule;
    unsigned samplings; /* how often the rule was told to sample */
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

static int run_list(const struct arguments *arguments)
{
    char message[PATH_MAX + 256];
    struct text table = {0};
    int r = EXIT_WELL;

    if (segments_list(&table, message, sizeof(message)) < 0)
        r = fail("%s", message);
    else if (table.size)
        fwrite(table.data, 1, table.size, stdout);
    else
        fprintf(stderr, PROGRAM ": no segments\n");
    text_done(&table);
    return r;
}

static int run_create(const struct arguments *arguments)
{
    char message[PATH_MAX + 256];

    return segments_create(arguments->word[0], &arguments->create, message, sizeof(message)) < 0
               ? fail("%s", message)
               : EXIT_WELL;
}

static int run_destroy(const struct arguments *arguments)
{
    char path[PATH_MAX];
    int r = shm_path_find(arguments->word[0], path, sizeof(path));

    if (r == 0)
        r = shm_segment_destroy(path);
    return r < 0 ? fail("%s: %s", arguments->word[0], shm_strerror(r)) : EXIT_WELL;
}

/* ---- Levels and sampling ---- */

static int fail_rules(const char *segment, int error)
{
    if (error == -ENOSPC)
        return fail("%s: it has %u rules already; " PROGRAM " unset removes some", segment,
                    SHMLOG_RULES_MAX);
    return error == -ENOENT
               ? fail("%s: no rule has these patterns; " PROGRAM " rules lists them", segment)
               : fail("%s: %s", segment, strerror(-error));
}

static int set_rule(const char *name, const struct shmlog_rule *rule)
{
    struct shm_segment *const segment = open_segment(name, true);
    int r;

    if (!segment)
        return EXIT_BAD;
    r = shm_rules_set(segment, rule);
    shm_segment_close(segment);
    return r < 0 ? fail_rules(name, r) : EXIT_WELL;
}

static int run_level(const struct arguments *arguments)
{
    struct shmlog_rule rule = arguments->rule;
    struct shm_segment *segment;
    uint32_t level, before;
    int r;

    if (level_parse(arguments->word[0], &level) < 0) {
        fail("level %s: " LEVEL_OR_OFF_WANTED, arguments->word[0]);
        return EXIT_USAGE;
    }
    rule.level = level;
    if (!rules_for_all(&rule))
        return set_rule(arguments->word[1], &rule);
    segment = open_segment(arguments->word[1], true);
    if (!segment)
        return EXIT_BAD;
    r = shm_rules_set_level(segment, level, &before);
    shm_segment_close(segment);
    if (r < 0)
        return fail_rules(arguments->word[1], r);
    text_say(stdout, "%s: level %s, was %s", arguments->word[1], level_name(level),
             level_name(before));
    return EXIT_WELL;
}

static int run_sample(const struct arguments *arguments)
{
    if (arguments->samplings != 1)
        return wrong_use("sample: one of --one-in, --per-second, --all is needed");
    return set_rule(arguments->word[0], &arguments->rule);
}

static int run_rules(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);
    struct text table = {0};

    if (!segment)
        return EXIT_BAD;
    rules_table(segment, &table);
    fwrite(table.data, 1, table.size, stdout);
    text_done(&table);
    shm_segment_close(segment);
    return EXIT_WELL;
}

static int run_unset(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], true);
    int r;

    if (!segment)
        return EXIT_BAD;
    r = shm_rules_unset(segment, rules_for_all(&arguments->rule) ? NULL : &arguments->rule);
    shm_segment_close(segment);
    return r < 0 ? fail_rules(arguments->word[0], r) : EXIT_WELL;
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

static int run_drain(const struct arguments *arguments)
{
    struct shm_segment *const segment = open_segment(arguments->word[0], false);
    struct shm_health health;
    int r;

    if (!segment)
        return EXIT_BAD;
    shm_health_of(segment, &health);
    r = shm_health_has_collector(health.state) ? flush_wait(segment, arguments->timeout_ns)
                                               : -ESRCH;
    shm_segment_close(segment);
    if (r == -ESRCH)
        return fail("%s: no collector is at work", arguments->word[0]);
    if (r == -ETIMEDOUT)
        return fail("%s: not on the disk within %g s; " PROGRAM " is done waiting, see --timeout",
                    arguments->word[0], (double)arguments->timeout_ns / 1e9);
    return r < 0 ? fail("%s", strerror(-r)) : EXIT_WELL;
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
                                           .service = arguments->service,
                                           .reason = "asked for",
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

/* What following a segment came to. */
static int end_of(int r, const char *where, const char *message)
{
    if (r == 0)
        return EXIT_WELL;
    if (r != -EINVAL || !where)
        return fail("%s", message);
    fail("--where %s: %s", where, message);
    return EXIT_USAGE;
}

static int run_record(const struct arguments *arguments)
{
    const struct record_params params = {
        .segment = arguments->word[0],
        .snapshot = {.directory = arguments->output ? arguments->output : ".",
                     .last_ns = arguments->last_ns,
                     .service = arguments->service,
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

    return end_of(r, arguments->where, message);
}

static void say_watching(void)
{
    fprintf(stderr, PROGRAM ": watching\n");
}

static void say_line(const char *line)
{
    fail("%s", line);
}

static int run_watch(const struct arguments *arguments)
{
    const struct watch_params params = {
        .segment = arguments->word[0],
        .where = arguments->where,
        .since_ns = arguments->since_ns,
        .command = arguments->word[1],
        .ready = say_watching,
        .said = say_line,
    };
    char message[PATH_MAX + 256];
    int r;

    if (!arguments->where)
        return wrong_use("watch: --where is needed");
    r = watch_run(&params, message, sizeof(message));
    return end_of(r, arguments->where, message);
}

/* ---- The command line ---- */

static const struct command commands[] = {
    {"list", "", "", 0, 0, run_list, "the segments of this user and of the system"},
    {"create", "SEGMENT", "rfl", 1, 1, run_create,
     "a segment without a collector, by default a flight recorder"},
    {"destroy", "SEGMENT", "", 1, 1, run_destroy, "remove a segment that no collector holds"},
    {"level", "LEVEL SEGMENT", "PCS", 2, 2, run_level,
     "log from this level on, by all or some calls"},
    {"sample", "SEGMENT", "PCS1sa", 1, 1, run_sample, "log not every call"},
    {"rules", "SEGMENT", "", 1, 1, run_rules, "the levels and samplings that are set"},
    {"unset", "SEGMENT", "PCS", 1, 1, run_unset, "remove the rule with these patterns, or all"},
    {"rotate", "SEGMENT", "", 1, 1, run_rotate, "have the collector begin a new file"},
    {"mark", "SEGMENT TEXT", "", 2, 2, run_mark, "log a critical record of category shmlog"},
    {"drain", "SEGMENT", "t", 1, 1, run_drain,
     "wait until all that was committed by now is in the files"},
    {"metrics", "SEGMENT", "", 1, 1, run_metrics, "its numbers, as Prometheus takes them"},
    {"snapshot", "SEGMENT", "noky", 1, 1, run_snapshot, "what the rings hold now, as a log file"},
    {"record", "SEGMENT", "nokywdep", 1, 1, run_record,
     "take snapshots when something happens, until SIGTERM"},
    {"watch", "SEGMENT COMMAND", "wi", 2, 2, run_watch, "run a command for records, until SIGTERM"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
    {"ring-size", required_argument, NULL, 'r'},
    {"on-full", required_argument, NULL, 'f'},
    {"level", required_argument, NULL, 'l'},
    {"timeout", required_argument, NULL, 't'},
    {"last", required_argument, NULL, 'n'},
    {"output", required_argument, NULL, 'o'},
    {"keep", required_argument, NULL, 'k'},
    {"where", required_argument, NULL, 'w'},
    {"on-death", no_argument, NULL, 'd'},
    {"every", required_argument, NULL, 'e'},
    {"pause", required_argument, NULL, 'p'},
    {"process", required_argument, NULL, 'P'},
    {"category", required_argument, NULL, 'C'},
    {"site", required_argument, NULL, 'S'},
    {"one-in", required_argument, NULL, '1'},
    {"per-second", required_argument, NULL, 's'},
    {"all", no_argument, NULL, 'a'},
    {"since", required_argument, NULL, 'i'},
    {"service", required_argument, NULL, 'y'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {0},
};

static void print_help(void)
{
    puts("usage: " PROGRAM " COMMAND [OPTION]... [ARGUMENT]...\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        char left[40];

        snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].words);
        printf("  %-24s %s\n", left, commands[i].help);
    }
    fputs(
        "\n"
        "  create: --ring-size BYTES      of each ring, a power of two, with k, m or g (1m)\n"
        "          --on-full POLICY       overwrite (default), drop, wait\n"
        "          --level LEVEL          lowest level that is logged (trace)\n"
        "  level, sample, unset: --process PATTERN, --category PATTERN, --site PATTERN|FILE:LINE\n"
        "                                 for which calls: * and ? are wildcards; a site's is for\n"
        "                                 its file, function or format. The rule set last counts\n"
        "  sample: --one-in N             of the calls of a site in a program, one in N\n"
        "          --per-second N         at most so many\n"
        "          --all                  each, in spite of rules before\n"
        "  drain: --timeout DURATION      how long to wait (10s)\n"
        "  snapshot: --last DURATION      only the last seconds, as 30s (all)\n"
        "            --output DIR         where to (the current folder)\n"
        "            --keep N             so many snapshots of the segment, the newest (all)\n"
        "            --service NAME       of whom they are, for shmlog-dump --info (the segment)\n"
        "  record: the same, and SIGUSR1 asks for one;\n"
        "          --where EXPR           when a record passes, see shmlog-query(7)\n"
        "          --on-death             when a program has died without closing its log\n"
        "          --every DURATION       every so often\n"
        "          --pause DURATION       at least so long between two by the former (10s)\n"
        "  watch: --where EXPR            for records that pass\n"
        "         --since TIME            and are as new as that, as shmlog-dump takes it (now)\n"
        "  --help                         this text\n"
        "  --version                      the version\n"
        "\n"
        "exit status: 0 done; 1 a failure; 2 wrong use\n",
        stdout);
}

/* NULL: taken; else what it must be. */
static const char *take_option(int letter, const char *value, struct arguments *arguments)
{
    int64_t ns;
    char *end;

    switch (letter) {
    case 'r':
        return segments_take_ring_size(value, &arguments->create);
    case 'f':
        return segments_take_on_full(value, &arguments->create);
    case 'l':
        return segments_take_level(value, &arguments->create);
    case 'P':
        return rules_take_process(value, &arguments->rule);
    case 'C':
        return rules_take_category(value, &arguments->rule);
    case 'S':
        return rules_take_site(value, &arguments->rule);
    case '1':
        arguments->samplings++;
        return rules_take_one_in(value, &arguments->rule);
    case 's':
        arguments->samplings++;
        return rules_take_per_second(value, &arguments->rule);
    case 'a':
        arguments->samplings++;
        return rules_take_all(&arguments->rule);
    case 'k':
        arguments->keep = strtoull(value, &end, 10);
        return *value >= '1' && *value <= '9' && !*end ? NULL : "must be a number";
    case 'y':
        arguments->service = value;
        return *value && strlen(value) < 64 ? NULL : "must have 1 to 63 bytes";
    case 'w':
        arguments->where = value;
        return *value ? NULL : "must not be empty";
    case 'i':
        return when_parse(value, when_now(), &arguments->since_ns) == 0 ? NULL : WHEN_WANTED;
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

static const char *name_of_option(int letter)
{
    for (size_t i = 0; options[i].name; i++)
        if (options[i].val == letter)
            return options[i].name;
    return "";
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments arguments = {.rule.level = SHMLOG_RULE_KEEP,
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
