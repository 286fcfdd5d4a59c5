/* SPDX-License-Identifier: MIT
 *
 * A flight recorder at work: see record.h.
 */
#include "tools/record.h"
#include "reader/target.h"
#include "reader/when.h"
#include "shm/tables.h"
#include "tools/lookout.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEATHS_NS UINT64_C(100000000) /* between two looks at who lives */

static volatile sig_atomic_t asked;

static void on_ask(int number)
{
    asked = 1;
}

struct recorder {
    const struct record_params *params;
    struct shm_segment *segment; /* for snapshots and deaths; NULL: it is not there now */
    char why[128];               /* a snapshot is due for this; empty: none is */
    uint32_t pid;                /* and it is about this process; 0: none */
    uint64_t taken_ns, every_ns, deaths_ns;
    uint32_t *dead; /* by producer entry: the id of the dead thread that was seen there */
    uint32_t entries;
};

static void close_segment(struct recorder *recorder)
{
    shm_segment_close(recorder->segment);
    recorder->segment = NULL;
    free(recorder->dead);
    recorder->dead = NULL;
}

/* The segment of that name, which may be another one than at the last look. */
static bool have_segment(struct recorder *recorder)
{
    char message[PATH_MAX + 256];

    if (recorder->segment && shmlog_load_acquire_(&recorder->segment->control->state) ==
                                 SHMLOG_SEGMENT_CLOSED) /* release of its remover */
        close_segment(recorder);
    if (!recorder->segment && target_open_segment(recorder->params->segment, false,
                                                  &recorder->segment, message, sizeof(message)) < 0)
        recorder->segment = NULL;
    return recorder->segment != NULL;
}

static void take(struct recorder *recorder, const char *why, uint32_t pid)
{
    struct snapshot_params params = recorder->params->snapshot;
    char path[PATH_MAX], message[PATH_MAX + 256];
    uint64_t records, lost;

    if (!have_segment(recorder))
        return;
    params.segment = recorder->segment;
    params.reason = why;
    params.pid = pid;
    if (snapshot_take(&params, path, &records, &lost, message, sizeof(message)) < 0)
        recorder->params->failed(message);
    else
        recorder->params->taken(path, records, why);
}

/* A snapshot is due if there is an entry of a dead thread that was not there at the last look, or
 * not dead. One that closes its log in order gives it back. What is found at the first look is old.
 */
static void look_for_deaths(struct recorder *recorder)
{
    bool first;
    uint32_t used;

    if (!have_segment(recorder))
        return;
    first = !recorder->dead;
    used = shm_producers_used(recorder->segment);
    if (first) {
        recorder->entries = recorder->segment->geometry.producers_max;
        recorder->dead = calloc(recorder->entries, sizeof(*recorder->dead));
    }
    for (uint32_t i = 0; recorder->dead && i < used && i < recorder->entries; i++) {
        struct shmlog_producer producer;

        if (shm_producer_at(recorder->segment, i, &producer) < 0 || !producer.id ||
            producer.id == recorder->dead[i] || shm_producer_alive(&producer) != SHM_DEAD)
            continue;
        recorder->dead[i] = producer.id;
        if (!first) {
            snprintf(recorder->why, sizeof(recorder->why), "a program died: %.32s",
                     producer.process);
            recorder->pid = producer.pid;
        }
    }
}

/* What is due by the clock, by a signal, or since something happened. */
static void look_around(struct recorder *recorder)
{
    const struct record_params *const params = recorder->params;
    const uint64_t now = when_monotonic();

    if (asked) {
        asked = 0;
        take(recorder, "asked for", 0);
    }
    if (params->every_ns && now - recorder->every_ns >= params->every_ns) {
        recorder->every_ns = now;
        take(recorder, "by time", 0);
    }
    if (params->on_death && now - recorder->deaths_ns >= DEATHS_NS) {
        recorder->deaths_ns = now;
        look_for_deaths(recorder);
    }
    if (*recorder->why && (!recorder->taken_ns || now - recorder->taken_ns >= params->pause_ns)) {
        recorder->taken_ns = now;
        take(recorder, recorder->why, recorder->pid);
        *recorder->why = '\0';
    }
}

static void turn(void *arg)
{
    look_around(arg);
}

static void on_record(void *arg, struct line *line)
{
    struct recorder *const recorder = arg;

    const struct shmlog_producer *const producer = line->record.producer;

    snprintf(recorder->why, sizeof(recorder->why), "a record: %s", recorder->params->where);
    recorder->pid = producer ? producer->pid : 0;
}

static void ready(void *arg)
{
    struct recorder *const recorder = arg;

    if (recorder->params->on_death)
        look_for_deaths(recorder);
    recorder->params->ready();
}

int record_run(const struct record_params *params, char *ret_message, size_t message_size)
{
    struct sigaction action = {.sa_handler = on_ask};
    struct recorder recorder = {.params = params, .every_ns = when_monotonic()};
    struct lookout lookout = {
        .segment = params->segment,
        .where = params->where,
        .ready = ready,
        .record = on_record,
        .turn = turn,
        .arg = &recorder,
    };
    int r;

    sigaction(SIGUSR1, &action, NULL);
    r = lookout_run(&lookout, ret_message, message_size);
    close_segment(&recorder);
    return r;
}
