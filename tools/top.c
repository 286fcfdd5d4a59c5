/* SPDX-License-Identifier: MIT
 *
 * shmlog-top: what goes on in a segment. One function puts the screen together as lines of text;
 * --once prints them, else ncurses shows them.
 */
#include "logfile/site.h"
#include "reader/filter.h"
#include "reader/join.h"
#include "reader/level.h"
#include "reader/target.h"
#include "shm/rules.h"
#include "shm/stats.h"
#include "shm/tables.h"
#include "tools/activity.h"
#include "tools/rows.h"
#include "tools/table.h"

#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "shmlog-top"

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

enum view { VIEW_ALL, VIEW_RINGS, VIEW_SITES, VIEW_THREADS, VIEWS };

struct top {
    const struct shm_segment *segment;
    const char *name;
    struct activity *activity;
    enum view view;
    bool paused, typing; /* typing: the filter */
    char filter[64];
    size_t selected;   /* of the sites that are shown */
    uint32_t site;     /* that one's id, 0: none */
    bool drilled;      /* its last records are shown */
    struct text lines; /* the screen */
    size_t head;       /* lines of it that are no rows: they are shown bold */
};

/* 1234567 as 1.23M. */
static void put_rate(struct text *out, double rate)
{
    static const char units[] = " kMGT";
    size_t unit = 0;

    while (rate >= 999.5 && unit + 2 < sizeof(units)) {
        rate /= 1000;
        unit++;
    }
    text_printf(out, unit ? "%.3g%c" : "%.0f", rate, units[unit]);
}

static bool passes(const struct top *top, const struct text *row)
{
    return !*top->filter || (!row->failed && row->size &&
                             memmem(row->data, row->size, top->filter, strlen(top->filter)));
}

/* ---- The lines ---- */

static void put_rules(const struct shm_segment *segment, struct text *out)
{
    struct shm_rules rules;

    shm_rules_read(segment, &rules);
    if (!rules.count)
        return;
    text_printf(out, "rules: %" PRIu32, rules.count);
    for (uint32_t cause = 0; cause < SHMLOG_SKIPPED_CAUSES; cause++)
        text_printf(out, "%s %" PRIu64 " by %s", cause ? "," : "  skipped",
                    shm_rules_skipped(segment, cause), shm_rules_cause(cause));
    text_putc(out, '\n');
}

static void put_summary(struct top *top)
{
    const struct activity *const activity = top->activity;
    struct text *const out = &top->lines;
    const struct shmlog_control *const geometry = &top->segment->geometry;
    char now[16];
    const time_t seconds = time(NULL);
    struct tm local;

    localtime_r(&seconds, &local);
    strftime(now, sizeof(now), "%H:%M:%S", &local);
    text_put_plain(out, top->name, strlen(top->name));
    text_printf(out, ": %s  %s  level %s  %" PRIu32 " rings of %" PRIu64 " KiB%s\n",
                shm_health_word(activity->health.segment.state), now,
                level_name(shm_rules_level(top->segment)), geometry->rings,
                geometry->ring_slots * SHMLOG_SLOT_SIZE / 1024, top->paused ? "  PAUSED" : "");
    put_rate(out, activity->records_rate);
    text_puts(out, " records/s  ");
    put_rate(out, activity->bytes_rate);
    text_puts(out, "B/s to files  ");
    put_rate(out, activity->lost_rate);
    text_puts(out, " lost/s  behind ");
    health_put_age(activity->health.behind.slots ? activity->health.behind.oldest_ns : 0, out);
    if (activity->stats[SHM_STAT_file_bytes])
        text_printf(out, "  ratio %.1f",
                    (double)activity->stats[SHM_STAT_slot_bytes] /
                        (double)activity->stats[SHM_STAT_file_bytes]);
    text_putc(out, '\n');
    if (shm_losses_sum(&activity->losses)) {
        text_puts(out, "lost: ");
        health_put_losses(activity->losses.cause, out);
        text_putc(out, '\n');
    }
    put_rules(top->segment, out);
    if (activity->health.segment.state != SHM_HEALTH_WORKING) {
        text_puts(out, "! ");
        health_put_reason(&activity->health, out);
        text_putc(out, '\n');
    }
    top->head = 0;
    for (size_t i = 0; i < out->size; i++)
        top->head += out->data[i] == '\n';
}

/* A table: its rows have a title before them, and `room` lines at most. */
static void put_table(struct top *top, const char *title, struct text *rows, size_t right)
{
    struct text table = {0};

    text_puts(&table, title);
    text_put(&table, rows->data ? rows->data : "", rows->size);
    table_align(&table, 0, right);
    text_putc(&top->lines, '\n');
    text_put(&top->lines, table.data ? table.data : "", table.size);
    text_done(&table);
    text_done(rows);
}

static void put_rings(struct top *top, size_t room)
{
    struct text rows = {0};

    for (uint32_t i = 0; i < top->activity->rings && room > 0; i++) {
        const struct activity_ring *const ring = &top->activity->ring[i];

        if (top->view == VIEW_ALL && ring->slots_rate <= 0 && ring->used <= 0 && !ring->lost)
            continue;
        put_rate(&rows, ring->slots_rate);
        text_printf(&rows, "\t%.0f %%\t", 100 * ring->used);
        text_put_duration(&rows, ring->oldest_s * 1e9);
        text_printf(&rows, "\t%" PRIu64 "\t%" PRIu32 "\t", ring->lost, ring->ring);
        if (ring->cpu != ~UINT32_C(0))
            text_printf(&rows, "cpu %" PRIu32, ring->cpu);
        else
            text_puts(&rows, "shared");
        text_putc(&rows, '\n');
        room--;
    }
    put_table(top, "slots/s\tfull\toldest\tlost\tring\t\n", &rows, 5);
}

/* Level, place and format of a site. */
static void put_site(const struct top *top, uint32_t id, struct text *row)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct file_site *const site = malloc(sizeof(*site));
    const char *base;
    size_t size;

    if (site && shm_site_copy(top->segment, id, bytes, &size) == 0 &&
        file_site_parse(bytes, size, site) == 0) {
        base = strrchr(site->file, '/');
        text_printf(row, "%s\t", level_name(site->level));
        text_put_plain(row, base ? base + 1 : site->file, strlen(base ? base + 1 : site->file));
        text_printf(row, ":%u\t", site->line);
        text_put_plain(row, site->format, strlen(site->format));
    } else {
        text_printf(row, "?\tsite %" PRIu32 "\t", id);
    }
    free(site);
}

static void put_sites(struct top *top, size_t room)
{
    const struct activity *const activity = top->activity;
    struct text rows = {0}, row = {0};
    size_t shown = 0;

    top->site = 0;
    for (size_t i = 0; i < activity->sites && shown < room; i++) {
        text_clear(&row);
        put_rate(&row, activity->site[i].rate);
        text_printf(&row, "\t%.1f %%\t",
                    100 * activity->site[i].rate /
                        (activity->records_rate > 0 ? activity->records_rate : 1));
        put_site(top, activity->site[i].id, &row);
        if (!passes(top, &row))
            continue;
        if (shown <= top->selected)
            top->site = activity->site[i].id; /* or the last one there is */
        text_puts(&rows, shown++ == top->selected ? ">\t" : "\t");
        text_put(&rows, row.data, row.size);
        text_putc(&rows, '\n');
    }
    if (top->selected && top->selected >= shown)
        top->selected = shown ? shown - 1 : 0;
    text_done(&row);
    put_table(top, "\trecords/s\tshare\tlevel\tcall site\tformat\n", &rows, 3);
}

static void put_threads(struct top *top, size_t room)
{
    const struct activity *const activity = top->activity;
    struct text rows = {0}, row = {0};
    size_t shown = 0;

    for (size_t i = 0; i < activity->producers && shown < room; i++) {
        struct shmlog_producer producer = {0};

        text_clear(&row);
        put_rate(&row, activity->producer[i].rate);
        if (shm_producer_copy(top->segment, activity->producer[i].id, &producer) == 0) {
            text_printf(&row, "\t%" PRIu32 "\t%" PRIu32 "\t", producer.pid, producer.tid);
            text_put_plain(&row, producer.process,
                           strnlen(producer.process, sizeof(producer.process)));
            text_putc(&row, '\t');
            text_put_plain(&row, producer.thread,
                           strnlen(producer.thread, sizeof(producer.thread)));
        } else {
            text_puts(&row, "\t?\t?\t?\t");
        }
        if (!passes(top, &row))
            continue;
        text_put(&rows, row.data, row.size);
        text_putc(&rows, '\n');
        shown++;
    }
    text_done(&row);
    put_table(top, "records/s\tpid\ttid\tprocess\tthread\n", &rows, 3);
}

/* ---- The last records of a site ---- */

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

static int put_records_of(struct cursor *cursor, uint32_t site, size_t room, FILE *to)
{
    struct field_list fields = {0};
    const struct rows_params params = {.tail = room, .fields = &fields, .out = to};
    struct answer *answer = NULL;
    struct join *join = NULL;
    struct line line = {0};
    int r = rows_open(&params, &answer);

    if (r == 0)
        r = join_open(next_record, cursor, &(struct join_options){0}, &join);
    while (r == 0 && join_next(join, &line) > 0)
        if (!site || line.record.site_id == site)
            r = answer->take(answer, &line);
    if (r == 0)
        r = answer->end(answer);
    line_done(&line);
    join_close(join);
    if (answer)
        answer->close(answer);
    return r;
}

static void put_last_records(struct top *top, size_t room)
{
    const struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    const char *const paths[] = {top->name};
    char message[PATH_MAX + 256], *made = NULL;
    struct cursor *cursor;
    size_t size;
    FILE *to;

    text_puts(&top->lines, "\nThe newest records of the site, Esc goes back:\n");
    if (cursor_open(paths, 1, &options, &cursor, message, sizeof(message)) < 0) {
        text_put_plain(&top->lines, message, strlen(message));
        return;
    }
    to = open_memstream(&made, &size);
    if (to && put_records_of(cursor, top->site, room, to) == 0 && fclose(to) == 0)
        text_put(&top->lines, made, size);
    free(made);
    cursor_close(cursor);
}

static void put_screen(struct top *top, size_t height)
{
    const size_t rows = height > 20 ? (height - 12) / 3 : 3;
    const size_t all = height > 6 ? height - 6 : 1;

    text_clear(&top->lines);
    put_summary(top);
    if (top->drilled) {
        put_last_records(top, all);
        return;
    }
    if (top->view == VIEW_ALL || top->view == VIEW_RINGS)
        put_rings(top, top->view == VIEW_ALL ? rows : all);
    if (top->view == VIEW_ALL || top->view == VIEW_SITES)
        put_sites(top, top->view == VIEW_ALL ? rows : all);
    if (top->view == VIEW_ALL || top->view == VIEW_THREADS)
        put_threads(top, top->view == VIEW_ALL ? rows : all);
}

/* ---- The terminal ---- */

static void draw(const struct top *top)
{
    static const char keys[] = "q quit  Tab table  / filter  up, down, Enter site  Space pause";
    const char *at = top->lines.data, *const end = at + top->lines.size;
    int row = 0;

    erase();
    for (; at < end && row + 1 < LINES; row++) {
        const char *const newline = memchr(at, '\n', (size_t)(end - at));
        const size_t size = newline ? (size_t)(newline - at) : (size_t)(end - at);
        const bool strong = (size_t)row < top->head, alarm = strong && size && *at == '!';

        if (strong)
            attron(alarm ? A_REVERSE : A_BOLD);
        mvaddnstr(row, 0, at, (int)size);
        if (strong)
            attroff(alarm ? A_REVERSE : A_BOLD);
        at += size + (newline != NULL);
    }
    if (top->typing || *top->filter)
        mvprintw(LINES - 1, 0, "/%s%s", top->filter,
                 top->typing ? "_" : "  (Esc clears the filter)");
    else
        mvaddnstr(LINES - 1, 0, keys, COLS);
    refresh();
}

static void type(struct top *top, int key)
{
    const size_t size = strlen(top->filter);

    if (key == '\n' || key == KEY_ENTER)
        top->typing = false;
    else if (key == 27)
        top->typing = false, *top->filter = 0;
    else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && size)
        top->filter[size - 1] = 0;
    else if (key >= 32 && key < 127 && size + 1 < sizeof(top->filter))
        top->filter[size] = (char)key, top->filter[size + 1] = 0;
}

/* False: the user has done. */
static bool take_key(struct top *top, int key)
{
    if (top->typing) {
        type(top, key);
        return true;
    }
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case ' ':
        top->paused = !top->paused;
        break;
    case '\t':
        top->view = (top->view + 1) % VIEWS;
        break;
    case '/':
        top->typing = true;
        break;
    case KEY_UP:
    case 'k':
        top->selected -= top->selected > 0;
        break;
    case KEY_DOWN:
    case 'j':
        top->selected++;
        break;
    case '\n':
    case KEY_ENTER:
        top->drilled = top->site != 0;
        break;
    case 27:
        if (!top->drilled)
            *top->filter = 0;
        top->drilled = false;
        break;
    default:
        break;
    }
    return true;
}

static int watch(struct top *top, unsigned interval_ms)
{
    int r = 0, key = ERR;

    setlocale(LC_ALL, "");
    if (!initscr())
        return -ENOTTY;
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    timeout((int)interval_ms);
    do {
        if (key == ERR && !top->paused) /* the interval is over */
            r = activity_look(top->activity);
        if (r < 0)
            break;
        put_screen(top, (size_t)LINES);
        draw(top);
        key = getch();
    } while (key == ERR || take_key(top, key));
    endwin();
    return r;
}

static int once(struct top *top, unsigned interval_ms)
{
    const struct timespec pause = {interval_ms / 1000, interval_ms % 1000 * 1000000L};
    int r;

    nanosleep(&pause, NULL);
    r = activity_look(top->activity);
    if (r < 0)
        return r;
    put_screen(top, 40);
    return answer_write(&top->lines, stdout);
}

/* ---- The command line ---- */

static const char usage[] =
    "usage: shmlog-top [OPTION]... SEGMENT\n"
    "\n"
    "Shows what goes on in a segment: rates, losses, rings, the hottest call sites and threads, "
    "by\n"
    "a sample of the newest records.\n"
    "\n"
    "  --once             print it once, as text, and exit; so it is when output is no terminal\n"
    "  --interval SECONDS between two looks, from 0.1 to 60 (default 1)\n"
    "  --help             this text\n"
    "  --version          the version\n"
    "\n"
    "exit status: 0 all well; 1 a failure; 2 wrong use\n";

static int complain(const char *format, const char *what)
{
    fprintf(stderr, PROGRAM ": ");
    text_say(stderr, format, what);
    return EXIT_USAGE;
}

/* Negative: go on. */
static int parse(int argc, char **argv, bool *ret_once, unsigned *ret_interval_ms)
{
    static const struct option options[] = {{"once", no_argument, NULL, 'o'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    int letter;

    while ((letter = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        char *end;
        double seconds;

        switch (letter) {
        case 'o':
            *ret_once = true;
            break;
        case 'i':
            seconds = strtod(optarg, &end);
            if (end == optarg || *end || !(seconds >= 0.1 && seconds <= 60))
                return complain("--interval %s: must be seconds from 0.1 to 60", optarg);
            *ret_interval_ms = (unsigned)(seconds * 1000);
            break;
        case 'h':
            fputs(usage, stdout);
            return fflush(stdout) ? EXIT_BAD : EXIT_WELL;
        case 'v':
            puts(PROGRAM " " SHMLOG_VERSION_STRING);
            return fflush(stdout) ? EXIT_BAD : EXIT_WELL;
        case ':':
            return complain("%s needs a value; see --help", argv[optind - 1]);
        default:
            return complain("%s: no such option; see --help", argv[optind - 1]);
        }
    }
    if (argc - optind != 1)
        return complain("%s; see --help",
                        argc == optind ? "which segment?" : "one segment at a time");
    return -1;
}

int main(int argc, char **argv)
{
    struct top top = {0};
    bool print_once = false;
    unsigned interval_ms = 1000;
    struct shm_segment *segment;
    char message[PATH_MAX + 256];
    int r = parse(argc, argv, &print_once, &interval_ms);

    if (r >= 0)
        return r;
    top.name = argv[optind];
    r = target_open_segment(top.name, false, &segment, message, sizeof(message));
    if (r < 0) {
        complain("%s", message);
        return EXIT_BAD;
    }
    top.segment = segment;
    r = activity_open(segment, &top.activity);
    if (r == 0)
        r = print_once || !isatty(STDOUT_FILENO) ? once(&top, interval_ms)
                                                 : watch(&top, interval_ms);
    if (r < 0)
        complain("%s", strerror(-r));
    activity_close(top.activity);
    text_done(&top.lines);
    shm_segment_close(segment);
    return r < 0 ? EXIT_BAD : EXIT_WELL;
}
