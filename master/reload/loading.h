/* SPDX-License-Identifier: MIT
 *
 * Reading the configuration whole: the file, then what each app declares (asked of a
 * short-lived crewman-worker, so that the master loads no app), then both together. Used by
 * start, check and reload.
 */
#ifndef CREWMAN_LOADING_H
#define CREWMAN_LOADING_H

#include "config.h"
#include "pin.h"
#include "program.h"
#include "spawner.h"

struct loading;

/* Where to read: the same at the start and at each reload. */
struct loading_source {
    const char *config_path; /* absolute, or NULL */
    const char *run_dir;     /* absolute, or NULL */
    char *const *apps;       /* absolute; beside those that the file names */
    size_t app_count;
};

struct loading_done {
    /* Once, from the loop, never from inside loading_start(). `config` is the callee's, NULL on
     * failure; then `errors` has at least one line. `pins`: the copies of its apps. Both are
     * borrowed. */
    void (*on_done)(void *owner, struct config *config, const struct pins *pins,
                    const struct config_errors *errors);
};

/* `worker` stays open until it is done, `source` is borrowed for the call. */
struct loading *loading_start(struct spawner *spawner, const struct loading_source *source,
                              const struct program *worker, const struct loading_done *done,
                              void *owner);

/* Give it up; on_done is not called. NULL is allowed. */
void loading_cancel(struct loading *loading);

#endif
