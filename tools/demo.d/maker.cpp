// SPDX-License-Identifier: MIT
//
// Demo producer in C++: a market maker with structured events from two threads.
//
// usage: demo-maker SEGMENT
#include "tools/demo.d/demo.h"

#include <thread>

namespace
{
void quote(struct shmlog *log, const char *symbol, uint64_t seed)
{
    uint64_t random = seed;
    long position = 0;

    for (uint64_t round = 1; !demo_ended; round++) {
        const double mid = 3400.0 + static_cast<double>(demo_random(&random) % 1000) / 100;

        shmlog_event(log, SHMLOG_DEBUG, SHMLOG_MARKET_DATA, "quote", "symbol", symbol, "bid",
                     mid - 0.01, "ask", mid + 0.01, "round", round);
        if (round % 7 == 0) {
            position += static_cast<long>(demo_random(&random) % 21) - 10;
            shmlog_event(log, SHMLOG_INFO, SHMLOG_PORTFOLIO, "position", "symbol", symbol,
                         "quantity", position);
        }
        if (position > 60 || position < -60) {
            shmlog_event(log, SHMLOG_WARN, SHMLOG_RISK, "limit", "symbol", symbol, "quantity",
                         position, "limit", 60);
            position = 0;
        }
        if (round % 2 == 0)
            demo_pause(200000);
    }
}
} // namespace

int main(int argc, char **argv)
{
    struct shmlog *log = demo_attach(argc, argv, "maker");
    std::thread other(quote, log, "ETHUSDT", UINT64_C(7));

    quote(log, "BTCUSDT", UINT64_C(11));
    other.join();
    shmlog_close(log);
    return 0;
}
