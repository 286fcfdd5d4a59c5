/* SPDX-License-Identifier: MIT
 *
 * Calls that do not log each time: whose turn it is.
 */

SHMLOG_BEGIN_C_

int shmlog_turn_(uint64_t *state, uint64_t n, unsigned long *ret_skipped)
{
    const uint64_t calls = __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);

    *ret_skipped = calls && n ? n - 1 : 0;
    return !n || calls % n == 0;
}

int shmlog_due_(uint64_t *state, uint64_t ms, unsigned long *ret_skipped)
{
    const uint64_t now = shmlog_monotonic_ns_();
    const uint64_t next = ms > (UINT64_MAX - now) / 1000000 ? UINT64_MAX : now + ms * 1000000;
    uint64_t due = shmlog_load_relaxed_(&state[1]);

    if (now < due || !__atomic_compare_exchange_n(&state[1], &due, next, 0, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);
        return 0;
    }
    *ret_skipped = __atomic_exchange_n(&state[0], 0, __ATOMIC_RELAXED);
    return 1;
}

SHMLOG_END_C_
