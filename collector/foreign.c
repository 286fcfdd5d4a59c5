/* SPDX-License-Identifier: MIT
 *
 * Producers of other pid namespaces; see foreign.h.
 */
#include "collector/foreign.h"

#include "shm/tables.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INITIAL_PID_NS UINT64_C(4026531836) /* the kernel's PROC_PID_INIT_INO */
#define PROCESSES_A_STEP 128u
#define PATH_ROOM (sizeof("/proc//status") + NAME_MAX)
#define LIVING_MAX 65536u /* processes of other namespaces; of more, nobody is found dead */

/* A process that lives. 0 is what could not be read, and may be anything. */
struct living {
    uint64_t pid_ns;
    uint64_t start; /* of the process; 0 also where it has another clock than this one */
    uint32_t pid;   /* in its namespace */
};

struct search {
    struct living *living;
    uint32_t count, room;
    uint32_t began;
    bool whole; /* nothing was left out */
};

struct foreign {
    struct search done, now;
    DIR *proc; /* of the search that goes on */
};

int foreign_open(struct foreign **ret_foreign)
{
    struct foreign *const f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    *ret_foreign = f;
    return 0;
}

void foreign_close(struct foreign *f)
{
    if (!f)
        return;
    if (f->proc)
        closedir(f->proc);
    free(f->done.living);
    free(f->now.living);
    free(f);
}

static uint64_t namespace_of(const char *process, const char *kind)
{
    char path[PATH_ROOM];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, kind);
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static bool read_text(const char *process, const char *file, char *text, size_t size)
{
    char path[PATH_ROOM];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/%s", process, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, size - 1);
        close(fd);
    }
    if (n <= 0)
        return false;
    text[n] = '\0';
    return true;
}

/* Does /proc show the processes of all namespaces, and of all users? Where it hides others', the
 * first process, which is root's, cannot be read; and "self" is this process only in the /proc of
 * its own namespace. */
static bool sees_all(void)
{
    char text[64], self[32] = "";

    return shm_pid_ns() == INITIAL_PID_NS && readlink("/proc/self", self, sizeof(self) - 1) > 0 &&
           strtol(self, NULL, 10) == (long)getpid() && read_text("1", "status", text, sizeof(text));
}

/* The number that the process has in its own namespace, and how many namespaces it is in; 0: not to
 * be had. */
static uint32_t own_number(const char *process, unsigned *ret_levels)
{
    char text[4096];
    uint32_t number = 0;
    char *at;

    *ret_levels = 0;
    if (!read_text(process, "status", text, sizeof(text)))
        return 0;
    at = strstr(text, "\nNSpid:");
    if (!at)
        return 0;
    for (at += 7; *at && *at != '\n';) {
        char *end;
        const unsigned long one = strtoul(at, &end, 10);

        if (end == at)
            break;
        number = (uint32_t)one;
        (*ret_levels)++;
        at = end;
    }
    return number;
}

static uint64_t start_of(const char *process)
{
    char path[PATH_ROOM], state;
    uint64_t start;

    snprintf(path, sizeof(path), "/proc/%s/stat", process);
    return namespace_of(process, "time") == namespace_of("self", "time") &&
                   shm_proc_stat(path, &state, &start)
               ? start
               : 0;
}

static void add(struct search *search, const struct living *living)
{
    if (search->count == search->room) {
        const uint32_t room = search->room ? 2 * search->room : 64;
        struct living *const grown =
            room > LIVING_MAX ? NULL : reallocarray(search->living, room, sizeof(*grown));

        if (!grown) {
            search->whole = false;
            return;
        }
        search->living = grown;
        search->room = room;
    }
    search->living[search->count++] = *living;
}

static void look_at(struct search *search, const char *process)
{
    struct living living = {.pid_ns = namespace_of(process, "pid")};
    unsigned levels;

    if (living.pid_ns == INITIAL_PID_NS)
        return;
    living.pid = own_number(process, &levels);
    if (levels == 1) /* this namespace's, though the link could not be read */
        return;
    if (!living.pid_ns && !living.pid) {
        char path[PATH_ROOM];

        snprintf(path, sizeof(path), "/proc/%s", process);
        if (access(path, F_OK) < 0 && errno == ENOENT)
            return; /* it has ended meanwhile */
    }
    living.start = start_of(process);
    add(search, &living);
}

static bool begin(struct foreign *f, uint32_t step)
{
    if (!sees_all())
        return false;
    f->proc = opendir("/proc");
    if (!f->proc)
        return false;
    f->now.count = 0;
    f->now.began = step;
    f->now.whole = true;
    return true;
}

static void finish(struct foreign *f)
{
    const struct search before = f->done;

    closedir(f->proc);
    f->proc = NULL;
    if (!f->now.whole || !sees_all())
        return;
    f->done = f->now;
    f->now = before;
}

void foreign_work(struct foreign *f, uint32_t step)
{
    if (!f->proc && !begin(f, step))
        return;
    for (unsigned n = 0; n < PROCESSES_A_STEP;) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(f->proc);
        if (!entry) {
            f->now.whole &= errno == 0;
            finish(f);
            return;
        }
        if (!isdigit((unsigned char)*entry->d_name))
            continue;
        look_at(&f->now, entry->d_name);
        n++;
    }
}

/* May the producer be of this process? One that is being filled in has said no more than a part of
 * its namespace. */
static bool may_be_of(const struct shmlog_producer *p, const struct living *living)
{
    if ((p->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_FILLING)
        return !living->pid_ns || (living->pid_ns & 0xffffff) == (p->claim >> 8 & 0xffffff);
    if ((living->pid_ns && living->pid_ns != p->pid_ns) || (living->pid && living->pid != p->pid))
        return false;
    /* a thread that is older than the process was of another one */
    return !living->start || !p->start_time || p->start_time >= living->start;
}

bool foreign_is_dead(const struct foreign *f, const struct shmlog_producer *p, uint32_t since)
{
    const bool filling = (p->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_FILLING;
    const uint64_t pid_ns = filling ? p->claim >> 8 & 0xffffff : p->pid_ns;

    if (!f->done.whole || since >= f->done.began || !pid_ns ||
        pid_ns == (filling ? INITIAL_PID_NS & 0xffffff : INITIAL_PID_NS))
        return false;
    for (uint32_t i = 0; i < f->done.count; i++)
        if (may_be_of(p, &f->done.living[i]))
            return false;
    return true;
}
