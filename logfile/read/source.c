/* SPDX-License-Identifier: MIT
 *
 * Bytes of a file, through pread and a window.
 */
#include "logfile/read/source.h"
#include "logfile/read/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE_AHEAD 16384u /* read at least so much at once */

int file_source_refresh(struct file_source *source)
{
    struct stat st;

    if (fstat(source->fd, &st) < 0)
        return -errno;
    source->size = (uint64_t)st.st_size;
    source->have = 0;
    return 0;
}

int file_source_open(const char *path, struct file_source *ret_source)
{
    struct file_source source = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    struct stat st;
    int r = 0;

    if (source.fd < 0)
        return -errno;
    if (fstat(source.fd, &st) < 0)
        r = -errno;
    else if (S_ISDIR(st.st_mode))
        r = -EISDIR;
    else if (!S_ISREG(st.st_mode))
        r = -FILE_ERR_FOREIGN;
    if (r == 0) {
        source.size = (uint64_t)st.st_size;
        source.window = malloc(FILE_SOURCE_WINDOW);
        r = source.window ? 0 : -ENOMEM;
    }
    if (r < 0) {
        close(source.fd);
        return r;
    }
    *ret_source = source;
    return 0;
}

void file_source_done(struct file_source *source)
{
    if (source->window)
        close(source->fd);
    free(source->window);
    source->window = NULL;
}

/* Read up to `size` bytes; how many there were. */
static ssize_t read_some(struct file_source *source, uint64_t offset, void *to, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = pread(source->fd, (uint8_t *)to + have, size - have, (off_t)(offset + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* The window gets `wanted` bytes from there on, unless it has `size` of them. */
static int look(struct file_source *source, uint64_t offset, size_t size, size_t wanted)
{
    ssize_t n;

    if (offset > source->size || size > source->size - offset)
        return -FILE_ERR_CUT;
    if (offset >= source->at && offset - source->at <= source->have &&
        size <= source->have - (offset - source->at))
        return 0;
    n = read_some(source, offset, source->window, wanted);
    source->have = 0;
    if (n < 0)
        return (int)n;
    source->at = offset;
    source->have = (size_t)n;
    return source->have < size ? -FILE_ERR_CUT : 0;
}

int file_source_look(struct file_source *source, uint64_t offset, size_t size)
{
    return look(source, offset, size, size);
}

int file_source_get(struct file_source *source, uint64_t offset, size_t size,
                    const uint8_t **ret_bytes)
{
    const int r = look(source, offset, size, size < SOURCE_AHEAD ? SOURCE_AHEAD : size);

    if (r == 0)
        *ret_bytes = source->window + (offset - source->at);
    return r;
}

int file_source_read(struct file_source *source, uint64_t offset, void *to, size_t size)
{
    ssize_t n;

    if (offset > source->size || size > source->size - offset)
        return -FILE_ERR_CUT;
    n = read_some(source, offset, to, size);
    if (n < 0)
        return (int)n;
    return (size_t)n == size ? 0 : -FILE_ERR_CUT;
}
