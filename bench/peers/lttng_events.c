/* SPDX-License-Identifier: MIT
 *
 * The tracepoint provider: LTTng's headers make it of lttng_events.h.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench/peers/lttng_events.h"
