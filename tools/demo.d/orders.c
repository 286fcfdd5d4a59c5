/* SPDX-License-Identifier: MIT
 *
 * Demo producer in C: an order gateway with printf-style calls.
 *
 * usage: demo-orders SEGMENT
 */
#include "tools/demo.d/demo.h"

static void trade(struct shmlog *log, uint64_t id, uint64_t *random)
{
    const double px = 58710.0 + (double)(demo_random(random) % 2000) / 10;
    const unsigned qty = (unsigned)(demo_random(random) % 9 + 1) * 100;
    const char side = demo_random(random) % 2 ? 'B' : 'S';

    shmlog_log(log, SHMLOG_INFO, SHMLOG_ORDER, "order %lu px %.2f qty %u side %c", id, px, qty,
               side);
    if (demo_random(random) % 4 == 0)
        shmlog_log(log, SHMLOG_INFO, SHMLOG_TRADE, "fill order %lu px %.2f qty %u", id, px,
                   qty / 2);
    if (demo_random(random) % 5000 == 0)
        shmlog_log(log, SHMLOG_WARN, SHMLOG_ORDER, "order %lu rejected by %s: %s", id, "XNAS",
                   "price outside of collar");
}

int main(int argc, char **argv)
{
    struct shmlog *log = demo_attach(argc, argv, "orders");
    uint64_t random = 20240808;

    for (uint64_t id = 1; !demo_ended; id++) {
        trade(log, id, &random);
        if (id % 5 == 0)
            demo_pause(200000);
    }
    shmlog_close(log);
    return 0;
}
