/* SPDX-License-Identifier: MIT
 *
 * shmlog-cat: standard input, line by line, into a segment, as systemd-cat does with the journal. A
 * line longer than a record goes on in the next ones; readers put it together again.
 */
#include "tools/cat_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tool[] = "shmlog-cat";
static const char usage[] =
    "usage: shmlog-cat --segment NAME [options] < lines\n"
    "\n"
    "Logs each line of standard input. Exits 0 when every line is committed.\n"
    "\n"
    "  --segment NAME     segment to log to: a name, or a path that ends in one\n"
    "  --level LEVEL      trace, debug, info, warn, error, critical (default info)\n"
    "  --name NAME        process name in the records (default: shmlog-cat)\n"
    "  --wait-ms N        wait so long for the segment to appear, -1 forever (default 0)\n"
    "  --help             this text\n"
    "  --version          the version\n";

#define DONE (-1)
#define NAME_MAX_BYTES 31u /* of a process in a segment */

struct options {
    const char *segment;
    const char *name;
    uint32_t level;
    int wait_ms;
};

static int parse_level(const char *text, uint32_t *ret_level)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "critical"};

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_level = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_int(const char *text, int *ret_value)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < -1 || value > 86400000)
        return -EINVAL;
    *ret_value = (int)value;
    return 0;
}

/* The text that was asked for is all there is to do. */
static int end_output(void)
{
    if (fflush(stdout) == 0)
        return DONE;
    fprintf(stderr, "%s: standard output: %s\n", tool, strerror(errno));
    return EXIT_FAILURE;
}

/* 0: go on; DONE; else the exit status, with what was wrong said. */
static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {{"segment", required_argument, NULL, 's'},
                                          {"level", required_argument, NULL, 'l'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"wait-ms", required_argument, NULL, 'w'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {0}};
    int c, index = 0;

    while ((c = getopt_long(argc, argv, "", longs, &index)) != -1) {
        if (c != '?' && optarg && !*optarg) {
            fprintf(stderr, "%s: --%s '': must not be empty\n", tool, longs[index].name);
            return 2;
        }
        switch (c) {
        case 's':
            options->segment = optarg;
            break;
        case 'n':
            if (strlen(optarg) > NAME_MAX_BYTES) {
                fprintf(stderr, "%s: --name %s: must have at most %u bytes\n", tool, optarg,
                        NAME_MAX_BYTES);
                return 2;
            }
            options->name = optarg;
            break;
        case 'l':
            if (parse_level(optarg, &options->level) < 0) {
                fprintf(
                    stderr,
                    "%s: --level %s: must be one of trace, debug, info, warn, error, critical\n",
                    tool, optarg);
                return 2;
            }
            break;
        case 'w':
            if (parse_int(optarg, &options->wait_ms) < 0) {
                fprintf(stderr, "%s: --wait-ms %s: must be a number from -1 to 86400000\n", tool,
                        optarg);
                return 2;
            }
            break;
        case 'h':
            fputs(usage, stdout);
            return end_output();
        case 'v':
            printf("%s %s\n", tool, SHMLOG_VERSION_STRING);
            return end_output();
        default:
            return 2; /* getopt said it */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: %s: not an option; lines come from standard input\n", tool,
                argv[optind]);
        return 2;
    }
    if (!options->segment) {
        fprintf(stderr, "%s: --segment is missing; see --help\n", tool);
        return 2;
    }
    return 0;
}

/* One line, in as many records as it takes. */
static void put_line(struct shmlog *log, uint32_t level, const char *line, size_t size)
{
    while (size > CAT_LINE_MAX) {
        cat_line(log, level, 1, line, CAT_LINE_MAX);
        line += CAT_LINE_MAX;
        size -= CAT_LINE_MAX;
    }
    cat_line(log, level, 0, line, size);
}

int main(int argc, char **argv)
{
    struct options options = {.level = SHMLOG_INFO, .name = tool};
    struct shmlog_options attach = {0};
    struct shmlog *log;
    uint64_t lost, off = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    int r = parse(argc, argv, &options);

    if (r)
        return r == DONE ? EXIT_SUCCESS : r;
    attach.wait_ms = options.wait_ms;
    attach.process_name = options.name;
    r = shmlog_open(&log, options.segment, &attach);
    if (r < 0) {
        fprintf(stderr, "%s: %s: %s\n", tool, options.segment, shmlog_strerror(r));
        return EXIT_FAILURE;
    }
    lost = shmlog_thread_lost(log);
    while ((size = getline(&line, &room, stdin)) >= 0) {
        off += !shmlog_enabled(log, options.level);
        put_line(log, options.level, line, (size_t)size - (size > 0 && line[size - 1] == '\n'));
    }
    r = ferror(stdin) ? errno : 0;
    lost = shmlog_thread_lost(log) - lost;
    free(line);
    shmlog_close(log);
    if (r)
        fprintf(stderr, "%s: standard input: %s\n", tool, strerror(r));
    if (lost)
        fprintf(stderr,
                "%s: %s: %llu record%s dropped; shmlog-dump --info tells why, a collector with "
                "--on-full wait keeps those that find their ring full\n",
                tool, options.segment, (unsigned long long)lost, lost == 1 ? " was" : "s were");
    if (off)
        fprintf(stderr,
                "%s: %s: %llu line%s not logged, the segment's level is above %s; see "
                "shmlog-dump --set-level\n",
                tool, options.segment, (unsigned long long)off, off == 1 ? " was" : "s were",
                off == 1 ? "its" : "theirs");
    return r || lost || off ? EXIT_FAILURE : EXIT_SUCCESS;
}
