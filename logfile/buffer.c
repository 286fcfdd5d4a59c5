/* SPDX-License-Identifier: MIT
 *
 * A growing byte buffer. Its room only grows, so that one reused for block after block stops
 * allocating soon.
 */
#include "logfile/writer.h"

#include <errno.h>
#include <stdlib.h>

int file_buffer_reserve(struct file_buffer *buffer, size_t more)
{
    size_t room = buffer->room ? buffer->room : 4096;
    uint8_t *data;

    if (more <= buffer->room - buffer->size)
        return 0;
    if (more > SIZE_MAX / 4 - buffer->size)
        return -ENOMEM;
    while (room < buffer->size + more)
        room *= 2;
    data = realloc(buffer->data, room);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->room = room;
    return 0;
}

void file_buffer_done(struct file_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (struct file_buffer){0};
}
