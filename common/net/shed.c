/* SPDX-License-Identifier: MIT
 *
 * See shed.h. The connections are sorted by address, the largest first; the addresses stand in
 * a heap by what they hold. What a connection gives up is free at once, not only when it is
 * buried: many may have to in one turn. What it keeps until then is budget.going: nobody
 * else's end would make it go sooner. Last words can last; a sixteenth is for all of them.
 */
#include "shed.h"

#include <stdlib.h>

#include "conn.h"
#include "conn_close.h"
#include "conn_held.h"
#include "conn_state.h"

/* What a connection that says goodbye may keep of what it was sending. */
#define KEPT_MAX ((size_t)64 * 1024u)

struct holder {
    uint64_t key; /* of its client */
    size_t held;
    struct crew_conn *conn;
};

/* Those of one address that are left, the largest first. */
struct client {
    const struct holder *next, *end;
    size_t held;
};

static const struct address *client_of(const struct crew_conn *conn) {
    return conn->client ? conn->client : &conn->peer;
}

static void give_up(struct crew_conn *conn) {
    bool is_cut = conn->out.bytes > 0;
    conn_discard_stash(conn);
    sendq_cut(&conn->out);
    if (conn->layer == LAYER_PROTOCOL && conn->protocol->shed)
        conn->protocol->shed(conn, is_cut);
    conn_count_held(conn);
}

/* Without a word, and with nothing left of it. */
static void drop(struct crew_conn *conn) {
    conn_end(conn, CREW_CLOSE_MEMORY, 0);
    give_up(conn);
    sendq_done(&conn->out);
}

/* Of a buffer that others have as well, as if it were its own. */
static bool keeps_much(const struct crew_conn *conn) {
    return conn->out.bytes > KEPT_MAX || sendq_held(&conn->out) > KEPT_MAX;
}

static bool can_be_told(const struct crew_conn *conn) {
    return conn->state <= CONN_OPEN && conn->layer == LAYER_PROTOCOL &&
           !conn->endpoint->transport->keeps_boundaries;
}

/* Who is closing has been told already. `room`: for last words, of all who have some. Answers
 * what it keeps until it is buried. */
static size_t evict(struct crew_conn *conn, size_t room) {
    conns_of(conn)->totals.shed++;
    conns_of(conn)->shed_last = *client_of(conn);
    bool is_told = can_be_told(conn);
    if (is_told) {
        give_up(conn);
        conn_finish(conn, CREW_CLOSE_MEMORY);
    }
    if (!is_told || keeps_much(conn) || conn_total_held(conn) > room)
        drop(conn);
    return conn_total_held(conn);
}

static int compare(const void *a, const void *b) {
    const struct holder *one = a, *other = b;
    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return one->held > other->held ? -1 : one->held < other->held;
}

static bool has_been_told(const struct crew_conn *conn) {
    return conn->state == CONN_CLOSING && conn->reason == CREW_CLOSE_MEMORY &&
           !keeps_much(conn);
}

/* Who has ended pays first, with all that it still has. *out_told: what those keep that are
 * saying their last words. */
static size_t gather(struct conns *conns, struct holder *holders, size_t *out_told) {
    struct list *node;
    size_t count = 0, ended = 0, told = 0;
    list_each (node, &conns->all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (conn->state == CONN_ENDED) {
            drop(conn);
            ended += conn_total_held(conn);
        } else if (has_been_told(conn)) {
            told += conn_total_held(conn);
        } else {
            holders[count++] = (struct holder){.key = address_key(client_of(conn)),
                                               .held = conn_total_held(conn),
                                               .conn = conn};
        }
    }
    conns->budget.going = ended;
    *out_told = told;
    return count;
}

static size_t group(const struct holder *holders, size_t count, struct client *clients) {
    size_t groups = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || holders[i].key != holders[i - 1].key)
            clients[groups++] = (struct client){.next = &holders[i]};
        clients[groups - 1].held += holders[i].held;
        clients[groups - 1].end = &holders[i] + 1;
    }
    return groups;
}

static void sink(struct client *heap, size_t count, size_t at) {
    for (;;) {
        size_t most = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (heap[child].held > heap[most].held)
                most = child;
        if (most == at)
            return;
        struct client moved = heap[at];
        heap[at] = heap[most];
        heap[most] = moved;
        at = most;
    }
}

/* The largest of the client that holds most. Answers how much less that is. */
static size_t evict_next(struct budget *budget, struct client *client, size_t *told) {
    struct crew_conn *conn = (client->next++)->conn;
    size_t words = budget->limit / 16, before = budget->held;
    size_t kept = evict(conn, words > *told ? words - *told : 0);
    *(conn->state == CONN_ENDED ? &budget->going : told) += kept;
    return kept + (before > budget->held ? before - budget->held : 0);
}

/* One after the other, until little enough is held. What is shared is free with the last who
 * has it: what counts is what an end has brought. */
static void evict_all(struct budget *budget, struct client *heap, size_t count, size_t told) {
    size_t enough = budget->limit - budget->limit / 16;
    for (size_t i = count; i-- > 0;)
        sink(heap, count, i);
    while (count > 0 && budget->held > enough + budget->going) {
        size_t gone = evict_next(budget, heap, &told);
        heap->held -= gone < heap->held ? gone : heap->held;
        if (heap->next == heap->end)
            heap[0] = heap[--count];
        sink(heap, count, 0);
    }
}

/* Without memory to sort them: who is the largest. */
static void evict_largest(struct conns *conns) {
    struct crew_conn *largest = NULL;
    struct list *node;
    list_each (node, &conns->all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (!largest || conn_total_held(conn) > conn_total_held(largest))
            largest = conn;
    }
    if (largest && largest->state == CONN_ENDED)
        drop(largest);
    else if (largest)
        (void)evict(largest, 0);
}

void shed_now(struct conns *conns) {
    size_t count = conns->ids.count, told;
    struct holder *holders = malloc(count * sizeof(*holders));
    struct client *clients = malloc(count * sizeof(*clients));
    if (holders && clients) {
        count = gather(conns, holders, &told);
        qsort(holders, count, sizeof(*holders), compare);
        evict_all(&conns->budget, clients, group(holders, count, clients), told);
    } else {
        evict_largest(conns);
    }
    free(holders);
    free(clients);
}
