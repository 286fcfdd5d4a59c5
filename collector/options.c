/* SPDX-License-Identifier: MIT
 *
 * The collector's options: see options.h.
 */
#include "collector/options.h"

#include "producer/shmlog/check.h"
#include "shm/path.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { TEXT, FLAG, NUMBER, BYTES, POWER, ROOM, FOREVER, CPUS, CPU, CHOICE };

struct choice {
    const char *name;
    uint64_t value;
};

struct definition {
    const char *name, *argument, *help;
    enum kind kind;
    size_t offset, size;
    uint64_t min, max;
    const struct choice *choices;
};

static const struct choice on_full[] = {{"drop", SHMLOG_ON_FULL_DROP},
                                        {"overwrite", SHMLOG_ON_FULL_OVERWRITE},
                                        {"wait", SHMLOG_ON_FULL_WAIT},
                                        {0}};
static const struct choice levels[] = {{"trace", SHMLOG_TRACE}, {"debug", SHMLOG_DEBUG},
                                       {"info", SHMLOG_INFO},   {"warn", SHMLOG_WARN},
                                       {"error", SHMLOG_ERROR}, {"critical", SHMLOG_CRITICAL},
                                       {"off", SHMLOG_OFF},     {0}};
static const struct choice pages[] = {{"auto", 0}, {"1G", 1048576}, {"2M", 2048}, {"4K", 4}, {0}};
static const struct choice ios[] = {{"auto", IO_AUTO},
                                    {"uring", IO_URING},
                                    {"plain", IO_PLAIN},
                                    {0}};
static const struct choice idles[] = {{"spin", IDLE_SPIN},
                                      {"pause", IDLE_PAUSE},
                                      {"sleep", IDLE_SLEEP},
                                      {0}};

static const struct choice print_formats[] = {{"text", 0}, {"json", 1}, {0}};

#define AT(member) offsetof(struct options, member), sizeof(((struct options *)0)->member)

static const struct definition definitions[] = {
    {"segment", "NAME", "segment to create or take over: a name, or a path that ends in one", TEXT,
     AT(segment), 0, 0, NULL},
    {"output", "DIR", "directory for the log files; made if it is missing", TEXT, AT(output), 0, 0,
     NULL},
    {"instance", "NAME", "who writes here, for the names of the files: collectors can share DIR",
     TEXT, AT(instance), 0, 0, NULL},
    {"cpus", "LIST", "cores that get a ring, like 0-3,8 (default: all that are possible)", CPUS,
     AT(cpus), 0, 0, NULL},
    {"ring-size", "BYTES", "slots of each ring, a power of two, with k, m or g (default 1m)", POWER,
     AT(ring_bytes), UINT64_C(1) << 16, UINT64_C(1) << 36, NULL},
    {"spare-rings", "N", "rings for threads that cannot use those of cores, beside one (default 8)",
     NUMBER, AT(spare_rings), 0, 1024, NULL},
    {"page-size", "SIZE", "largest page to try: auto, 1G, 2M, 4K (default auto)", CHOICE,
     AT(page_kib), 0, 0, pages},
    {"on-full", "POLICY", "when a ring is full: drop, overwrite, wait (default drop)", CHOICE,
     AT(on_full), 0, 0, on_full},
    {"reserve", "PERCENT",
     "of each ring, for warn and above alone, 0 to 50; overwrite: rings of their own (default 12)",
     NUMBER, AT(reserve), 0, 50, NULL},
    {"wait-ms", "N", "wait policy: longest wait without progress, or 'forever' (default 10000)",
     FOREVER, AT(wait_ms), 0, UINT64_C(86400000), NULL},
    {"level", "LEVEL", "lowest level that is logged: trace ... critical, off (default trace)",
     CHOICE, AT(level), 0, 0, levels},
    {"group", "NAME", "group whose members may attach (default: that of the collector)", TEXT,
     AT(group), 0, 0, NULL},
    {"rotate-size", "BYTES", "begin a new file at this size, 0 never (default 256m)", BYTES,
     AT(rotate_bytes), 0, UINT64_C(1) << 50, NULL},
    {"rotate-time", "SECONDS", "begin a new file at this age, 0 never (default 3600)", NUMBER,
     AT(rotate_s), 0, UINT32_MAX, NULL},
    {"retain-count", "N", "keep at most N sealed files, 0 all (default 0)", NUMBER,
     AT(retain_count), 0, UINT32_MAX, NULL},
    {"retain-size", "BYTES", "keep at most so much in sealed files, 0 all (default 0)", BYTES,
     AT(retain_bytes), 0, UINT64_C(1) << 60, NULL},
    {"retain-age", "SECONDS", "remove sealed files older than this, 0 never (default 0)", NUMBER,
     AT(retain_s), 0, UINT32_MAX, NULL},
    {"keep-free", "ROOM", "remove sealed files while less is free: BYTES or N% (default 0)", ROOM,
     AT(keep_free), 0, UINT64_C(1) << 60, NULL},
    {"retain-min", "N", "keep the N newest sealed files whatever the others say (default 1)",
     NUMBER, AT(retain_min), 0, UINT32_MAX, NULL},
    {"flush-ms", "N", "oldest that a record gets before it goes to a file (default 100)", NUMBER,
     AT(flush_ms), 1, 60000, NULL},
    {"outbox-size", "BYTES", "shared memory for blocks on their way to disk (default 16m)", POWER,
     AT(outbox_bytes), UINT64_C(1) << 22, UINT64_C(1) << 34, NULL},
    {"zstd-level", "N", "compression level, 1 to 19 (default 1)", NUMBER, AT(zstd_level), 1, 19,
     NULL},
    {"durable", NULL, "free a block only when fdatasync says that it is on the disk", FLAG,
     AT(durable), 0, 0, NULL},
    {"io", "BACKEND", "auto, uring, plain (default auto: io_uring where it works)", CHOICE, AT(io),
     0, 0, ios},
    {"pin", "CPU", "run on this core alone (default: not pinned)", CPU, AT(pin), 0, 0, NULL},
    {"realtime", "PRIORITY", "SCHED_FIFO with this priority, 1 to 99 (default: not)", NUMBER,
     AT(realtime), 0, 99, NULL},
    {"mlock", NULL, "lock the collector's memory", FLAG, AT(mlock), 0, 0, NULL},
    {"idle", "STRATEGY", "when there is nothing to do: spin, pause, sleep (default sleep)", CHOICE,
     AT(idle), 0, 0, idles},
    {"metrics", "FILE", "keep metrics for Prometheus in this file, anew every five seconds", TEXT,
     AT(metrics), 0, 0, NULL},
    {"print", "EXPR", "print records that pass on standard output, see shmlog-query(7)", TEXT,
     AT(print), 0, 0, NULL},
    {"print-format", "FORMAT", "text, json (default text)", CHOICE, AT(print_json), 0, 0,
     print_formats},
    {"exec-on", "EXPR COMMAND", "run a command for records that pass, see shmlog-ctl(1), watch",
     TEXT, AT(exec_on), 0, 0, NULL},
    {"quiet", NULL, "no report at start", FLAG, AT(quiet), 0, 0, NULL},
    {"no-alarm-records", NULL, "what it says while it runs does not go to the log as well", FLAG,
     AT(no_alarm_records), 0, 0, NULL},
    {"remove-orphans", NULL, "only remove huge-page files whose segment is gone, and exit", FLAG,
     AT(remove_orphans), 0, 0, NULL},
};
#define DEFINITIONS (sizeof(definitions) / sizeof(definitions[0]))
_Static_assert(DEFINITIONS <= 64, "a bit for each in options.given");

int options_cpu_list(const char *text, uint32_t *ret_cpus)
{
    bool seen[OPTIONS_CPUS_MAX] = {false};
    int count = 0;

    do {
        unsigned long from, to;
        char *end;

        if (!isdigit((unsigned char)*text))
            return -EINVAL;
        from = to = strtoul(text, &end, 10);
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                return -EINVAL;
            to = strtoul(end + 1, &end, 10);
        }
        if (from > to || to >= OPTIONS_CPUS_MAX || (*end && *end != ','))
            return -EINVAL;
        for (; from <= to; from++) {
            if (seen[from])
                return -EINVAL;
            seen[from] = true;
            ret_cpus[count++] = (uint32_t)from;
        }
        text = end;
    } while (*text++ == ',');
    return count;
}

static int parse_number(const char *text, bool suffix, uint64_t *ret_value)
{
    unsigned shift = 0;
    uint64_t value;
    char *end;

    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno)
        return -EINVAL;
    if (suffix && *end) {
        static const char units[] = "kmgt";
        const char *const unit = strchr(units, tolower((unsigned char)*end));

        if (!unit)
            return -EINVAL;
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end || value > UINT64_MAX >> shift)
        return -EINVAL;
    *ret_value = value << shift;
    return 0;
}

/* Bytes, or a share of 1% to 99%. */
static int parse_room(const char *text, uint64_t max, struct options_room *ret_room)
{
    struct options_room room = {0};
    char *end;

    if (parse_number(text, true, &room.bytes) < 0) {
        if (!isdigit((unsigned char)*text))
            return -EINVAL;
        room = (struct options_room){.percent = strtoull(text, &end, 10)};
        if (strcmp(end, "%") != 0 || room.percent < 1 || room.percent > 99)
            return -EINVAL;
    }
    if (room.bytes > max)
        return -EINVAL;
    *ret_room = room;
    return 0;
}

static void store(struct options *options, const struct definition *d, uint64_t value)
{
    memcpy((char *)options + d->offset, &value, d->size); /* little-endian */
}

/* A list: those of one given before stay. */
static int add_cpus(struct options *options, const char *text)
{
    uint32_t cpus[OPTIONS_CPUS_MAX];
    const int n = options_cpu_list(text, cpus);

    if (n <= 0 || (uint32_t)n > OPTIONS_CPUS_MAX - options->cpu_count)
        return -EINVAL;
    for (uint32_t i = 0; i < options->cpu_count; i++)
        for (int j = 0; j < n; j++)
            if (options->cpus[i] == cpus[j])
                return -EINVAL;
    memcpy(&options->cpus[options->cpu_count], cpus, (size_t)n * sizeof(*cpus));
    options->cpu_count += (uint32_t)n;
    return 0;
}

/* Parse one option's argument; 0, or -EINVAL with what would be right in `ret_expected`. */
static int parse_argument(struct options *options, const struct definition *d, const char *text,
                          char *ret_expected, size_t size)
{
    uint64_t value = 0;

    switch (d->kind) {
    case TEXT:
        if (*text) {
            memcpy((char *)options + d->offset, &text, sizeof(text));
            return 0;
        }
        snprintf(ret_expected, size, "must not be empty");
        return -EINVAL;
    case FLAG:
        store(options, d, 1);
        return 0;
    case CPUS:
        if (add_cpus(options, text) == 0)
            return 0;
        snprintf(ret_expected, size,
                 "must be a list of cores like 0-3,8, each of them once and at most %u",
                 OPTIONS_CPUS_MAX - 1);
        return -EINVAL;
    case CPU:
        if (parse_number(text, false, &value) == 0 && value < CPU_SETSIZE) {
            store(options, d, value);
            return 0;
        }
        snprintf(ret_expected, size, "must be the number of a core");
        return -EINVAL;
    case ROOM: {
        struct options_room room;

        if (parse_room(text, d->max, &room) == 0) {
            memcpy((char *)options + d->offset, &room, sizeof(room));
            return 0;
        }
        snprintf(ret_expected, size,
                 "must be a number from 0 to %llu, with k, m, g or t for powers of 1024, or a "
                 "share from 1%% to 99%%",
                 (unsigned long long)d->max);
        return -EINVAL;
    }
    case CHOICE: {
        size_t n = (size_t)snprintf(ret_expected, size, "must be one of");

        for (const struct choice *c = d->choices; c->name; c++) {
            if (strcmp(c->name, text) == 0) {
                store(options, d, c->value);
                return 0;
            }
            if (n < size)
                n += (size_t)snprintf(ret_expected + n, size - n, " %s", c->name);
        }
        return -EINVAL;
    }
    case FOREVER:
        if (strcmp(text, "forever") == 0) {
            store(options, d, UINT64_MAX);
            return 0;
        }
        /* fall through */
    case NUMBER:
    case BYTES:
    case POWER: {
        const bool bytes = d->kind == BYTES || d->kind == POWER;

        if (parse_number(text, bytes, &value) == 0 && value >= d->min && value <= d->max &&
            (d->kind != POWER || (value & (value - 1)) == 0)) {
            store(options, d, value);
            return 0;
        }
        snprintf(ret_expected, size, "must be a number from %llu to %llu%s%s",
                 (unsigned long long)d->min, (unsigned long long)d->max,
                 d->kind == POWER ? ", a power of two" : "",
                 bytes                ? ", with k, m, g or t for powers of 1024"
                 : d->kind == FOREVER ? ", or 'forever'"
                                      : "");
    }
        return -EINVAL;
    }
    return -EINVAL;
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: shmlog-collector --segment NAME --output DIR [options]\n"
                 "       shmlog-collector --remove-orphans\n\n"
                 "Drains the rings of a segment into compressed log files. SIGTERM drains, seals\n"
                 "and exits; SIGHUP begins a new file.\n\n");
    for (size_t i = 0; i < DEFINITIONS; i++) {
        const struct definition *const d = &definitions[i];
        char left[64];

        snprintf(left, sizeof(left), "--%s%s%s", d->name, d->argument ? " " : "",
                 d->argument ? d->argument : "");
        fprintf(out, "  %-24s %s\n", left, d->help);
    }
    fprintf(out, "  %-24s %s\n  %-24s %s\n", "--help", "this text", "--version", "the version");
}

static const struct definition *find(const char *name, size_t n)
{
    for (size_t i = 0; i < DEFINITIONS; i++)
        if (strlen(definitions[i].name) == n && strncmp(definitions[i].name, name, n) == 0)
            return &definitions[i];
    return NULL;
}

bool options_given(const struct options *options, const char *name)
{
    const struct definition *const d = find(name, strlen(name));

    return d && options->given >> (d - definitions) & 1;
}

/* A list of the kernel's, or, without /sys, as many cores as there are configured. */
static uint32_t kernel_cpus(const char *path, uint32_t *ret_cpus)
{
    char text[4096] = "";
    FILE *const f = fopen(path, "re");
    uint32_t count = 0;
    int n = -EINVAL;

    if (f && fgets(text, sizeof(text), f)) {
        text[strcspn(text, "\n")] = 0;
        n = options_cpu_list(text, ret_cpus);
    }
    if (f)
        fclose(f);
    if (n > 0)
        return (uint32_t)n;
    for (long i = sysconf(_SC_NPROCESSORS_CONF); i > 0 && count < OPTIONS_CPUS_MAX; i--, count++)
        ret_cpus[count] = count;
    return count;
}

/* Not those that this process may run on: producers run where the collector does not. */
uint32_t options_possible_cpus(uint32_t *ret_cpus)
{
    return kernel_cpus("/sys/devices/system/cpu/possible", ret_cpus);
}

uint32_t options_online_cpus(uint32_t *ret_cpus)
{
    return kernel_cpus("/sys/devices/system/cpu/online", ret_cpus);
}

static enum options_result check(struct options *o, FILE *err)
{
    static const char tool[] = "shmlog-collector";
    int r;

    if (o->remove_orphans) {
        if (!o->segment && !o->output)
            return OPTIONS_RUN;
        fprintf(err, "%s: --remove-orphans and --%s exclude each other; see --help\n", tool,
                o->segment ? "segment" : "output");
        return OPTIONS_WRONG;
    }
    if (!o->segment || !o->output) {
        fprintf(err, "%s: --%s is missing; see --help\n", tool, o->segment ? "output" : "segment");
        return OPTIONS_WRONG;
    }
    r = shm_path_find(o->segment, (char[PATH_MAX]){0}, PATH_MAX);
    if (r == -EISDIR) {
        fprintf(err,
                "%s: --segment %s: is the runtime folder, which segments are in; give the name of "
                "one\n",
                tool, o->segment);
        return OPTIONS_WRONG;
    }
    if (r == -EINVAL || r == -ENAMETOOLONG) {
        fprintf(err,
                "%s: --segment %s: must be a name of letters, digits, '.', '_', '-', not beginning "
                "with '.' or '-', at most 63 bytes, or a path that ends in such a name\n",
                tool, o->segment);
        return OPTIONS_WRONG;
    }
    if (o->instance && (strchr(o->instance, '/') ||
                        shm_path_find(o->instance, (char[PATH_MAX]){0}, PATH_MAX) == -EINVAL)) {
        fprintf(
            err,
            "%s: --instance %s: must be a name of letters, digits, '.', '_', '-', not beginning "
            "with '.' or '-', at most 63 bytes\n",
            tool, o->instance);
        return OPTIONS_WRONG;
    }
    if (o->retain_count && o->retain_count < o->retain_min) {
        fprintf(err,
                "%s: --retain-count %llu: is less than --retain-min, %llu; give one that is not\n",
                tool, (unsigned long long)o->retain_count, (unsigned long long)o->retain_min);
        return OPTIONS_WRONG;
    }
    if (!o->cpu_count)
        o->cpu_count = options_possible_cpus(o->cpus);
    return OPTIONS_RUN;
}

enum options_result options_parse(int argc, char *const *argv, struct options *ret_options,
                                  FILE *out, FILE *err)
{
    static const char tool[] = "shmlog-collector";
    struct options o = {
        .ring_bytes = UINT64_C(1) << 20,
        .spare_rings = 8,
        .on_full = SHMLOG_ON_FULL_DROP,
        .reserve = 12,
        .wait_ms = 10000,
        .rotate_bytes = UINT64_C(256) << 20,
        .rotate_s = 3600,
        .retain_min = 1,
        .flush_ms = 100,
        .outbox_bytes = UINT64_C(16) << 20,
        .zstd_level = 1,
        .pin = -1,
        .idle = IDLE_SLEEP,
    };
    enum options_result result;

    for (int i = 1; i < argc; i++) {
        const char *const name = argv[i] + 2;
        const char *argument = NULL;
        const struct definition *d;
        char expected[256] = "";
        size_t n;

        if (strcmp(argv[i], "--help") == 0) {
            print_help(out);
            return OPTIONS_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            fprintf(out, "%s %s\n", tool, SHMLOG_VERSION_STRING);
            return OPTIONS_DONE;
        }
        if (strncmp(argv[i], "--", 2) != 0 || !*name) {
            fprintf(err, "%s: %s: not an option; see --help\n", tool, *argv[i] ? argv[i] : "''");
            return OPTIONS_WRONG;
        }
        n = strcspn(name, "=");
        d = find(name, n);
        if (!d) {
            fprintf(err, "%s: %s: no such option; see --help\n", tool, argv[i]);
            return OPTIONS_WRONG;
        }
        if (name[n] == '=')
            argument = name + n + 1;
        else if (d->argument && i + 1 < argc)
            argument = argv[++i];
        if (!!argument != !!d->argument) {
            fprintf(err, "%s: --%s %s; see --help\n", tool, d->name,
                    d->argument ? "needs a value" : "takes no value");
            return OPTIONS_WRONG;
        }
        if (parse_argument(&o, d, argument, expected, sizeof(expected)) < 0) {
            fprintf(err, "%s: --%s %s: %s\n", tool, d->name, *argument ? argument : "''", expected);
            return OPTIONS_WRONG;
        }
        o.given |= UINT64_C(1) << (d - definitions);
        if (d->offset == offsetof(struct options, exec_on)) { /* the one with two values */
            o.command = ++i < argc ? argv[i] : "";
            if (!*o.command) {
                fprintf(err, "%s: --exec-on %s: needs a command behind it; see --help\n", tool,
                        o.exec_on);
                return OPTIONS_WRONG;
            }
        }
    }
    result = check(&o, err);
    if (result == OPTIONS_RUN)
        *ret_options = o;
    return result;
}
