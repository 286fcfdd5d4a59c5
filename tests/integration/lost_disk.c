/* SPDX-License-Identifier: MIT
 *
 * The model of a disk: a list of writes and one of names, in their order. See lost_disk.h.
 */
#include "tests/integration/lost_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

unsigned disk_create(struct disk *disk, const char *name)
{
    KIT_COMPARE(disk->names, <, DISK_NAMES);
    disk->name[disk->names] = (struct disk_name){.file = disk->files};
    snprintf(disk->name[disk->names++].to, NAME_MAX + 1, "%s", name);
    disk->changes++;
    KIT_COMPARE(disk->files, <, DISK_FILES);
    return disk->files++;
}

void disk_rename(struct disk *disk, const char *from, const char *to)
{
    struct disk_name *const name = &disk->name[disk->names++];

    KIT_COMPARE(disk->names, <, DISK_NAMES);
    *name = (struct disk_name){0};
    snprintf(name->from, sizeof(name->from), "%s", from);
    snprintf(name->to, sizeof(name->to), "%s", to);
    disk->changes++;
}

unsigned disk_write(struct disk *disk, unsigned file, uint64_t offset, const void *data,
                    size_t size)
{
    const unsigned request = disk->requests++;
    size_t part;

    KIT_COMPARE(offset + size, <=, DISK_FILE_MAX);
    for (size_t at = 0; at < size; at += part) {
        struct disk_write *const write = &disk->write[disk->writes++];
        const size_t left = PAGE - (offset + at) % PAGE;

        KIT_COMPARE(disk->writes, <, DISK_WRITES);
        part = size - at < left ? size - at : left;
        *write = (struct disk_write){.file = file,
                                     .offset = offset + at,
                                     .size = part,
                                     .request = request};
        write->data = malloc(part);
        KIT_CHECK(write->data != NULL);
        memcpy(write->data, (const uint8_t *)data + at, part);
    }
    disk->changes++;
    return request;
}

void disk_written(struct disk *disk, unsigned request)
{
    for (unsigned i = disk->writes; i-- > 0;)
        if (disk->write[i].request == request)
            disk->write[i].complete = true;
    disk->changes++;
}

void disk_sync(struct disk *disk, unsigned file)
{
    for (unsigned i = 0; file == DISK_DIRECTORY && i < disk->names; i++)
        disk->name[i].covered = true;
    for (unsigned i = 0; i < disk->writes; i++)
        if (disk->write[i].file == file)
            disk->write[i].covered = disk->write[i].complete;
}

void disk_synced(struct disk *disk, unsigned file)
{
    for (unsigned i = 0; file == DISK_DIRECTORY && i < disk->names; i++)
        disk->name[i].certain |= disk->name[i].covered;
    for (unsigned i = 0; i < disk->writes; i++)
        if (disk->write[i].file == file)
            disk->write[i].certain |= disk->write[i].covered;
    disk->changes++;
}

unsigned disk_uncertain(const struct disk *disk)
{
    unsigned n = 0;

    for (unsigned i = 0; i < disk->names; i++)
        n += !disk->name[i].certain;
    for (unsigned i = 0; i < disk->writes; i++)
        n += !disk->write[i].certain;
    return n;
}

static void put_file(const struct disk *disk, unsigned file, const bool *write_present,
                     const char *path)
{
    static uint8_t data[DISK_FILE_MAX];
    uint64_t size = 0;

    memset(data, 0, sizeof(data));
    for (unsigned i = 0; i < disk->writes; i++) {
        const struct disk_write *const write = &disk->write[i];

        if (write->file != file || !write_present[i])
            continue;
        memcpy(data + write->offset, write->data, write->size);
        if (write->offset + write->size > size)
            size = write->offset + write->size;
    }
    kit_write_file(path, data, size);
}

void disk_lose_power(const struct disk *disk, const bool *present, const char *path)
{
    char called[DISK_FILES][NAME_MAX + 1] = {{0}};
    bool write_present[DISK_WRITES];

    for (unsigned i = 0; i < disk->names; i++) {
        const struct disk_name *const name = &disk->name[i];

        if (!name->certain && !*present++)
            continue;
        if (!*name->from)
            memcpy(called[name->file], name->to, sizeof(name->to));
        for (unsigned file = 0; *name->from && file < disk->files; file++)
            if (strcmp(called[file], name->from) == 0)
                memcpy(called[file], name->to, sizeof(name->to));
    }
    for (unsigned i = 0; i < disk->writes; i++)
        write_present[i] = disk->write[i].certain || *present++;
    for (unsigned file = 0; file < disk->files; file++)
        if (*called[file])
            put_file(disk, file, write_present, kit_text("%s/%s", path, called[file]));
}
