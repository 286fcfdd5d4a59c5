/* SPDX-License-Identifier: MIT
 *
 * The watch: see watch.h.
 */
#include "collector/watch.h"

#include "shm/directory.h"
#include "shm/guard.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILES_A_TURN 64u

struct watched {
    struct stat before;
    bool known; /* `before` was got */
    bool said;  /* of this file, enough was said */
    bool said_access;
};

struct watch {
    struct watch_params p;
    uint32_t files; /* the rings, then the control file */
    uint32_t next;
    int changes;
    struct watched file[];
};

static void path_of(const struct watch *w, uint32_t file, char *ret_path, size_t size)
{
    char name[SHM_RING_FILE_MAX] = SHM_CONTROL_FILE;

    if (file < w->p.segment->geometry.rings)
        shm_ring_file(file, name);
    snprintf(ret_path, size, "%s/%s", w->p.segment->path, name);
}

int watch_open(const struct watch_params *params, struct watch **ret_watch)
{
    const uint32_t files = params->segment->geometry.rings + 1;
    struct watch *const w = calloc(1, sizeof(*w) + files * sizeof(w->file[0]));
    char path[PATH_MAX + 32];

    if (!w)
        return -ENOMEM;
    w->p = *params;
    w->files = files;
    for (uint32_t i = 0; i < files; i++) {
        path_of(w, i, path, sizeof(path));
        w->file[i].known = stat(path, &w->file[i].before) == 0;
    }
    *ret_watch = w;
    return 0;
}

void watch_close(struct watch *w)
{
    free(w);
}

static void say(struct watch *w, uint32_t file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct watch *w, uint32_t file, const char *format, ...)
{
    char line[PATH_MAX + 512], path[PATH_MAX + 32], text[384];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    path_of(w, file, path, sizeof(path));
    snprintf(line, sizeof(line), "%s %s", path, text);
    w->p.say(line);
    w->changes++;
}

static void say_gone(struct watch *w, uint32_t file, bool replaced)
{
    w->file[file].said = true;
    say(w, file, "was %s: what is mapped goes on being read, but %s; stop and start again",
        replaced ? "replaced" : "deleted",
        file == w->files - 1 ? "no program can attach any more"
                             : "programs that attach from now on do not have this ring");
}

static void say_cut(struct watch *w, uint32_t file)
{
    w->file[file].said = true;
    say(w, file,
        "was cut short: what was in the ring and not yet read is lost; programs go on in shared "
        "rings, or count their records as lost (no-ring)");
}

static void look(struct watch *w, uint32_t file)
{
    struct shm_ring *const ring =
        file < w->p.segment->geometry.rings ? &w->p.segment->rings[file] : NULL;
    struct watched *const f = &w->file[file];
    char path[PATH_MAX + 32];
    struct stat now;

    if (f->said || (ring && !ring->memory)) /* refused at open: said then */
        return;
    if (ring && shm_guard_lost(ring->lost)) {
        say_cut(w, file);
        return;
    }
    path_of(w, file, path, sizeof(path));
    if (stat(path, &now) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            say_gone(w, file, false);
        return;
    }
    if (f->known && (now.st_dev != f->before.st_dev || now.st_ino != f->before.st_ino)) {
        say_gone(w, file, true);
        return;
    }
    if (ring && (uint64_t)now.st_size < ring->map_size) {
        __atomic_store_n(ring->lost, 1, __ATOMIC_RELEASE);
        say_cut(w, file);
        return;
    }
    if (f->known && !f->said_access &&
        (now.st_mode != f->before.st_mode || now.st_uid != f->before.st_uid ||
         now.st_gid != f->before.st_gid)) {
        f->said_access = true;
        say(w, file, "has another owner or mode now (%04o): programs may be refused",
            (unsigned)now.st_mode & 07777u);
    }
}

int watch_work(struct watch *w)
{
    w->changes = 0;
    for (uint32_t i = 0; i < FILES_A_TURN && i < w->files; i++) {
        look(w, w->next);
        w->next = (w->next + 1) % w->files;
    }
    return w->changes;
}
