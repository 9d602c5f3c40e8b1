/* SPDX-License-Identifier: MIT
 *
 * libuv runs timers before it reads sockets. After a pause of the process every client would
 * look silent although its bytes are waiting; but a tick is counted once however late it comes,
 * so such a pause counts as one tick, and that one waits until the sockets have been read.
 */
#include "reaper.h"

#include <string.h>

#include "conn_close.h"
#include "conn_state.h"
#include "outstanding.h"

/* In one tick; each costs a system call. */
#define LOOKS_MAX 4096u
/* For the idlest; whose next request has just come are few. */
#define IDLEST_LOOKS_MAX 8
/* For a tick that was late: some turns of the loop. */
#define PUT_OFF_MS 10u

static struct crew_conn *conn_of(struct liveness_node *node) {
    return list_entry(node, struct crew_conn, liveness);
}

static const struct reaper *reaper_of(const struct crew_conn *conn) {
    return &conn->endpoint->reaper;
}

static void end_dead(struct crew_conn *conn) {
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

static void end_late(struct crew_conn *conn) {
    conns_of(conn)->totals.timeouts++;
    conn_end(conn, CREW_CLOSE_TIMEOUT, 0);
}

/* It has been silent for idle_timeout. With a mark it has, from when it had all before the
 * probe, as long to answer as any other; until then as long as it acknowledges some of that. */
static bool is_dead(const struct crew_conn *conn) {
    const struct outstanding *outstanding = conn->outstanding;
    const struct liveness *lists = &reaper_of(conn)->lists;
    if (!outstanding || outstanding->mark == 0)
        return true;
    return outstanding->has_passed
               ? lists->tick - outstanding->passed >= lists->idle_ticks - lists->probe_ticks
               : lists->tick - outstanding->progressed > lists->idle_ticks;
}

static void on_dead(void *owner, struct liveness_node *node) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    if (conn->outstanding)
        (void)outstanding_look(conn->outstanding);
    if (is_dead(conn))
        end_dead(conn);
    else
        liveness_excuse(node);
}

/* A forged source address must not make us send to whoever has it. And a datagram more is no
 * better than the one before. A peer that has hung up has nothing to answer with, and HTTP
 * would take ping_data for an answer of the app's. */
static bool may_probe(const struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    if (conn->has_hung_up || !conn->protocol->has_heartbeat)
        return false;
    return !transport->is_proven || (transport->is_proven(conn) && !conn->is_probed);
}

/* Behind a queue as well: who takes a stream that never ends is asked all the same. */
static void probe(struct crew_conn *conn) {
    const char *ping_data = conn->endpoint->settings.ping_data;
    uint32_t now = (uint32_t)conns_now(conns_of(conn));
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

/* A peer that has all that it was sent needs no mark: it will have the probe in a moment. */
static void on_probe(void *owner, struct liveness_node *node) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    if (conn->state != CONN_OPEN || !may_probe(conn))
        return;
    bool is_behind = reaper_of(conn)->lists.idle_ticks > 0 && outstanding_has_any(conn);
    if (conn->endpoint->probes)
        probe(conn);
    if (is_behind && conn->state == CONN_OPEN && outstanding_mark(conn) != 0)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
}

/* Has enough come of what is not complete, since the deadline was started? */
static bool comes_on(struct crew_conn *conn) {
    uint32_t got = (uint32_t)conn->protocol->unfinished(conn);
    bool is_enough = got - conn->liveness.seen >= conn->endpoint->settings.message_min;
    if (is_enough)
        conn->liveness.seen = got;
    return is_enough;
}

static bool has_progressed(struct crew_conn *conn, enum deadline deadline) {
    if (deadline == DEADLINE_MESSAGE)
        return comes_on(conn);
    return deadline == DEADLINE_CLOSE && conn->out.bytes > 0 && conn->outstanding &&
           outstanding_look(conn->outstanding);
}

static void on_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    (void)owner;
    struct crew_conn *conn = conn_of(node);
    bool is_protocols = deadline != DEADLINE_CLOSE && conn->layer == LAYER_PROTOCOL;
    if (has_progressed(conn, deadline))
        conn_restart_deadline(conn);
    else if (is_protocols && conn->protocol->expired)
        conn->protocol->expired(conn, deadline);
    else if (deadline == DEADLINE_MESSAGE)
        conn_violate(conn, CREW_ETIMEOUT, WS_CODE_POLICY, "no complete message in time");
    else
        end_late(conn);
}

/* Has nothing been acknowledged for so long that it ends? While the app has paused it the
 * peer's silence is ours, but for that. */
static bool is_dead_of_silence(const struct crew_conn *conn) {
    if (conn->liveness.is_excused)
        return is_dead(conn);
    return conn->is_paused && conn->state <= CONN_OPEN &&
           outstanding_is_pause_late(conn->outstanding, reaper_of(conn)->lists.idle_ticks);
}

/* A piece of a stream that is gathered still may be the last for a long time. */
static bool is_waited_for(const struct crew_conn *conn) {
    bool has_queue = conn->out.bytes > 0 && !conn->is_gathering;
    bool is_stream = conn->outstanding->is_stream;
    return has_queue || conn->outstanding->mark > 0 || (is_stream && conn->out.bytes > 0) ||
           ((conn->is_paused || is_stream) && outstanding_has_any(conn));
}

/* Has a peer that must read now acknowledged nothing for so long that it ends? */
static bool is_late_to_read(const struct crew_conn *conn) {
    uint32_t ticks = reaper_of(conn)->send_ticks;
    return conn->state == CONN_OPEN && (outstanding_is_queue_late(conn->outstanding, ticks) ||
                                        outstanding_is_stream_late(conn->outstanding, ticks));
}

/* Who takes its last bytes slowly is waited for as long as it takes some. */
static void look_at(struct crew_conn *conn) {
    struct outstanding *outstanding = conn->outstanding;
    bool has_progress = outstanding_look(outstanding);
    if (conn->is_paused || liveness_is_unprobed(&conn->liveness)) /* it was heard of since */
        outstanding->mark = 0;
    if (has_progress && conn->state == CONN_CLOSING && conn->out.bytes > 0)
        conn_restart_deadline(conn);
    if (is_late_to_read(conn))
        end_late(conn);
    else if (is_dead_of_silence(conn))
        end_dead(conn);
    else if (!is_waited_for(conn))
        outstanding_forget(conn);
}

/* The end of its last answer may be gathered still, and its next request be there already. */
static bool is_under_way(const struct crew_conn *conn) {
    return conn->state != CONN_OPEN || conn->out.bytes > 0 || conn_has_rest(conn) ||
           conns_of(conn)->feeding == conn || conn->endpoint->transport->has_unread(conn);
}

struct crew_conn *reaper_find_idlest(const struct reaper *reaper) {
    const struct list *place, *head = &reaper->lists.by_deadline[DEADLINE_KEEP_ALIVE];
    int looks = 0;
    list_each (place, head) {
        struct crew_conn *conn = conn_of(list_entry(place, struct liveness_node, by_deadline));
        if (!is_under_way(conn))
            return conn;
        if (++looks == IDLEST_LOOKS_MAX)
            break;
    }
    return NULL;
}

static void look_at_outstanding(struct reaper *reaper) {
    struct list *head = &reaper->outstanding;
    uint32_t left =
        reaper->outstanding_count < LOOKS_MAX ? reaper->outstanding_count : LOOKS_MAX;
    while (left-- > 0) {
        struct outstanding *outstanding = list_entry(head->next, struct outstanding, in_reaper);
        list_remove(&outstanding->in_reaper);
        list_append(head, &outstanding->in_reaper);
        if (outstanding->conn->state != CONN_ENDED)
            look_at(outstanding->conn);
    }
}

static const struct liveness_found found = {on_dead, on_probe, on_expired};

static void find_late_guests(struct reaper *reaper) {
    struct guest *guest;
    while ((guest = guests_take_late(&reaper->guests, reaper->lists.tick)) != NULL)
        conn_violate(guest->conn, CREW_ETIMEOUT, WS_CODE_POLICY, "not authenticated in time");
}

void reaper_tick(struct reaper *reaper) {
    liveness_tick(&reaper->lists, &found, NULL);
    look_at_outstanding(reaper);
    find_late_guests(reaper);
}

void reaper_answered(struct crew_conn *conn, uint32_t token) {
    if (!conn->is_probed || token != conn->probe_sent_ms)
        return;
    conn->is_probed = false;
    conn->rtt_ms = (int32_t)((uint32_t)conns_now(conns_of(conn)) - token);
}

static void on_tick(uv_timer_t *timer) {
    struct reaper *reaper = timer->data;
    uint64_t now = uv_now(timer->loop);
    reaper->is_put_off = !reaper->is_put_off && now - reaper->ticked_ms >= 2u * reaper->tick_ms;
    if (reaper->is_put_off) {
        uv_timer_start(timer, on_tick, PUT_OFF_MS, reaper->tick_ms);
        return;
    }
    reaper->ticked_ms = now;
    reaper_tick(reaper);
}

int reaper_start(struct reaper *reaper, uv_loop_t *loop, uint32_t tick_ms) {
    reaper->tick_ms = tick_ms;
    reaper->ticked_ms = uv_now(loop);
    reaper->is_put_off = false;
    reaper->outstanding_count = 0;
    list_init(&reaper->outstanding);
    uv_timer_init(loop, &reaper->timer);
    reaper->timer.data = reaper;
    return uv_timer_start(&reaper->timer, on_tick, tick_ms, tick_ms);
}

void reaper_stop(struct reaper *reaper) {
    uv_timer_stop(&reaper->timer);
    uv_close((uv_handle_t *)&reaper->timer, NULL);
}
