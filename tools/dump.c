/* SPDX-License-Identifier: MIT
 *
 * shmlog-dump: the command line, and what it asks for.
 */
#include "reader/fileset.h"
#include "reader/level.h"
#include "reader/target.h"
#include "reader/when.h"
#include "shm/rules.h"
#include "tools/health.h"
#include "tools/info.h"
#include "tools/info_file.h"
#include "tools/output.h"
#include "tools/records.h"
#include "tools/verify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "shmlog-dump"
#define OUTPUT_BUFFER (256 * 1024)

static int info_of(const struct options *options, struct text *out, char *ret_message,
                   size_t message_size)
{
    const bool json = options->format == PRINT_JSON;
    struct shm_segment *segment;
    enum target_kind kind;
    char path[PATH_MAX];
    int r = target_find(options->paths[0], &kind, path, ret_message, message_size);

    if (r == 0 && kind == TARGET_FILE) {
        r = info_file(path, json, out);
        if (r < 0)
            snprintf(ret_message, message_size, "%s: %s", options->paths[0], fileset_strerror(r));
        return r;
    }
    r = target_open_segment(options->paths[0], false, &segment, ret_message, message_size);
    if (r < 0)
        return r;
    r = json ? info_json(segment, options->show, out) : info_text(segment, options->show, out);
    shm_segment_close(segment);
    return r;
}

static int info(const struct options *options)
{
    struct text out = {0};
    char message[PATH_MAX + 256] = "";
    int r = info_of(options, &out, message, sizeof(message));

    if (r < 0 && *message) {
        output_complain(message);
        text_done(&out);
        return EXIT_BAD;
    }
    if (r == 0 && out.size) {
        size_t skip = out.data[0] == '\n'; /* a part that is printed alone needs no blank line */

        fwrite(out.data + skip, 1, out.size - skip, stdout);
        r = output_flush();
    }
    text_done(&out);
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
        output_complain(message);
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
        r = output_flush();
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
        output_complain(message);
        return EXIT_BAD;
    }
    r = shm_rules_set_level(segment, options->set_level, &before);
    if (r == 0)
        text_say(stdout, "%s: level %s, was %s", options->paths[0], level_name(options->set_level),
                 level_name(before));
    shm_segment_close(segment);
    if (r < 0) {
        snprintf(message, sizeof(message), "%s: %s", options->paths[0], strerror(-r));
        output_complain(message);
        return EXIT_BAD;
    }
    return output_status(output_flush());
}

static int verify_files(const struct options *options)
{
    char message[PATH_MAX + 256] = "";
    int r = verify(options->paths, options->path_count, stdout, stderr, message, sizeof(message));
    int flushed = output_flush();

    if (r < 0) {
        output_complain(message);
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

static int run_mode(struct options *options)
{
    switch (options->mode) {
    case MODE_RECORDS:
        return records(options);
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
    return output_status(output_flush());
}

int main(int argc, char **argv)
{
    struct options options;
    char message[PATH_MAX + 256] = "";
    int r;

    signal(SIGPIPE, SIG_IGN); /* a reader that has gone shows as EPIPE */
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER);
    r = options_parse(argc, argv, when_now(), &options, message, sizeof(message));
    if (r < 0) {
        output_complain(message);
        fprintf(stderr, "Try '" PROGRAM " --help'.\n");
        r = EXIT_USAGE;
    } else {
        r = run_mode(&options);
    }
    options_done(&options);
    return r;
}
