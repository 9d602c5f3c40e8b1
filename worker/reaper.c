/* SPDX-License-Identifier: MIT
 *
 * libuv runs timers before it reads sockets. After a pause of the process every client would
 * look silent although its bytes are waiting; but a tick is counted once however late it comes,
 * so such a pause counts as one tick.
 */
#include "reaper.h"

#include <string.h>

#include "conn.h"
#include "worker.h"

#define TICK_MAX_MS     1000u
#define TICK_MIN_MS     10u
#define CODE_GOING_AWAY 1001 /* RFC 6455 section 7.4.1 */

static struct crew_conn *conn_of(struct liveness_node *node) {
    return list_entry(node, struct crew_conn, liveness);
}

static void on_dead(void *owner, struct liveness_node *node) {
    struct worker *worker = owner;
    struct crew_conn *conn = conn_of(node);
    worker->conns.totals.reaped++;
    /* Should the peer be there after all, it learns why; nothing waits for it. */
    if (conn->session->goodbye && conn->state == CONN_OPEN && conn->out.bytes == 0)
        conn->session->goodbye(conn, CODE_GOING_AWAY, "no sign of life");
    conn_end(conn, CREW_CLOSE_HEARTBEAT, 0);
}

static void on_probe(void *owner, struct liveness_node *node) {
    struct worker *worker = owner;
    struct crew_conn *conn = conn_of(node);
    const char *ping_data = worker->plan.service.heartbeat.ping_data;
    uint32_t now = (uint32_t)uv_now(&worker->loop);
    if (conn->state != CONN_OPEN)
        return;
    /* Behind a queue as well: who takes a stream that never ends is asked all the same. */
    if (ping_data[0] != '\0')
        (void)conn->session->send(conn, ping_data, strlen(ping_data), CREW_MSG_TEXT);
    else if (conn->session->probe)
        conn->session->probe(conn, now);
    else
        return;
    if (!conn->is_probed) {
        conn->is_probed = true;
        conn->probe_sent_ms = now;
    }
}

static void on_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    struct worker *worker = owner;
    struct crew_conn *conn = conn_of(node);
    if (deadline != DEADLINE_CLOSE && deadline != DEADLINE_SEND && conn->session->expired) {
        conn->session->expired(conn, deadline);
        return;
    }
    if (conn->out.bytes > 0 && conn_is_taking(conn)) {
        conn_restart_deadline(conn);
        return;
    }
    worker->conns.totals.timeouts++;
    conn_end(conn, CREW_CLOSE_TIMEOUT, 0);
}

static const struct liveness_found found = {on_dead, on_probe, on_expired};

static void on_tick(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    liveness_tick(&worker->reaper.lists, &found, worker);
}

void reaper_answered(struct crew_conn *conn, uint32_t token) {
    if (!conn->is_probed || token != conn->probe_sent_ms)
        return;
    conn->is_probed = false;
    conn->rtt_ms = (int32_t)((uint32_t)uv_now(&conn->worker->loop) - token);
}

static uint32_t tick_for(const struct config_service *service) {
    const struct config_limits *limits = &service->limits;
    const uint64_t times[] = {service->heartbeat.ping_interval_ms,
                              service->heartbeat.idle_timeout_ms,
                              limits->handshake_timeout_ms,
                              limits->close_timeout_ms,
                              limits->body_timeout_ms,
                              limits->keep_alive_ms,
                              limits->send_timeout_ms};
    uint64_t tick = TICK_MAX_MS;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (times[i] > 0 && times[i] / 4 < tick)
            tick = times[i] / 4;
    return tick < TICK_MIN_MS ? TICK_MIN_MS : (uint32_t)tick;
}

int reaper_start(struct worker *worker) {
    struct reaper *reaper = &worker->reaper;
    const struct config_service *service = &worker->plan.service;
    uint32_t tick = reaper->tick_ms = tick_for(service);
    struct liveness *lists = &reaper->lists;
    liveness_init(lists);
    lists->idle_ticks = liveness_ticks(service->heartbeat.idle_timeout_ms, tick);
    lists->probe_ticks = liveness_ticks(service->heartbeat.ping_interval_ms, tick);
    const uint64_t deadlines[DEADLINE_COUNT] = {
        [DEADLINE_HANDSHAKE] = service->limits.handshake_timeout_ms,
        [DEADLINE_CLOSE] = service->limits.close_timeout_ms,
        [DEADLINE_BODY] = service->limits.body_timeout_ms,
        [DEADLINE_KEEP_ALIVE] = service->limits.keep_alive_ms,
        [DEADLINE_SEND] = service->limits.send_timeout_ms};
    for (int i = 0; i < DEADLINE_COUNT; i++)
        lists->deadline_ticks[i] = liveness_ticks(deadlines[i], tick);
    uv_timer_init(&worker->loop, &reaper->timer);
    reaper->timer.data = worker;
    return uv_timer_start(&reaper->timer, on_tick, tick, tick);
}

void reaper_stop(struct worker *worker) {
    uv_timer_stop(&worker->reaper.timer);
    uv_close((uv_handle_t *)&worker->reaper.timer, NULL);
}
