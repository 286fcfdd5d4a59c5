/* SPDX-License-Identifier: MIT
 *
 * Replay a feed: standard input to standard output, so many lines a second; or made-up lines.
 *
 * usage: demo-replay LINES_PER_SECOND [--generate]
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_NS 5000000u

static void wait_until(uint64_t ns)
{
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
                               .tv_nsec = (long)(ns % 1000000000u)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* One made-up line; false when its reader has gone. */
static int generate(uint64_t number)
{
    return printf("{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"t\":%" PRIu64
                  ",\"p\":\"%" PRIu64 ".%02u\",\"q\":\"0.%03u\"}}\n",
                  number, 58000 + number * 7919 % 3000, (unsigned)(number * 31 % 100),
                  (unsigned)(number * 17 % 1000)) > 0;
}

static int copy(char **line, size_t *room)
{
    const ssize_t size = getline(line, room, stdin);

    return size > 0 && fwrite(*line, 1, (size_t)size, stdout) == (size_t)size;
}

int main(int argc, char **argv)
{
    const uint64_t rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    const int made_up = argc > 2 && strcmp(argv[2], "--generate") == 0;
    const uint64_t each = rate * TICK_NS / 1000000000u ? rate * TICK_NS / 1000000000u : 1;
    struct timespec now;
    char *line = NULL;
    size_t room = 0;
    uint64_t next;

    if (!rate) {
        fprintf(stderr, "usage: demo-replay LINES_PER_SECOND [--generate] < lines\n");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    next = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    for (uint64_t number = 1; made_up ? generate(number) : copy(&line, &room); number++) {
        if (number % each == 0) {
            if (fflush(stdout) != 0)
                break;
            wait_until(next += TICK_NS);
        }
    }
    free(line);
    return 0;
}
