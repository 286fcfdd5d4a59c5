/* SPDX-License-Identifier: MIT
 *
 * Going on where an earlier run stopped: see resume.h.
 */
#include "tools/resume.h"
#include "reader/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAVE_NS UINT64_C(1000000000)
#define CLOCK_EVERY 4096u /* lines between two looks at the clock: a power of two */

/* Cut standard output to what it was when the position was saved. */
static int cut_output(const struct resume *resume, uint64_t size, char *ret_message,
                      size_t message_size)
{
    const uint64_t kept = resume->position.output;

    if (!resume->position.has_output) {
        if (!resume->position.count)
            return 0;
        snprintf(ret_message, message_size,
                 "%s: it belongs to an output that was no file; remove it to begin anew",
                 resume->path);
        return -EINVAL;
    }
    if (size < kept) {
        snprintf(ret_message, message_size,
                 "%s: standard output has %" PRIu64 " bytes, and had %" PRIu64
                 " when this was saved: append to it with >>, or remove this file to begin anew",
                 resume->path, size, kept);
        return -EINVAL;
    }
    if (ftruncate(STDOUT_FILENO, (off_t)kept) < 0) {
        const int error = errno;

        snprintf(ret_message, message_size, "standard output cannot be cut: %s", strerror(error));
        return -error;
    }
    return 0;
}

int resume_open(struct resume *resume, const char *path, char *ret_message, size_t message_size)
{
    struct stat st;
    int r;

    *resume = (struct resume){.path = path, .due_ns = when_monotonic() + SAVE_NS};
    if (!path)
        return 0;
    r = position_load(path, &resume->position, ret_message, message_size);
    if (r < 0)
        return r;
    resume->has_output = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
    if (resume->has_output)
        r = cut_output(resume, (uint64_t)st.st_size, ret_message, message_size);
    if (r < 0)
        return r;
    if (resume->has_output) {
        const off_t end = lseek(STDOUT_FILENO, 0, SEEK_END);

        resume->position.output = end < 0 ? 0 : (uint64_t)end;
        resume->position.has_output = true;
    }
    /* Also that of a run which is killed before its first save is known. */
    return position_save(path, &resume->position, NULL, 0, ret_message, message_size);
}

bool resume_goes_on(const struct resume *resume)
{
    return resume->has_output && resume->position.has_output && resume->position.output;
}

bool resume_is_due(const struct resume *resume, uint64_t lines)
{
    return resume->path && !(lines & (CLOCK_EVERY - 1)) && when_monotonic() >= resume->due_ns;
}

int resume_save(struct resume *resume, const struct join *join, uint64_t lines, char *ret_message,
                size_t message_size)
{
    struct position_held *held;
    size_t count;
    int r;

    if (!resume->path || (lines && lines == resume->saved))
        return 0;
    resume->position.has_output = resume->has_output;
    if (resume->has_output) {
        const off_t at = lseek(STDOUT_FILENO, 0, SEEK_CUR);

        if (at < 0 || fdatasync(STDOUT_FILENO) < 0) {
            r = -errno;
            snprintf(ret_message, message_size, "standard output: %s", strerror(-r));
            return r;
        }
        resume->position.output = (uint64_t)at;
    }
    r = join_held(join, &held, &count);
    if (r == 0) {
        r = position_save(resume->path, &resume->position, held, count, ret_message, message_size);
        free(held);
    } else {
        snprintf(ret_message, message_size, "%s: %s", resume->path, strerror(-r));
    }
    resume->saved = lines;
    resume->due_ns = when_monotonic() + SAVE_NS;
    return r;
}

void resume_done(struct resume *resume)
{
    position_done(&resume->position);
}
