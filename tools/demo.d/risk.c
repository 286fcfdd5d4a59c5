/* SPDX-License-Identifier: MIT
 *
 * Demo producer in C: raw records of a struct in short bursts, until it is killed.
 *
 * usage: demo-risk SEGMENT
 */
#include "tools/demo.d/demo.h"

struct exposure {
    uint64_t check;
    double gross, net;
    uint32_t account;
    char symbol[12];
};
SHMLOG_RECORD(exposure_record, struct exposure, SHMLOG_INFO, SHMLOG_RISK, "exposure",
              SHMLOG_FIELD(struct exposure, check), SHMLOG_FIELD(struct exposure, gross),
              SHMLOG_FIELD(struct exposure, net), SHMLOG_FIELD(struct exposure, account),
              SHMLOG_FIELD(struct exposure, symbol));

int main(int argc, char **argv)
{
    struct shmlog *log = demo_attach(argc, argv, "risk");
    struct exposure exposure;
    uint64_t random = 3;

    memset(&exposure, 0, sizeof(exposure));
    memcpy(exposure.symbol, "BTCUSDT", 8);
    while (!demo_ended) {
        exposure.check++;
        exposure.account = (uint32_t)(demo_random(&random) % 16);
        exposure.gross = (double)(demo_random(&random) % 1000000) / 100;
        exposure.net = exposure.gross / 4;
        shmlog_record(log, &exposure_record, &exposure);
        if (exposure.check % 6 == 0)
            demo_pause(200000);
    }
    shmlog_close(log);
    return 0;
}
