/* SPDX-License-Identifier: MIT
 *
 * Why a segment could not be made: the one line of explanation.
 */
#include "shm/segment_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int shm_message(const struct shm_message *message, int error, const char *format, ...)
{
    va_list args;
    size_t length;

    if (!message->text || message->size == 0 || message->text[0] != '\0')
        return error;
    va_start(args, format);
    vsnprintf(message->text, message->size, format, args);
    va_end(args);
    length = strlen(message->text);
    snprintf(message->text + length, message->size - length, ": %s", shm_strerror(error));
    return error;
}

void shm_message_hint(const struct shm_message *message, const char *text)
{
    size_t length;

    if (message->text && message->size > 0) {
        length = strlen(message->text);
        snprintf(message->text + length, message->size - length, "; %s", text);
    }
}
