/* SPDX-License-Identifier: MIT
 *
 * libuv runs timers before it reads sockets. After a pause of the process every client would
 * look silent although its bytes are waiting; but a tick is counted once however late it comes,
 * so such a pause counts as one tick.
 */
#include "reaper.h"

#include <string.h>

#include "conn_close.h"
#include "conn_queue.h"
#include "conn_state.h"

static struct crew_conn *conn_of(struct liveness_node *node) {
    return list_entry(node, struct crew_conn, liveness);
}

static void on_dead(void *owner, struct liveness_node *node) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    if (conn->has_hung_up) { /* its last bytes were for an app that has not come for them */
        conn_end(conn, CREW_CLOSE_PEER, 0);
        return;
    }
    conns_of(conn)->totals.reaped++;
    /* Should the peer be there after all, it learns why; nothing waits for it. */
    if (conn->protocol->goodbye && conn->state == CONN_OPEN && conn->out.bytes == 0)
        conn->protocol->goodbye(conn, WS_CODE_GOING_AWAY, "no sign of life");
    conn_end(conn, CREW_CLOSE_HEARTBEAT, 0);
}

/* A forged source address must not make us send to whoever has it. And a datagram more is no
 * better than the one before. */
static bool may_probe(const struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    return !transport->is_proven || (transport->is_proven(conn) && !conn->is_probed);
}

static void on_probe(void *owner, struct liveness_node *node) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    const char *ping_data = conn->endpoint->settings.ping_data;
    uint32_t now = (uint32_t)conns_now(conns_of(conn));
    if (conn->state != CONN_OPEN || !may_probe(conn))
        return;
    /* Behind a queue as well: who takes a stream that never ends is asked all the same. */
    if (ping_data[0] != '\0')
        (void)conn->protocol->send(conn, ping_data, strlen(ping_data), CREW_MSG_TEXT);
    else if (conn->protocol->probe)
        conn->protocol->probe(conn, now);
    else
        return;
    if (!conn->is_probed) {
        conn->is_probed = true;
        conn->probe_sent_ms = now;
    }
}

/* Has enough come of what is not complete, since the deadline was started? */
static bool comes_on(struct crew_conn *conn) {
    uint32_t got = (uint32_t)conn->protocol->unfinished(conn);
    bool is_enough = got - conn->liveness.seen >= conn->endpoint->settings.message_min;
    if (is_enough)
        conn->liveness.seen = got;
    return is_enough;
}

static void on_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    bool is_protocols = deadline != DEADLINE_CLOSE && deadline != DEADLINE_SEND &&
                        conn->layer == LAYER_PROTOCOL;
    if (deadline == DEADLINE_MESSAGE && comes_on(conn)) {
        conn_restart_deadline(conn);
        return;
    }
    if (is_protocols && conn->protocol->expired) {
        conn->protocol->expired(conn, deadline);
        return;
    }
    if (deadline == DEADLINE_MESSAGE) {
        conn_violate(conn, CREW_ETIMEOUT, WS_CODE_POLICY, "no complete message in time");
        return;
    }
    if (conn->out.bytes > 0 && conn_is_taking(conn)) {
        conn_restart_deadline(conn);
        return;
    }
    conns_of(conn)->totals.timeouts++;
    conn_end(conn, CREW_CLOSE_TIMEOUT, 0);
}

static const struct liveness_found found = {on_dead, on_probe, on_expired};

void reaper_tick(struct reaper *reaper) {
    liveness_tick(&reaper->lists, &found, NULL);
}

void reaper_answered(struct crew_conn *conn, uint32_t token) {
    if (!conn->is_probed || token != conn->probe_sent_ms)
        return;
    conn->is_probed = false;
    conn->rtt_ms = (int32_t)((uint32_t)conns_now(conns_of(conn)) - token);
}

static void on_tick(uv_timer_t *timer) {
    reaper_tick(timer->data);
}

int reaper_start(struct reaper *reaper, uv_loop_t *loop, uint32_t tick_ms) {
    reaper->tick_ms = tick_ms;
    uv_timer_init(loop, &reaper->timer);
    reaper->timer.data = reaper;
    return uv_timer_start(&reaper->timer, on_tick, tick_ms, tick_ms);
}

void reaper_stop(struct reaper *reaper) {
    uv_timer_stop(&reaper->timer);
    uv_close((uv_handle_t *)&reaper->timer, NULL);
}
