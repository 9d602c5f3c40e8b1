/* SPDX-License-Identifier: MIT
 *
 * Who has been silent for how long: the lists behind the heartbeat and every other deadline of
 * a connection. Time is counted in ticks, one each time the owner calls liveness_tick(); there
 * is no clock in here. Each list holds its members in the order in which they fall due, because
 * all members of a list wait equally long; a tick looks at those that are due and at one more.
 * Pure; called by reaper.c.
 */
#ifndef CREWMAN_LIVENESS_H
#define CREWMAN_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

/* Deadlines that do not depend on what is received. A connection has one of them at most. */
enum deadline {
    DEADLINE_NONE,
    DEADLINE_HANDSHAKE,  /* and the head of a request */
    DEADLINE_CLOSE,      /* without progress */
    DEADLINE_MESSAGE,    /* of what has begun to come: too little progress */
    DEADLINE_KEEP_ALIVE, /* until the next request */
    DEADLINE_COUNT
};

/* Embedded in a connection. */
struct liveness_node {
    struct list by_receive;  /* in order of the last receive */
    struct list by_probe;    /* the same of those that have not been probed since */
    struct list by_deadline; /* in order of the start of its deadline */
    uint32_t received;       /* tick of the last receive */
    uint32_t started;        /* tick in which the deadline was started */
    uint32_t seen;           /* of DEADLINE_MESSAGE: how much had come then; the owner's */
    uint8_t deadline;        /* enum deadline */
    bool is_excused;         /* found dead, and the owner waits still: liveness_excuse() */
};

struct liveness {
    struct list by_receive, by_probe, by_deadline[DEADLINE_COUNT];
    uint32_t tick;
    uint32_t idle_ticks;  /* silent for more: dead; 0: never */
    uint32_t probe_ticks; /* silent for more: probe, once in each silence; 0: never */
    uint32_t deadline_ticks[DEADLINE_COUNT]; /* 0: never */
};

/* What a tick found. A callee may remove or change the node that it is handed, and no other. */
struct liveness_found {
    void (*dead)(void *owner, struct liveness_node *node);
    void (*probe)(void *owner, struct liveness_node *node);
    void (*expired)(void *owner, struct liveness_node *node, enum deadline deadline);
};

/* All tick counts 0 (off); set them before the first node is added. */
void liveness_init(struct liveness *lists);

/* Ticks of `tick_ms` that are surely not less than `ms`; 0 stays 0 (off). */
uint32_t liveness_ticks(uint64_t ms, uint32_t tick_ms);

/* `node` is zeroed memory; it starts as just received. */
void liveness_add(struct liveness *lists, struct liveness_node *node);

/* Off every list; harmless twice. */
void liveness_remove(struct liveness_node *node);

/* Bytes came. At most one move per list and tick, so that a busy connection costs a comparison.
 */
static inline bool liveness_is_fresh(const struct liveness *lists,
                                     const struct liveness_node *node) {
    return node->received == lists->tick;
}
void liveness_touch(struct liveness *lists, struct liveness_node *node);

/* Leave the two heartbeat lists (a connection that the app has paused, or that is closing), and
 * come back as just received. */
void liveness_suspend(struct liveness_node *node);
void liveness_resume(struct liveness *lists, struct liveness_node *node);

/* From found.dead: this one may be silent still. It is in neither heartbeat list until it is
 * touched. */
static inline void liveness_excuse(struct liveness_node *node) {
    node->is_excused = true;
}

/* Has it not been probed since it was heard of? Not for one that has left the lists. */
static inline bool liveness_is_unprobed(const struct liveness_node *node) {
    return list_is_linked(&node->by_probe);
}

/* Start a deadline in place of the one before; DEADLINE_NONE only ends it. */
void liveness_deadline(struct liveness *lists, struct liveness_node *node,
                       enum deadline deadline);

/* One tick has passed: reports the dead first, then probes, then expired deadlines. */
void liveness_tick(struct liveness *lists, const struct liveness_found *found, void *owner);

#endif
