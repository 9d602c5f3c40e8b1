/* SPDX-License-Identifier: MIT
 *
 * One child process of the master, of whatever kind: its descriptors, its control pipe, its
 * last beat, its end. Knows how to start and to end one. What it is for stands in the spec that
 * it is started with; what its life means is its owner's business, who hears of it through
 * child_events.
 */
#ifndef CREWMAN_CHILD_H
#define CREWMAN_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "channel.h"
#include "config.h"
#include "countdown.h"
#include "list.h"
#include "log_pipe.h"
#include "obituary.h"
#include "pin.h"
#include "spawner.h"
#include "tally.h"

struct child;

enum child_role {
    CHILD_COMING, /* not promoted yet */
    CHILD_SERVING,
    CHILD_DRAINING /* told to end; nobody's any more */
};

struct child_events {
    /* It said READY, and has not been told to end before. */
    void (*ready)(struct child *child);
    /* Its process has ended; the child is still whole. */
    void (*ended)(struct child *child, int status, int signal);
    /* Behind that: it is in no list any more. */
    void (*gone)(void *owner);
};

/* Descriptors of its kind, behind those of descriptors.h. */
#define CHILD_OWN_MAX   (CONFIG_SERVICES_MAX + 1) /* listeners, and the app's copy */
#define CHILD_LABEL_MAX 96
#define CHILD_APP_MAX   64

/* All is borrowed for the call, but for `plan`, `siblings`, `events` and `owner`. */
struct child_spec {
    const char *program;     /* for people: the path of what it runs */
    const char *file;        /* what is executed for it */
    struct obituary_app app; /* that it loads */
    const char *title;       /* what ps shows of it */
    const char *label;       /* how log lines name it: "chat/0" */
    struct log_pipes *log_pipes;
    int own_fds[CHILD_OWN_MAX];
    unsigned own_count;
    unsigned generation;
    uint32_t number;    /* the process number in its ids */
    json_t *plan;       /* taken in any case */
    uint64_t start_ms;  /* to be ready by */
    uint64_t orphan_ms; /* so long it may drain when it believes that we are gone */
    struct list *siblings;
    const struct child_events *events;
    void *owner;
};

struct child {
    struct spawned spawned; /* first: the process is the child */
    struct list in_siblings;
    const struct child_events *events;
    void *owner;
    uv_loop_t *loop;
    char label[CHILD_LABEL_MAX];
    char app[CHILD_APP_MAX], build_id[PIN_BUILD_ID_MAX + 1]; /* for its obituary */
    unsigned generation;
    uint32_t number;
    enum child_role role;
    struct channel *channel;
    struct log_pipe *log_pipe; /* what it prints; NULL: not made yet */
    struct countdown deadline; /* to be ready by; then: to be gone by */
    uint64_t started_ms, beat_ms, drain_ms, orphan_ms;
    const struct score_page *page; /* it writes, we read; outlives it until it is forgotten */
    int page_fd;                   /* once it is ready read-only, for its siblings; -1: none */
    struct tally tally;            /* of its page, when it was last read */
    uint64_t rated_in;             /* messages, at its last beat */
    double rate;                   /* messages in a second, between the last two beats */
    char *refusal;                 /* the reason of its "failed" message */
    uint64_t closed;               /* connections that it closed as it drained */
    bool has_greeted;
    bool is_ready, is_drained, is_expected; /* its end: asked for */
    bool is_dismissed;
    bool counts_wrong;   /* its page said what cannot be */
    bool is_aborted;     /* the watchdog sent SIGABRT */
    char killed_for[96]; /* why we killed it, for the obituary; "": we did not */
    const char *limit;   /* the key that the deadline's time is from, for people */
    uint64_t limit_ms;
};

static inline struct child *child_of(struct list *node) {
    return list_entry(node, struct child, in_siblings);
}

/* NULL with a line for people; then no event follows. */
struct child *child_start(struct spawner *spawner, const struct child_spec *spec, char *out_why,
                          size_t size);

/* Ask it to drain; SIGKILL follows when it does not end in time. Harmless twice; a later call
 * with less time shortens it. */
void child_drain(struct child *child, const char *reason, bool is_graceful, uint64_t timeout_ms,
                 uint64_t spread_ms);

/* From now on it is the one that serves. */
void child_promote(struct child *child);

/* It is not wanted any more and has served nobody yet: end it at once, which is no fault. */
void child_dismiss(struct child *child);

/* End it at once. `format` is a text for the obituary; the first one counts. */
void child_kill(struct child *child, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Give it the page of another to read, once that one is ready; and take it back. */
void child_introduce(struct child *child, const struct child *other);
void child_withdraw(struct child *child, const struct child *other);

/* What its page says now. */
const struct tally *child_count(struct child *child);

/* Hand it a client that asks for its connections, one end of a socketpair, which stays ours. 0,
 * or a negative errno number: it does not listen to us. */
int child_hand_client(struct child *child, int fd);

/* One look a second: beats that do not come. `paused_ms`: for so long we could not have seen
 * one. */
void child_watch(struct child *child, uint64_t watchdog_ms, uint64_t paused_ms);

/* A beat is 2 s late. */
bool child_is_busy(const struct child *child);

/* Did it end as it was asked to, or by its own wish in good order? */
bool child_has_ended_well(const struct child *child, int status, int signal);

#endif
