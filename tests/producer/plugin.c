/* SPDX-License-Identifier: MIT
 *
 * A shared object that logs with the log it is given: linked, or loaded and unloaded again.
 */
#include "producer/shmlog.h"

void PLUGIN_LOG(struct shmlog *log, unsigned records);

void PLUGIN_LOG(struct shmlog *log, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        shmlog_info(log, "plugin " PLUGIN_NAME " record %u", i);
}
