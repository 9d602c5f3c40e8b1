/* SPDX-License-Identifier: MIT
 *
 * Opt-in: the worker's libuv loop, for apps that bring their own handles. Whatever an app
 * starts on the loop it must close in on_worker_stop. Their callbacks are not known to the
 * worker: a request that is answered in one of them ends with its answer, not with the callback.
 * One whose answer failed waits for another until the loop goes on.
 */
#ifndef CREWMAN_UV_H
#define CREWMAN_UV_H

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Borrowed; valid from on_worker_start until on_worker_stop returns. Never run, stop or close
 * it. NULL in the process that only asks what an app declares. */
uv_loop_t *crew_worker_loop(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
