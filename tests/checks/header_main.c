/* SPDX-License-Identifier: MIT
 *
 * The other file, and main: C or C++, as it is compiled.
 */
#define SHMLOG_IMPLEMENTATION
#include "tests/checks/header_use.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int main(void)
{
    struct shmlog *log;
    struct shmlog_options options;
    int error;

    memset(&log, 0, sizeof(log)); /* some warn of NULL in C++, some of nullptr in C */
    memset(&options, 0, sizeof(options));
    error = shmlog_open(&log, "/nonexistent/segment", &options);
    if (error != -ENOENT || log) {
        printf("open: %d (%s)\n", error, shmlog_strerror(error));
        return 1;
    }
    use_all(log);
    if (use_other() != 2 * USE_CALLS) {
        printf("%" PRIu64 " calls counted, not %u\n", shmlog_lost(log), 2 * USE_CALLS);
        return 1;
    }
    shmlog_register_thread(log);
    (void)shmlog_poll(log);
    shmlog_set_level(log, SHMLOG_TRACE);
    shmlog_close(log);
    return 0;
}
