/* SPDX-License-Identifier: MIT
 *
 * See conns.h. Ids are, from the top: a bit that is 0, the node (7 bits), the process number
 * (24 bits, given by the master, new for each process) and a counter (32 bits). A stale id
 * finds nothing, in this worker or any other: docs/adr/0006.
 */
#include "conns.h"

#include <errno.h>
#include <stdlib.h>

#include "conn.h"

#define GATHERED_MIN 64u

int conns_init(struct conns *conns, uv_loop_t *loop, void (*ready)(void *conn, int events)) {
    *conns = (struct conns){
        .loop = loop, .next_counter = 1, .poller.fd = -1, .budget.limit = SIZE_MAX};
    idmap_init(&conns->ids, offsetof(struct crew_conn, id));
    list_init(&conns->all);
    conns->read_buffer = malloc(CONNS_READ_SIZE);
    conns->cork_buffer = malloc(CONNS_CORK_SIZE);
    if (!conns->read_buffer || !conns->cork_buffer)
        return -ENOMEM;
    return poller_open(&conns->poller, ready);
}

void conns_done(struct conns *conns) {
    if (conns->poller.fd >= 0)
        poller_close(&conns->poller);
    idmap_done(&conns->ids);
    free(conns->gathered);
    free(conns->read_buffer);
    free(conns->cork_buffer);
    conns->read_buffer = conns->cork_buffer = NULL;
    conns->gathered = NULL;
}

int conns_remember(struct conns *conns, struct crew_conn *conn) {
    if (conns->next_counter > UINT32_MAX)
        return -EOVERFLOW;
    conn->id = (uint64_t)conns->node << 56 | (uint64_t)conns->process << 32;
    conn->id |= conns->next_counter;
    int err = idmap_put(&conns->ids, conn);
    if (err)
        return err;
    conns->next_counter++;
    list_append(&conns->all, &conn->in_all);
    return 0;
}

static void unlist(struct conns *conns, const struct crew_conn *conn) {
    for (size_t i = 0; i < conns->gathered_count; i++)
        if (conns->gathered[i] == conn)
            conns->gathered[i] = conns->gathered[--conns->gathered_count];
}

void conns_forget(struct conns *conns, struct crew_conn *conn) {
    if (conn->is_listed)
        unlist(conns, conn);
    idmap_take(&conns->ids, conn->id);
    list_remove(&conn->in_all);
}

static void append(struct due *due, struct crew_conn *conn) {
    if (conn->is_due)
        return;
    conn->is_due = true;
    conn->next_due = NULL;
    if (due->last)
        due->last->next_due = conn;
    else
        due->first = conn;
    due->last = conn;
}

void conns_due(struct crew_conn *conn) {
    append(&conn->endpoint->conns->due, conn);
}

void conns_later(struct crew_conn *conn) {
    append(&conn->endpoint->conns->later, conn);
}

struct crew_conn *conns_take_due(struct conns *conns) {
    struct due *due = &conns->due;
    struct crew_conn *conn = due->first;
    if (!conn)
        return NULL;
    due->first = conn->next_due;
    if (!due->first)
        due->last = NULL;
    conn->is_due = false;
    return conn;
}

static bool grow(struct conns *conns) {
    size_t capacity = conns->gathered_capacity * 2;
    if (capacity < GATHERED_MIN)
        capacity = GATHERED_MIN;
    struct crew_conn **gathered = realloc(conns->gathered, capacity * sizeof(*conns->gathered));
    if (!gathered)
        return false;
    conns->gathered = gathered;
    conns->gathered_capacity = capacity;
    return true;
}

bool conns_gather(struct crew_conn *conn) {
    struct conns *conns = conn->endpoint->conns;
    if (conn->is_listed)
        return true;
    if (conns->gathered_count == conns->gathered_capacity && !grow(conns))
        return false;
    conns->gathered[conns->gathered_count++] = conn;
    conn->is_listed = true;
    return true;
}

struct crew_conn *conns_take_gathered(struct conns *conns) {
    if (conns->gathered_count == 0)
        return NULL;
    struct crew_conn *conn = conns->gathered[--conns->gathered_count];
    conn->is_listed = false;
    return conn;
}
