/* SPDX-License-Identifier: MIT
 *
 * The connections of this worker: the table of ids, the list of all, totals, the buffers that
 * they share, and the ways to reach or close many. One connection is conn.h.
 */
#ifndef CREWMAN_CONNS_H
#define CREWMAN_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "idmap.h"
#include "list.h"
#include "poller.h"

struct worker;
struct crew_conn;

/* One read takes at most this much; one write gathers at most that much. */
#define CONNS_READ_SIZE (256u * 1024u)
#define CONNS_CORK_SIZE (64u * 1024u)

struct conns_totals {
    uint64_t accepted, messages_in, messages_out, bytes_in, bytes_out;
    uint64_t send_failures; /* sends refused: buffer full, or closed */
    uint64_t reaped;        /* closed with CREW_CLOSE_HEARTBEAT */
    uint64_t refused;       /* accepted and closed at once: limits */
    uint64_t protocol_errors, limit_errors, timeouts;
};

/* A queue of connections. */
struct due {
    struct crew_conn *first, *last;
};

struct conns {
    struct idmap ids;
    struct poller poller;
    struct list all;       /* of struct crew_conn.in_all, oldest first */
    size_t count;          /* announced and not yet closed towards the app */
    uint64_t next_counter; /* low 40 bits of the next id */
    struct conns_totals totals;
    char *read_buffer;         /* shared by all reads of the loop */
    struct crew_conn *corked;  /* the one whose sends are gathered in cork_buffer */
    struct crew_conn *feeding; /* the one whose session is reading, perhaps in its stash */
    const size_t *unread;      /* how much it has before it still */
    char *cork_buffer;
    size_t cork_len;
    struct due due, later; /* see conns_settle() */
    uv_prepare_t settle;   /* runs it before the loop waits */
    uv_idle_t idle;        /* runs while the loop must not wait: is_hurried */
    bool is_hurried;
    uv_timer_t spread; /* closes them bit by bit */
    int spread_reason;
    size_t spread_batch;
};

int conns_init(struct worker *worker);
/* Frees what is left without callbacks; the loop must be run once more by the caller to close
 * handles. */
void conns_done(struct worker *worker);

/* A new connection: give it an id and enter it. 0 or -ENOMEM. And the end of that. */
int conns_remember(struct crew_conn *conn);
void conns_forget(struct crew_conn *conn);

/* Something about this connection has to wait until the app's code has returned: see to it at
 * the next turn of the loop, with conns_settle(). Harmless twice. */
void conns_due(struct crew_conn *conn);

/* There is more to do of what it has received, but others come first: see to it when they had
 * their turn of the loop. Harmless twice, and beside conns_due(). */
void conns_later(struct crew_conn *conn);

/* Bury what has ended, go on with what was resumed, end what has said its last. Never called
 * from inside a callback. */
void conns_settle(struct worker *worker);

/* Begin a polite close of every connection, spread evenly over `spread_ms` (0: now), with the
 * protocol's code for `reason` (CREW_CLOSE_RELOAD: WebSocket 1012, CREW_CLOSE_SHUTDOWN: 1001).
 * lifecycle_conn_ended() is called for each as it ends. */
void conns_close_all(struct worker *worker, int reason, uint64_t spread_ms);

/* Close whatever is left at once. */
void conns_destroy_all(struct worker *worker, int reason);

#endif
