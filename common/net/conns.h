/* SPDX-License-Identifier: MIT
 *
 * The connections of one loop: the table of ids, the list of all, totals, the buffers that they
 * share, and who waits for the end of the turn. One connection is conn.h; what is done with
 * those that wait is settle.h.
 */
#ifndef CREWMAN_CONNS_H
#define CREWMAN_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "address.h"
#include "budget.h"
#include "idmap.h"
#include "list.h"
#include "poller.h"

struct crew_conn;

/* One read takes at most this much; one write gathers at most that much. */
#define CONNS_READ_SIZE (256u * 1024u)
#define CONNS_CORK_SIZE (64u * 1024u)

/* The last ids of a process are for while it is being replaced. */
#define CONNS_IDS_SPARE (UINT32_MAX / 16)

struct conns_totals {
    uint64_t accepted, messages_in, messages_out, bytes_in, bytes_out;
    uint64_t send_failures; /* sends refused: buffer full, or closed */
    uint64_t reaped;        /* closed with CREW_CLOSE_HEARTBEAT */
    uint64_t refused;       /* not admitted, for whatever reason */
    uint64_t turned_away;   /* of them: for want of a place */
    uint64_t over_address;  /* connections and requests: too many of one client */
    uint64_t evicted;       /* peers and connections ended to make room */
    uint64_t session_errors;
    uint64_t protocol_errors, limit_errors, timeouts;
    uint64_t shed; /* ended because their peers made us hold too much: see shed.h */
};

/* A queue of connections. */
struct due {
    struct crew_conn *first, *last;
};

struct conns {
    uv_loop_t *loop;
    struct idmap ids;
    struct poller poller;
    struct list all;       /* of struct crew_conn.in_all, oldest first */
    size_t count;          /* announced and not yet closed towards the app */
    uint32_t node;         /* of the ids, 7 bits; 0: in no cluster */
    uint32_t process;      /* the same, 24 bits */
    uint64_t next_counter; /* the same of the next one, 32 bits, from 1 */
    struct conns_totals totals;
    struct budget budget;      /* of what the peers make us hold */
    struct address shed_last;  /* the client of the last one of totals.shed */
    char *read_buffer;         /* shared by all reads of the loop */
    struct crew_conn *corked;  /* the one whose sends are gathered in cork_buffer */
    struct crew_conn *feeding; /* the one whose protocol is reading, perhaps in its stash */
    const size_t *unread;      /* how much it has before it still */
    char *cork_buffer;
    size_t cork_len;
    struct due due, later;
    struct crew_conn **gathered; /* who was sent something in this turn */
    size_t gathered_count, gathered_capacity;
};

/* `ready` is conn_ready(). 0 or a negative error; conns_done() also after that. */
int conns_init(struct conns *conns, uv_loop_t *loop, void (*ready)(void *conn, int events));

/* No connection is left; the loop must be run once more to close handles. */
void conns_done(struct conns *conns);

/* Is it time that another process takes over? */
static inline bool conns_run_out_of_ids(const struct conns *conns) {
    return conns->next_counter > UINT32_MAX - CONNS_IDS_SPARE;
}

static inline uint64_t conns_now(const struct conns *conns) {
    return uv_now(conns->loop);
}

/* A new connection: give it an id and enter it. 0, -ENOMEM, or -EOVERFLOW when this process has
 * given out all of its ids. And the end of that. */
int conns_remember(struct conns *conns, struct crew_conn *conn);
void conns_forget(struct conns *conns, struct crew_conn *conn);

/* Something about this connection has to wait until the app's code has returned: see to it at
 * the end of this turn. Harmless twice. */
void conns_due(struct crew_conn *conn);

/* Unprocessed input remains; continue in the next turn, after the other connections. Harmless
 * twice, and beside conns_due(). */
void conns_later(struct crew_conn *conn);

/* The first that is due, taken off the queue; NULL when none is. */
struct crew_conn *conns_take_due(struct conns *conns);

/* Note that its queue is to be sent at the end of this turn. False without memory. */
bool conns_gather(struct crew_conn *conn);

/* One of those, taken off; NULL when none is left. */
struct crew_conn *conns_take_gathered(struct conns *conns);

#endif
