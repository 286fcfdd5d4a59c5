/* SPDX-License-Identifier: MIT
 *
 * A shared object that logs: linked, or loaded and unloaded again; with its host's implementation,
 * or, compiled with PLUGIN_OWN, with one of its own.
 */
#ifdef PLUGIN_OWN
#define SHMLOG_IMPLEMENTATION
#endif
#include "producer/shmlog.h"

#define PLUGIN_EXPORT __attribute__((visibility("default")))

PLUGIN_EXPORT void PLUGIN_LOG(struct shmlog *log, unsigned records);
PLUGIN_EXPORT int plugin_run(const char *segment, void (*create)(void), unsigned records);

void PLUGIN_LOG(struct shmlog *log, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        shmlog_info(log, "plugin " PLUGIN_NAME " record %u", i);
}

/* By a log of its own, first without a segment, then with one. */
int plugin_run(const char *segment, void (*create)(void), unsigned records)
{
    const struct shmlog_options options = {0, SHMLOG_OPEN_LATER, NULL};
    struct shmlog *log;
    int r = shmlog_open(&log, segment, &options);

    if (r < 0)
        return r;
    PLUGIN_LOG(log, records);
    create();
    r = shmlog_poll(log);
    PLUGIN_LOG(log, records);
    shmlog_close(log);
    return r;
}
