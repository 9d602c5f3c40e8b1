/* SPDX-License-Identifier: MIT
 *
 * One place for a worker, as a pure state machine: what happened goes in, what must be done
 * comes out. No processes, no clock, no randomness of its own. A slot has at most one worker
 * that serves and one that comes; those that drain after a reload are no longer its business.
 * It never gives up: whatever a worker died of, another one is tried, later and later. A start
 * or a reload that must not go on without it hears of the death and decides.
 */
#ifndef CREWMAN_SLOT_H
#define CREWMAN_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#define SLOT_STATES(X)                                                                         \
    X(EMPTY, "empty")         /* not wanted yet */                                             \
    X(STARTING, "starting")   /* nobody serves, one comes */                                   \
    X(READY, "ready")         /* one serves */                                                 \
    X(REPLACING, "replacing") /* one serves, one of the new generation comes */                \
    X(PAIRED, "paired")       /* both serve, until the reload says which shall go */           \
    X(BACKOFF, "backoff")     /* nobody serves, waits to try again */                          \
    X(DRAINING, "draining")   /* told to end, has processes left */                            \
    X(GONE, "gone")           /* ended */

enum slot_state {
#define SLOT_STATE_MEMBER(id, name) SLOT_##id,
    SLOT_STATES(SLOT_STATE_MEMBER)
#undef SLOT_STATE_MEMBER
        SLOT_STATE_COUNT
};

enum slot_event {
    SLOT_ON_START,       /* wanted from now on */
    SLOT_ON_READY,       /* the one that comes is ready */
    SLOT_ON_NEW_DIED,    /* the one that comes has died */
    SLOT_ON_DIED,        /* the one that serves has died */
    SLOT_ON_ENDED,       /* … by its own wish, in good order */
    SLOT_ON_TIMER,       /* the time that SLOT_DO_WAIT asked for is over */
    SLOT_ON_CANARY,      /* a reload wants to see a worker of a generation not in force yet */
    SLOT_ON_REPLACE,     /* a reload wants a worker of the generation in force */
    SLOT_ON_COMMIT,      /* the reload keeps the new one; its generation is in force */
    SLOT_ON_CANCEL,      /* the reload is given up */
    SLOT_ON_RETIRE,      /* stop, or the slot is no longer wanted */
    SLOT_ON_EMPTY,       /* no process of it is left */
    SLOT_EVENT_COUNT
};

/* Bits. */
enum slot_action {
    SLOT_DO_SPAWN = 1,     /* start a worker: the one that comes */
    SLOT_DO_WAIT = 2,      /* send SLOT_ON_TIMER after `wait_ms` */
    SLOT_DO_KILL_NEW = 4,  /* end the one that comes at once */
    SLOT_DO_DRAIN_OLD = 8, /* the one that serves drains and is forgotten; the new one serves */
    SLOT_DO_DRAIN_NEW = 16,   /* the new one, ready or not, drains and is forgotten */
    SLOT_DO_PROMOTE = 32,     /* the new one serves now; nobody else did */
    SLOT_DO_TELL_READY = 64,  /* tell the reload: the new one is ready */
    SLOT_DO_TELL_FAILED = 128 /* tell the reload: there is no new one */
};

struct slot {
    enum slot_state state;
    bool is_replacing;    /* a reload waits for this slot */
    bool is_ahead;        /* the new one, or the only one, is a canary */
    unsigned deaths;      /* in a row, each before it had lived SLOT_STABLE_MS */
    unsigned restarts;    /* since the start of the instance */
    uint64_t ready_at_ms; /* of the one that serves */
};

struct slot_step {
    unsigned actions; /* of enum slot_action */
    uint64_t wait_ms;
};

#define SLOT_STABLE_MS   10000u
#define SLOT_BRIEF_MS    1000u /* of one that ends by its own wish */
#define SLOT_WAIT_MIN_MS 100u
#define SLOT_WAIT_MAX_MS 30000u

/* Feed one event. An event that means nothing in the state changes nothing. `random` jitters
 * the wait. */
struct slot_step slot_step(struct slot *slot, enum slot_event event, uint64_t now_ms,
                           uint32_t random);

/* How long to wait after that many early deaths: 0 after the first, then 100 ms doubling to 30
 * s, ±20 %. */
uint64_t slot_wait_ms(unsigned deaths, uint32_t random);

const char *slot_state_name(enum slot_state state);

#endif
