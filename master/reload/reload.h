/* SPDX-License-Identifier: MIT
 *
 * A reload: read the configuration and the apps anew, start one worker of each pool from
 * them (the canaries), and only when all of those are ready drain the first old worker; then
 * slot by slot, all pools side by side. Whatever fails before that changes nothing; a
 * failure after it stops the reload, and the workers that are left keep serving. The master
 * starts one and hears through reload_events how it goes.
 */
#ifndef CREWMAN_RELOAD_H
#define CREWMAN_RELOAD_H

#include <stdbool.h>

#include "loading.h"

struct instance;
struct place;
struct reload;

struct reload_events {
    /* A slot has been replaced. */
    void (*progress)(void *owner, const struct place *place);
    /* The last word, once: `why` NULL when all is done, or lines for people. Not from inside
     * reload_start(); nothing of reload.h may be called from here. */
    void (*over)(void *owner, const char *why);
};

/* Begin. The caller sees to it that no other one runs. */
struct reload *reload_start(struct instance *instance, const struct loading_source *source,
                            bool is_graceful, const struct reload_events *events, void *owner);

/* From the supervisor's events. NULL is allowed, and so is one that is over. */
void reload_place_ready(struct reload *reload, struct place *place);
void reload_place_failed(struct reload *reload, const struct place *place);

/* The instance stops: give it up. */
void reload_abandon(struct reload *reload, const char *why);

/* Of one that is over, but not from inside its events. NULL is allowed. */
void reload_free(struct reload *reload);

#endif
