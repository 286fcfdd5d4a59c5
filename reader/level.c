/* SPDX-License-Identifier: MIT
 *
 * Levels by name.
 */
#include "reader/level.h"

#include "producer/shmlog/check.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {
    [SHMLOG_TRACE] = "trace", [SHMLOG_DEBUG] = "debug", [SHMLOG_INFO] = "info",
    [SHMLOG_WARN] = "warn",   [SHMLOG_ERROR] = "error", [SHMLOG_CRITICAL] = "critical",
    [SHMLOG_OFF] = "off",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

const char *level_name(uint32_t level)
{
    return level < NAMES ? names[level] : "unknown";
}

int level_parse(const char *string, uint32_t *ret_level)
{
    size_t size = strlen(string);
    int found = -EINVAL;

    if (size == 1 && *string >= '0' && *string <= '6') {
        *ret_level = (uint32_t)(*string - '0');
        return 0;
    }
    if (!strcasecmp(string, "warning"))
        string = "warn", size = 4;
    for (uint32_t i = 0; i < NAMES && size; i++)
        if (!strncasecmp(string, names[i], size)) {
            *ret_level = i;
            found = 0;
            break;
        }
    return found;
}
