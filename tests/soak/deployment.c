/* SPDX-License-Identifier: MIT
 *
 * A deployment: see deployment.h.
 */
#include "tests/soak/deployment.h"

#include "producer/shmlog.h"

#include <stdio.h>

static void log_from_line(struct shmlog *log, uint32_t line)
{
    static const uint8_t types[2] = {1, SHMLOG_TYPE_U32};
    const char *const names[2] = {NULL, "line"};
    struct shmlog_staged_ stage = SHMLOG_STAGED_EMPTY_;
    struct shmlog_callsite_ site = {
        .format = "from line",
        .file = "deployed.c",
        .category = "",
        .line = line,
        .kind = SHMLOG_SITE_EVENT,
        .level = SHMLOG_INFO,
    };

    shmlog_stage_(&stage, SHMLOG_TYPE_U32, (struct shmlog_value_){.bits = line});
    shmlog_put_elsewhere_(log, &site, types, names, "deployed", &stage, NULL, 0, 0);
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
