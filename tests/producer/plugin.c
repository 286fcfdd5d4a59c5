/* SPDX-License-Identifier: MIT
 *
 * A shared object that logs with the log it is given, or with one of its own that waits for its
 * segment: linked, or loaded and unloaded again.
 */
#include "producer/shmlog.h"

void PLUGIN_LOG(struct shmlog *log, unsigned records);
int plugin_wait(const char *segment, unsigned records);

void PLUGIN_LOG(struct shmlog *log, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        shmlog_info(log, "plugin " PLUGIN_NAME " record %u", i);
}

int plugin_wait(const char *segment, unsigned records)
{
    struct shmlog_options options = {0, SHMLOG_OPEN_LATER, NULL};
    struct shmlog *log;
    const int r = shmlog_open(&log, segment, &options);

    if (r < 0)
        return r;
    PLUGIN_LOG(log, records);
    while (shmlog_status(log) < 0)
        usleep(1000);
    PLUGIN_LOG(log, records);
    shmlog_close(log);
    return 0;
}
