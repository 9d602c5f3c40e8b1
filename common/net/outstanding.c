/* SPDX-License-Identifier: MIT
 *
 * See outstanding.h. The kernel tells how much of a socket's bytes is not acknowledged. For a
 * unix socket it tells the memory that they take, so what is acknowledged is a lower bound
 * there, which never goes back.
 */
#include "outstanding.h"

#include <errno.h>
#include <stdlib.h>

#include "conn.h"

static struct reaper *reaper_of(const struct crew_conn *conn) {
    return &conn->endpoint->reaper;
}

static uint32_t now_of(const struct crew_conn *conn) {
    return reaper_of(conn)->lists.tick;
}

static bool has_queue(const struct crew_conn *conn) {
    return conn->out.bytes > 0 && !conn->is_gathering;
}

static uint64_t acknowledged_of(const struct crew_conn *conn) {
    int64_t left = conn->endpoint->transport->unsent(conn);
    uint64_t unsent = left > 0 ? (uint64_t)left : 0;
    return unsent < conn->bytes_out ? conn->bytes_out - unsent : 0;
}

bool outstanding_has_any(const struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    if (transport->keeps_boundaries)
        return false;
    return has_queue(conn) || transport->unsent(conn) > 0;
}

/* A message that goes whole or not at all waits for nobody. */
static int watch(struct crew_conn *conn) {
    if (conn->outstanding || conn->endpoint->transport->keeps_boundaries)
        return 0;
    struct outstanding *outstanding = malloc(sizeof(*outstanding));
    if (!outstanding)
        return -ENOMEM;
    uint32_t now = now_of(conn);
    *outstanding = (struct outstanding){.conn = conn,
                                        .acknowledged = acknowledged_of(conn),
                                        .progressed = now,
                                        .queued = now,
                                        .paused = now};
    list_append(&reaper_of(conn)->outstanding, &outstanding->in_reaper);
    reaper_of(conn)->outstanding_count++;
    budget_take(&conns_of(conn)->budget, budget_size(sizeof(*outstanding)));
    conn->outstanding = outstanding;
    return 0;
}

int outstanding_watch_queue(struct crew_conn *conn) {
    int err = watch(conn);
    if (conn->outstanding)
        conn->outstanding->queued = now_of(conn);
    return err;
}

int outstanding_watch_pause(struct crew_conn *conn) {
    int err = watch(conn);
    if (conn->outstanding)
        conn->outstanding->paused = now_of(conn);
    return err;
}

int outstanding_watch_stream(struct crew_conn *conn) {
    int err = watch(conn);
    if (conn->outstanding && !conn->outstanding->is_stream) {
        conn->outstanding->is_stream = true;
        conn->outstanding->streamed = now_of(conn);
    }
    return err;
}

int outstanding_mark(struct crew_conn *conn) {
    int err = watch(conn);
    if (!conn->outstanding)
        return err;
    conn->outstanding->mark = conn->bytes_out + conn->out.bytes;
    conn->outstanding->has_passed = false;
    return 0;
}

void outstanding_forget(struct crew_conn *conn) {
    struct outstanding *outstanding = conn->outstanding;
    if (!outstanding)
        return;
    conn->outstanding = NULL;
    list_remove(&outstanding->in_reaper);
    reaper_of(conn)->outstanding_count--;
    budget_give(&conns_of(conn)->budget, budget_size(sizeof(*outstanding)));
    free(outstanding);
}

bool outstanding_look(struct outstanding *outstanding) {
    const struct crew_conn *conn = outstanding->conn;
    uint64_t acknowledged = acknowledged_of(conn);
    bool has_more = acknowledged > outstanding->acknowledged;
    if (has_more)
        outstanding->acknowledged = acknowledged;
    bool is_all = outstanding->acknowledged >= conn->bytes_out && !has_queue(conn);
    if (has_more || is_all)
        outstanding->progressed = now_of(conn);
    if (!outstanding->has_passed && outstanding->acknowledged >= outstanding->mark) {
        outstanding->has_passed = true;
        outstanding->passed = now_of(conn);
    }
    return has_more;
}

static bool is_late(const struct outstanding *outstanding, uint32_t began, uint32_t ticks) {
    uint32_t now = now_of(outstanding->conn);
    return ticks > 0 && now - began > ticks && now - outstanding->progressed > ticks;
}

bool outstanding_is_queue_late(const struct outstanding *outstanding, uint32_t ticks) {
    return has_queue(outstanding->conn) && is_late(outstanding, outstanding->queued, ticks);
}

bool outstanding_is_pause_late(const struct outstanding *outstanding, uint32_t ticks) {
    return is_late(outstanding, outstanding->paused, ticks) &&
           outstanding_has_any(outstanding->conn);
}

bool outstanding_is_stream_late(const struct outstanding *outstanding, uint32_t ticks) {
    return outstanding->is_stream && is_late(outstanding, outstanding->streamed, ticks) &&
           outstanding_has_any(outstanding->conn);
}
