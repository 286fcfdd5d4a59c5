/* SPDX-License-Identifier: MIT
 *
 * Test kit: strings, paths, files, and what programs there are.
 */
#include "tests/kit/kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What kit_text() gave out; kept to the end of the test. */
struct kept {
    struct kept *next;
    char text[];
};

const char *kit_text(const char *format, ...)
{
    static struct kept *kept;
    char text[PATH_MAX];
    struct kept *entry;
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    entry = size < 0 || size >= PATH_MAX ? NULL : malloc(sizeof(*entry) + (size_t)size + 1);
    if (!entry)
        KIT_FAIL("text too long, or out of memory");
    memcpy(entry->text, text, (size_t)size + 1);
    entry->next = kept;
    kept = entry;
    return entry->text;
}

const char *kit_path(const char *name)
{
    return kit_text("%s/%s", kit_dir(), name);
}

const char *kit_program(const char *path)
{
    const char *build = getenv("SHMLOG_BUILD");
    const char *program;

    if (!build)
        KIT_FAIL("SHMLOG_BUILD is not set: the build directory");
    program = kit_text("%s/%s", build, path);
    if (access(program, X_OK) != 0)
        KIT_FAIL("%s is not built", program);
    return program;
}

unsigned kit_count_files(const char *dir, const char *suffix)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    unsigned count = 0;

    while (d && (entry = readdir(d))) {
        size_t length = strlen(entry->d_name), tail = suffix ? strlen(suffix) : 0;

        if (entry->d_name[0] == '.' || length < tail)
            continue;
        if (!suffix || strcmp(entry->d_name + length - tail, suffix) == 0)
            count++;
    }
    if (d)
        closedir(d);
    return count;
}

char *kit_read_file(const char *path, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0, room = 1 << 16;
    char *data = malloc(room + 1);

    if (fd < 0 || !data)
        KIT_FAIL("%s: %s", path, strerror(errno));
    for (;;) {
        ssize_t n = read(fd, data + size, room - size);

        if (n < 0)
            KIT_FAIL("%s: %s", path, strerror(errno));
        if (n == 0)
            break;
        size += (size_t)n;
        if (size == room) {
            room *= 2;
            data = realloc(data, room + 1);
            if (!data)
                KIT_FAIL("out of memory");
        }
    }
    close(fd);
    data[size] = 0;
    if (ret_size)
        *ret_size = size;
    return data;
}

void kit_write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        KIT_FAIL("%s: %s", path, strerror(errno));
}

void kit_copy_file(const char *from, const char *to)
{
    size_t size;
    char *const data = kit_read_file(from, &size);

    kit_write_file(to, data, size);
    free(data);
}

bool kit_have_command(const char *name)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        const char *end = strchrnul(path, ':');
        const char *program = kit_text("%.*s/%s", (int)(end - path), path, name);

        if (access(program, X_OK) == 0)
            return true;
        path = *end ? end + 1 : end;
    }
    return access(kit_text("/usr/sbin/%s", name), X_OK) == 0;
}
