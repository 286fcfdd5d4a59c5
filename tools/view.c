/* SPDX-License-Identifier: MIT
 *
 * shmlog-view: walk through records in a terminal, as less does through lines. What is shown, and
 * some more, is in memory; the rest is read when it is come to.
 */
#include "reader/text.h"
#include "reader/when.h"
#include "tools/page.h"

#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "shmlog-view"
#define ROWS 400u /* that are read at a time */
#define FOLLOW_MS 500

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct view {
    struct page_source source;
    struct page page;
    size_t top, cursor; /* rows of the page: the first one shown, and the one chosen */
    bool detail, follow;
    int ask; /* what is being typed for: '/', '&', 't'; 0: nothing */
    char typed[512], filter[512], search[512];
    char message[PATH_MAX + 256]; /* the last line, until the next key */
};

static size_t height(const struct view *view)
{
    const int lines = LINES - 1;

    return (size_t)(view->detail ? lines / 2 : lines > 0 ? lines : 1);
}

/* ---- Moving ---- */

static void show(struct view *view, struct page *page, bool end)
{
    page_done(&view->page);
    view->page = *page;
    view->cursor = end && page->count ? page->count - 1 : 0;
    view->top = 0;
}

static int go_end(struct view *view)
{
    struct page page;
    int r = page_backward(&view->source, NULL, ROWS, &page, view->message, sizeof(view->message));

    if (r == 0)
        show(view, &page, true);
    return r;
}

static int go_to(struct view *view, int64_t since_ns)
{
    struct page page;
    int r = page_forward(&view->source, since_ns, NULL, ROWS, &page, view->message,
                         sizeof(view->message));

    if (r == 0)
        show(view, &page, false);
    return r;
}

/* Put a page behind the present one, or before it; rows far away are dropped. */
static int join_pages(struct view *view, struct page *more, bool behind)
{
    const size_t keep = view->page.count < ROWS ? view->page.count : ROWS;
    const size_t drop = view->page.count - keep;
    struct page_row *const row = calloc(keep + more->count + 1, sizeof(*row));
    const struct page *const old = &view->page;

    if (!row) {
        page_done(more);
        return -ENOMEM;
    }
    memcpy(behind ? row : row + more->count, behind ? old->row + drop : old->row,
           keep * sizeof(*row));
    memcpy(behind ? row + keep : row, more->row, more->count * sizeof(*row));
    for (size_t i = 0; i < drop; i++) {
        free(old->row[behind ? i : keep + i].text);
        free(old->row[behind ? i : keep + i].detail);
    }
    free(old->row);
    free(more->row);
    view->page.row = row;
    view->page.count = keep + more->count;
    view->cursor = behind ? view->cursor - (drop < view->cursor ? drop : view->cursor)
                          : view->cursor + more->count;
    view->top =
        behind ? view->top - (drop < view->top ? drop : view->top) : view->top + more->count;
    return 0;
}

/* Rows behind the last one, or before the first one. *ret_some: there are any. */
static int read_more(struct view *view, bool behind, bool *ret_some)
{
    const struct page_row *edge;
    struct page more;
    int r;

    *ret_some = false;
    if (!view->page.count)
        return 0;
    edge = &view->page.row[behind ? view->page.count - 1 : 0];
    r = behind
            ? page_forward(&view->source, 0, edge, ROWS, &more, view->message,
                           sizeof(view->message))
            : page_backward(&view->source, edge, ROWS, &more, view->message, sizeof(view->message));
    if (r < 0)
        return r;
    *ret_some = more.count > 0;
    return join_pages(view, &more, behind);
}

static int move_by(struct view *view, long rows)
{
    bool some = true;
    int r = 0;

    while (r == 0 && some && rows < 0 && view->cursor < (size_t)-rows)
        r = read_more(view, false, &some);
    some = true;
    while (r == 0 && some && rows > 0 && view->cursor + (size_t)rows >= view->page.count)
        r = read_more(view, true, &some);
    if (rows < 0)
        view->cursor -= (size_t)-rows < view->cursor ? (size_t)-rows : view->cursor;
    else
        view->cursor += (size_t)rows;
    if (view->page.count && view->cursor >= view->page.count)
        view->cursor = view->page.count - 1;
    return r;
}

/* ---- Filter, search, jump ---- */

static int set_filter(struct view *view, const char *filter)
{
    char before[sizeof(view->filter)];
    const int64_t at = view->page.count ? view->page.row[view->cursor].time_ns : INT64_MIN;
    int r;

    snprintf(before, sizeof(before), "%s", view->filter);
    snprintf(view->filter, sizeof(view->filter), "%s", filter);
    view->source.where = *view->filter ? view->filter : NULL;
    view->source.now_ns = when_now();
    r = go_to(view, at);
    if (r == -EINVAL) { /* the message says what is wrong */
        snprintf(view->filter, sizeof(view->filter), "%s", before);
        view->source.where = *view->filter ? view->filter : NULL;
        return 0;
    }
    return r < 0 || view->page.count ? r : go_end(view);
}

static void quote(const char *from, char *to, size_t size)
{
    size_t at = 0;

    for (; *from && at + 3 < size; from++) {
        if (*from == '"' || *from == '\\')
            to[at++] = '\\';
        to[at++] = *from;
    }
    to[at] = 0;
}

/* The next record whose message matches what was searched for. */
static int search(struct view *view, bool behind)
{
    char where[2 * sizeof(view->search) + sizeof(view->filter) + 64];
    char text[2 * sizeof(view->search)];
    struct page_source source = view->source;
    const struct page_row *const at = view->page.count ? &view->page.row[view->cursor] : NULL;
    struct page found;
    int r;

    if (!*view->search || !at)
        return 0;
    quote(view->search, text, sizeof(text));
    snprintf(where, sizeof(where),
             *view->filter ? "message =~ \"%s\" && (%s)" : "message =~ \"%s\"", text, view->filter);
    source.where = where;
    move(LINES - 1, 0);
    clrtoeol();
    addstr("searching ...");
    refresh();
    r = behind ? page_forward(&source, 0, at, 1, &found, view->message, sizeof(view->message))
               : page_backward(&source, at, 1, &found, view->message, sizeof(view->message));
    if (r == -EINVAL)
        return 0;
    if (r < 0)
        return r;
    if (!found.count) {
        snprintf(view->message, sizeof(view->message), "not found: %.400s", view->search);
        page_done(&found);
        return 0;
    }
    r = go_to(view, found.row[0].time_ns);
    for (size_t i = 0; i < view->page.count; i++)
        if (view->page.row[i].ring == found.row[0].ring &&
            view->page.row[i].seq == found.row[0].seq)
            view->cursor = i;
    page_done(&found);
    return r;
}

static int jump(struct view *view, const char *when)
{
    int64_t ns;

    if (when_parse(when, when_now(), &ns) < 0) {
        snprintf(view->message, sizeof(view->message),
                 "%.300s: must be a time, as 2026-11-21T02:09:10.5, @SECONDS, or -10m", when);
        return 0;
    }
    return go_to(view, ns);
}

static int take_typed(struct view *view)
{
    const int ask = view->ask;

    view->ask = 0;
    if (ask == '&')
        return set_filter(view, view->typed);
    if (ask == 't')
        return jump(view, view->typed);
    if (*view->typed)
        snprintf(view->search, sizeof(view->search), "%s", view->typed);
    return search(view, true);
}

/* ---- The terminal ---- */

static void draw_detail(const struct view *view)
{
    const char *at = view->page.count ? view->page.row[view->cursor].detail : "";
    int row = (int)height(view);

    mvhline(row++, 0, ACS_HLINE, COLS);
    for (; *at && row + 1 < LINES; row++) {
        const size_t size = strcspn(at, "\n");

        mvaddnstr(row, 0, at, (int)size);
        at += size + (at[size] == '\n');
    }
}

static void draw(struct view *view)
{
    const size_t rows = height(view);

    if (view->cursor < view->top)
        view->top = view->cursor;
    if (view->cursor >= view->top + rows)
        view->top = view->cursor - rows + 1;
    erase();
    for (size_t i = 0; i < rows && view->top + i < view->page.count; i++) {
        const bool chosen = view->top + i == view->cursor;

        if (chosen)
            attron(A_REVERSE);
        mvaddnstr((int)i, 0, view->page.row[view->top + i].text, COLS);
        if (chosen)
            attroff(A_REVERSE);
    }
    if (!view->page.count)
        mvaddstr(0, 0, "no records");
    if (view->detail)
        draw_detail(view);
    attron(A_BOLD);
    if (view->ask)
        mvprintw(LINES - 1, 0, "%c%s_", view->ask, view->typed);
    else if (*view->message)
        mvaddnstr(LINES - 1, 0, view->message, COLS - 1);
    else
        mvprintw(LINES - 1, 0, "%.40s%s%.60s", view->follow ? "following  " : "",
                 *view->filter ? "&" : "/ search  & filter  t time  Enter detail  f follow  g G  q",
                 view->filter);
    attroff(A_BOLD);
    refresh();
}

static int type(struct view *view, int key)
{
    const size_t size = strlen(view->typed);

    if (key == '\n' || key == KEY_ENTER)
        return take_typed(view);
    if (key == 27)
        view->ask = 0;
    else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && size)
        view->typed[size - 1] = 0;
    else if (key >= 32 && key < 256 && size + 1 < sizeof(view->typed))
        view->typed[size] = (char)key, view->typed[size + 1] = 0;
    return 0;
}

static int take_key(struct view *view, int key, bool *ret_done)
{
    const long page = (long)height(view);

    *view->message = 0;
    if (view->ask)
        return type(view, key);
    switch (key) {
    case 'q':
    case 'Q':
        *ret_done = true;
        return 0;
    case KEY_DOWN:
    case 'j':
        return move_by(view, 1);
    case KEY_UP:
    case 'k':
        return move_by(view, -1);
    case KEY_NPAGE:
    case ' ':
        return move_by(view, page);
    case KEY_PPAGE:
    case 'b':
        return move_by(view, -page);
    case KEY_HOME:
    case 'g':
        return go_to(view, INT64_MIN);
    case KEY_END:
    case 'G':
        return go_end(view);
    case '/':
    case '&':
    case 't':
        view->ask = key;
        *view->typed = 0;
        return 0;
    case 'n':
        return search(view, true);
    case 'N':
        return search(view, false);
    case 'f':
        view->follow = !view->follow;
        return view->follow ? go_end(view) : 0;
    case '\n':
    case KEY_ENTER:
        view->detail = !view->detail;
        return 0;
    default:
        return 0;
    }
}

static int watch(struct view *view)
{
    bool done = false;
    int r = 0;

    setlocale(LC_ALL, "");
    if (!initscr())
        return -ENOTTY;
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    while (r == 0 && !done) {
        int key;

        timeout(view->follow ? FOLLOW_MS : -1);
        draw(view);
        key = getch();
        r = key == ERR ? (view->follow ? go_end(view) : 0) : take_key(view, key, &done);
    }
    endwin();
    return r;
}

/* ---- The command line ---- */

static const char usage[] =
    "usage: shmlog-view [OPTION]... SEGMENT | FILE... | DIRECTORY...\n"
    "\n"
    "Walks through log records in a terminal, however many there are.\n"
    "\n"
    "  --where EXPR   records for which this is so, see shmlog-query(7); the key & changes it\n"
    "  --help         this text\n"
    "  --version      the version\n"
    "\n"
    "exit status: 0 all well; 1 a failure; 2 wrong use\n";

static int complain(const char *what, int status)
{
    text_say(stderr, PROGRAM ": %s", what);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"where", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    struct view view = {.source = {.now_ns = when_now()}};
    int letter, r;

    while ((letter = getopt_long(argc, argv, ":w:", options, NULL)) != -1) {
        if (letter == 'h')
            fputs(usage, stdout);
        else if (letter == 'v')
            puts(PROGRAM " " SHMLOG_VERSION_STRING);
        else if (letter != 'w')
            return complain(letter == ':' ? "--where needs a value; see --help"
                                          : "no such option; see --help",
                            EXIT_USAGE);
        if (letter != 'w')
            return fflush(stdout) ? EXIT_BAD : EXIT_WELL;
        snprintf(view.filter, sizeof(view.filter), "%s", optarg);
        view.source.where = *view.filter ? view.filter : NULL;
    }
    if (optind == argc)
        return complain("what to read? a segment, files, or a directory is missing; see --help",
                        EXIT_USAGE);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return complain("it wants a terminal; shmlog-dump prints records", EXIT_USAGE);
    view.source.paths = (const char *const *)argv + optind;
    view.source.path_count = (size_t)(argc - optind);
    r = go_to(&view, INT64_MIN);
    if (r == 0)
        r = watch(&view);
    page_done(&view.page);
    if (r == -EINVAL && *view.filter)
        return complain(view.message, EXIT_USAGE);
    return r < 0 ? complain(*view.message ? view.message : strerror(-r), EXIT_BAD) : EXIT_WELL;
}
