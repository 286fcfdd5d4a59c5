/* SPDX-License-Identifier: MIT
 *
 * The mixed stream: see mixed.h. Orders are numbered; acknowledgements, fills and cancels are of
 * recent ones. Each symbol's price walks at random, and some symbols trade far more than others.
 */
#include "bench/mixed.h"

static const uint16_t frequencies[BENCH_SITES] = {300, 200, 120, 100, 80, 60,
                                                  50,  40,  20,  15,  10, 5};
static const char *const symbols[BENCH_SYMBOLS] = {"AAPL", "MSFT", "NVDA",  "SPY", "TSLA", "AMZN",
                                                   "META", "AMD",  "GOOGL", "QQQ", "INTC", "IWM",
                                                   "XOM",  "JPM",  "BRK.B", "KO"};
static const char *const venues[4] = {"XNAS", "ARCX", "BATS", "IEXG"};
static const char *const reasons[4] = {"user", "ioc", "risk limit", "replaced"};
static const char *const states[4] = {"connected", "logged on", "recovering", "idle"};

void bench_mixed_start(struct bench_mixed *ret_mixed)
{
    *ret_mixed = (struct bench_mixed){.random = UINT64_C(0x13198a2e03707344), .orders = 1000000};
    for (unsigned i = 0; i < BENCH_SYMBOLS; i++)
        ret_mixed->tick[i] = 4000 + 1700 * i;
}

static enum bench_site draw_site(uint64_t r)
{
    uint64_t at = r % 1000;
    unsigned site = 0;

    while (at >= frequencies[site])
        at -= frequencies[site++];
    return (enum bench_site)site;
}

/* Half of all for the first symbol, half of the rest for the second, and so on. */
static unsigned draw_symbol(uint64_t r)
{
    const unsigned symbol = r ? (unsigned)__builtin_ctzll(r) : 0;

    return symbol % BENCH_SYMBOLS;
}

/* The same draws for every site, so that one site's arguments do not hang on another's. */
void bench_mixed_next(struct bench_mixed *mixed, struct bench_event *ret_event)
{
    const uint64_t r = bench_random(&mixed->random), r2 = bench_random(&mixed->random);
    const unsigned symbol = draw_symbol(r2 >> 32);
    struct bench_event e = {.site = draw_site(r >> 32)};
    uint64_t *const tick = &mixed->tick[symbol];

    *tick += (r & 3) - (r >> 2 & 3);
    e.text = symbols[symbol];
    e.id = mixed->orders - (r2 & 15);
    e.px = (double)*tick / 100.0;
    e.px2 = (double)(*tick + 1 + (r >> 4 & 1)) / 100.0;
    e.qty = bench_sizes[r >> 8 & 7];
    e.qty2 = bench_sizes[r >> 11 & 7];
    e.net = mixed->net[symbol];
    switch (e.site) {
    case BENCH_ORDER:
        e.id = ++mixed->orders;
        e.side = r & 0x10000 ? 'B' : 'S';
        break;
    case BENCH_ACK:
        e.qty = 8000 + (uint32_t)(r2 >> 4 & 0x7ff);
        break;
    case BENCH_FILL:
        e.text2 = venues[r2 >> 8 & 3];
        mixed->net[symbol] += r & 0x10000 ? (int32_t)e.qty : -(int32_t)e.qty;
        break;
    case BENCH_CANCEL:
        e.text = reasons[r2 >> 8 & 3];
        break;
    case BENCH_RISK:
        e.px = (double)(e.net < 0 ? -e.net : e.net) * e.px;
        e.px2 = 1000000.0;
        e.net = e.px < e.px2;
        break;
    case BENCH_BEAT:
        e.qty = (uint32_t)++mixed->beats;
        break;
    case BENCH_LATENCY:
        e.qty = 200 + (uint32_t)(r2 >> 4 & 31);
        e.qty2 = e.qty + 300 + (uint32_t)(r2 >> 10 & 255);
        e.qty3 = e.qty2 + (uint32_t)(r2 >> 18 & 4095);
        break;
    case BENCH_SESSION:
        e.text = venues[r2 >> 8 & 3];
        e.text2 = states[r2 >> 10 & 3];
        break;
    case BENCH_QUEUE:
        e.id = r2 >> 4 & 1023;
        e.id2 = 65536;
        e.qty = (uint32_t)(r2 >> 14 & 3);
        break;
    default:
        break;
    }
    *ret_event = e;
}
