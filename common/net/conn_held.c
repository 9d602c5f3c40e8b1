/* SPDX-License-Identifier: MIT
 *
 * See conn_held.h. The connection keeps its part as a number of units, rounded up: four bytes
 * are enough for 64 GiB.
 */
#include "conn_held.h"

#include "conn_memory.h"
#include "outstanding.h"

#define UNIT ((size_t)16)

static size_t counted(const struct crew_conn *conn) {
    return conn->held * UNIT;
}

static size_t size_of(const struct crew_conn *conn) {
    return budget_size(conn_memory_size(conn->endpoint));
}

static void note(struct crew_conn *conn, size_t own) {
    struct budget *budget = &conns_of(conn)->budget;
    size_t units = (own + UNIT - 1) / UNIT;
    budget_give(budget, counted(conn));
    conn->held = units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
    budget_take(budget, counted(conn));
}

void conn_count_again(struct crew_conn *conn) {
    size_t own = conn->stash ? budget_size(sizeof(*conn->stash) + conn->stash->capacity) : 0;
    if (conn->layer == LAYER_PROTOCOL && conn->protocol->held)
        own += conn->protocol->held(conn);
    note(conn, own);
}

void conn_begin_held(struct crew_conn *conn) {
    budget_take(&conns_of(conn)->budget, size_of(conn));
}

void conn_end_held(struct crew_conn *conn) {
    note(conn, 0);
    budget_give(&conns_of(conn)->budget, size_of(conn));
}

size_t conn_total_held(const struct crew_conn *conn) {
    size_t watch = conn->outstanding ? budget_size(sizeof(*conn->outstanding)) : 0;
    return size_of(conn) + counted(conn) + watch + sendq_held(&conn->out);
}
