/* SPDX-License-Identifier: MIT
 *
 * See conns.h. Ids are the process number (24 bits, given by the master, new for each process)
 * and a counter (40 bits): a stale id finds nothing, in this worker or any other.
 */
#include "conns.h"

#include <errno.h>
#include <stdlib.h>

#include "conn.h"
#include "worker.h"

#define SPREAD_STEP_MS  10u
#define CODE_GOING_AWAY 1001 /* RFC 6455 section 7.4.1 */
#define CODE_RESTART    1012 /* IANA WebSocket close code registry: service restart */

/* Something waits for the next turn: so the loop does not wait in between. */
static void on_idle(uv_idle_t *handle) {
    (void)handle;
}

/* Only behind conns_settle(), which takes what is due now. */
static void turn_over(struct conns *conns) {
    if (!conns->later.first && !conns->is_hurried)
        return;
    conns->due = conns->later;
    conns->later = (struct due){0};
    conns->is_hurried = conns->due.first != NULL;
    if (conns->is_hurried)
        uv_idle_start(&conns->idle, on_idle);
    else
        uv_idle_stop(&conns->idle);
}

static void on_prepare(uv_prepare_t *handle) {
    struct worker *worker = handle->data;
    conns_settle(worker);
    turn_over(&worker->conns);
    score_set(worker->line->tick_at, uv_now(&worker->loop));
    score_set(worker->line->ticks, score_get(worker->line->ticks) + 1);
}

int conns_init(struct worker *worker) {
    struct conns *conns = &worker->conns;
    idmap_init(&conns->ids, offsetof(struct crew_conn, id));
    list_init(&conns->all);
    conns->next_counter = 1;
    conns->read_buffer = malloc(CONNS_READ_SIZE);
    conns->cork_buffer = malloc(CONNS_CORK_SIZE);
    if (!conns->read_buffer || !conns->cork_buffer)
        return -ENOMEM;
    int err = poller_open(&conns->poller, &worker->loop, conn_ready);
    if (err)
        return err;
    uv_timer_init(&worker->loop, &conns->spread);
    uv_prepare_init(&worker->loop, &conns->settle);
    conns->settle.data = conns->spread.data = worker;
    uv_prepare_start(&conns->settle, on_prepare);
    uv_unref((uv_handle_t *)&conns->settle);
    uv_idle_init(&worker->loop, &conns->idle);
    uv_unref((uv_handle_t *)&conns->idle);
    return 0;
}

void conns_done(struct worker *worker) {
    struct conns *conns = &worker->conns;
    struct list *node;
    list_each (node, &conns->all)
        list_entry(node, struct crew_conn, in_all)->is_announced = false;
    conns_destroy_all(worker, CREW_CLOSE_SHUTDOWN);
    conns_settle(worker);
    turn_over(conns);
    conns_settle(worker);
    poller_close(&conns->poller);
    uv_close((uv_handle_t *)&conns->settle, NULL);
    uv_close((uv_handle_t *)&conns->idle, NULL);
    uv_close((uv_handle_t *)&conns->spread, NULL);
    idmap_done(&conns->ids);
    free(conns->read_buffer);
    free(conns->cork_buffer);
    conns->read_buffer = conns->cork_buffer = NULL;
}

int conns_remember(struct crew_conn *conn) {
    struct conns *conns = &conn->worker->conns;
    conn->id = ((uint64_t)conn->worker->plan.process << 40) | conns->next_counter;
    int err = idmap_put(&conns->ids, conn);
    if (err)
        return err;
    conns->next_counter++;
    list_append(&conns->all, &conn->in_all);
    return 0;
}

void conns_forget(struct crew_conn *conn) {
    idmap_take(&conn->worker->conns.ids, conn->id);
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
    append(&conn->worker->conns.due, conn);
}

void conns_later(struct crew_conn *conn) {
    append(&conn->worker->conns.later, conn);
}

void conns_settle(struct worker *worker) {
    struct due *due = &worker->conns.due;
    while (due->first) {
        struct crew_conn *conn = due->first;
        due->first = conn->next_due;
        if (!due->first)
            due->last = NULL;
        conn->is_due = false;
        if (conn->state == CONN_ENDED)
            conn_bury(conn);
        else
            conn_take_up(conn);
    }
}

static int code_for(int reason) {
    return reason == CREW_CLOSE_RELOAD ? CODE_RESTART : CODE_GOING_AWAY;
}

/* Begin up to `batch` closes; answers how many connections were left open. */
static size_t close_some(struct worker *worker, int reason, size_t batch) {
    struct list *node, *after;
    size_t left = 0;
    list_each_safe (node, after, &worker->conns.all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (conn->state >= CONN_CLOSING)
            continue;
        /* Whoever came just before a reload must not be refused: it opens, and is then closed
         * like the others. */
        bool is_coming = conn->state == CONN_OPENING && reason == CREW_CLOSE_RELOAD;
        bool lingers = conn->session->lingers && conn->session->lingers(conn, reason);
        if (batch == 0 || is_coming || lingers) {
            left++;
            continue;
        }
        batch--;
        conn_close(conn, reason, code_for(reason), NULL);
    }
    return left;
}

static void on_spread(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    struct conns *conns = &worker->conns;
    if (close_some(worker, conns->spread_reason, conns->spread_batch) == 0)
        uv_timer_stop(timer);
}

void conns_close_all(struct worker *worker, int reason, uint64_t spread_ms) {
    struct conns *conns = &worker->conns;
    uv_timer_stop(&conns->spread);
    conns->spread_reason = reason;
    conns->spread_batch = SIZE_MAX;
    if (spread_ms <= SPREAD_STEP_MS || conns->count == 0) {
        if (close_some(worker, reason, SIZE_MAX) > 0)
            uv_timer_start(&conns->spread, on_spread, SPREAD_STEP_MS, SPREAD_STEP_MS);
        return;
    }
    uint64_t step_ms = spread_ms / conns->count;
    if (step_ms < SPREAD_STEP_MS)
        step_ms = SPREAD_STEP_MS;
    conns->spread_batch = conns->count * step_ms / spread_ms + 1;
    uv_timer_start(&conns->spread, on_spread, 0, step_ms);
}

void conns_destroy_all(struct worker *worker, int reason) {
    struct list *node;
    list_each (node, &worker->conns.all)
        conn_end(list_entry(node, struct crew_conn, in_all), reason, 0);
}
