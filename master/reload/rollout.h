/* SPDX-License-Identifier: MIT
 *
 * The decisions of a reload, as a pure state machine: what happened goes in, what must be done
 * comes out. No processes, no configuration, no names. First the canaries, one for each
 * pool; when all of them are ready the new configuration is in force, and then slot by slot,
 * all pools side by side.
 */
#ifndef CREWMAN_ROLLOUT_H
#define CREWMAN_ROLLOUT_H

enum rollout_phase { ROLLOUT_LOADING, ROLLOUT_CANARIES, ROLLOUT_ROLLING, ROLLOUT_OVER };

enum rollout_event {
    ROLLOUT_ON_LOADED,    /* configuration and apps are right; `count`: canaries to start */
    ROLLOUT_ON_REFUSED,   /* they are not, or what they need cannot be had */
    ROLLOUT_ON_COMMITTED, /* ROLLOUT_DO_COMMIT is done; `count`: pools that there are now */
    ROLLOUT_ON_ROLL,      /* behind that once for each pool; `count`: slots to be replaced
                             behind its first */
    ROLLOUT_ON_READY,     /* a new worker is ready; `count`: as above, behind its own slot */
    ROLLOUT_ON_FAILED,    /* a slot has no new worker */
    ROLLOUT_ON_STOP,      /* the instance stops */
    ROLLOUT_EVENT_COUNT
};

/* Bits, to be done in this order. */
enum rollout_action {
    ROLLOUT_DO_CANARIES = 1, /* start them: a new worker for the first slot of a pool */
    ROLLOUT_DO_COMMIT = 2,   /* the new configuration is in force; the canaries stay. Say so */
    ROLLOUT_DO_KEEP = 4,     /* keep the worker that became ready; the old one drains */
    ROLLOUT_DO_NEXT = 8,     /* go on with the next slot of the pool */
    ROLLOUT_DO_UNDO = 16,    /* take back all that was begun: nothing has changed */
    ROLLOUT_DO_SETTLE = 32,  /* no further slot is replaced; who serves goes on */
    ROLLOUT_DO_FINISH = 64   /* tell how it went; nothing follows */
};

struct rollout {
    enum rollout_phase phase;
    unsigned waiting; /* for canaries, or pools that still roll */
};

/* Feed one event; the bits of what is to be done. An event that means nothing in the phase
 * changes nothing. */
unsigned rollout_step(struct rollout *rollout, enum rollout_event event, unsigned count);

#endif
