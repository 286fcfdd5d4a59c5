/* SPDX-License-Identifier: MIT
 *
 * A deployment: see deployment.h.
 */
#include "tests/soak/deployment.h"

#include "producer/shmlog.h"

#include <stdio.h>

#define STRINGS "from line\0\"line\", line\0" /* format, arguments, category */

static void log_from_line(struct shmlog *log, uint32_t line)
{
    struct {
        struct shmlog_site_ site;
        uint8_t types[2];
        char strings[sizeof(STRINGS)];
    } at = {{0, "deployed.c", "deployed", NULL, line, SHMLOG_SITE_EVENT, SHMLOG_INFO, 0},
            {1, SHMLOG_TYPE_U32},
            STRINGS};

    shmlog_put4_(log, &at.site, (uint64_t)line << 32, 0, 0, 0);
}

int deployment_live(void *arg)
{
    const struct shmlog_options options = {.wait_ms = 30000, .process_name = "deployed"};
    const struct deployment *const d = arg;
    struct shmlog *log;
    int error = shmlog_open(&log, d->segment, &options);

    if (error < 0) {
        fprintf(stderr, "deployed: %s\n", shmlog_strerror(error));
        return 1;
    }
    for (unsigned i = 0; i < d->sites; i++) {
        const uint64_t line = __atomic_add_fetch(&d->page->begun, 1, __ATOMIC_SEQ_CST);

        log_from_line(log, (uint32_t)line);
        __atomic_fetch_add(&d->page->logged, 1, __ATOMIC_SEQ_CST);
    }
    shmlog_close(log);
    return 0;
}
