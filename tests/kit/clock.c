/* SPDX-License-Identifier: MIT
 *
 * Test kit: the clock of programs under test, driven by the test.
 */
#include "tests/kit/driven_clock.h"
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static struct driven_clock *driven;
static uint64_t last_round;

/* Else the time of records is CLOCK_MONOTONIC, too, and that of this process's own is not driven.
 */
static bool tsc_is_in_use(void)
{
    char *text;
    bool is;

    if (access(CLOCK_SOURCE, R_OK) != 0)
        return false;
    text = kit_read_file(CLOCK_SOURCE, NULL);
    is = strcmp(text, "tsc\n") == 0;
    free(text);
    return is;
}

bool kit_clock_begin(void)
{
    static unsigned count;
    const char *const path = kit_path(kit_text("clock-%u", count++));
    const struct driven_clock clock = {0};
    const char *const asan = getenv("ASAN_OPTIONS");
    void *memory;
    int fd;

    if (!tsc_is_in_use())
        return false;
    kit_write_file(path, &clock, sizeof(clock));
    fd = open(path, O_RDWR | O_CLOEXEC);
    memory = mmap(NULL, sizeof(clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    KIT_CHECK(memory != MAP_FAILED);
    close(fd);
    driven = memory;
    setenv(DRIVEN_CLOCK_ENV, path, 1);
    setenv("LD_PRELOAD", kit_program("tests/kit/libdriven_clock.so"), 1);
    if (kit_sanitized() && (!asan || !strstr(asan, "verify_asan_link_order")))
        setenv("ASAN_OPTIONS", kit_text("verify_asan_link_order=0:%s", asan ? asan : ""), 1);
    return true;
}

void kit_clock_stand(void)
{
    last_round = UINT64_MAX; /* the next one is due, whatever was before */
    if (driven)
        __atomic_store_n(&driven->stood, kit_now_ns(), __ATOMIC_RELAXED);
}

void kit_clock_forward(double seconds)
{
    if (driven)
        __atomic_fetch_add(&driven->forward, (uint64_t)(seconds * 1e9), __ATOMIC_RELAXED);
}

void kit_clock_next(uint64_t round)
{
    if (round != last_round)
        kit_clock_forward(0.5);
    last_round = round;
}

void kit_clock_end(void)
{
    unsetenv("LD_PRELOAD");
}
