/* SPDX-License-Identifier: MIT
 *
 * See settle.h.
 */
#include "settle.h"

#include "conn.h"
#include "conn_close.h"
#include "conn_cork.h"
#include "conn_state.h"
#include "shed.h"

#define SPREAD_STEP_MS 10u

static void send_gathered(struct conns *conns) {
    struct crew_conn *conn;
    while ((conn = conns_take_gathered(conns)) != NULL) {
        conn_flush_gathered(conn);
        conn_step_close(conn);
    }
}

static bool has_work(const struct conns *conns) {
    return conns->gathered_count > 0 || conns->due.first;
}

void settle_now(struct settle *settle) {
    struct conns *conns = settle->conns;
    struct crew_conn *conn;
    send_gathered(conns);
    while ((conn = conns_take_due(conns)) != NULL) {
        if (conn->state == CONN_ENDED)
            conn_bury(conn);
        else
            conn_take_up(conn);
    }
    send_gathered(conns); /* what was sent in on_close */
    conns->budget.going = 0;
}

/* Only behind settle_now(), which takes what is due now. Answers whether the next turn has
 * something to do. */
static bool turn_over(struct conns *conns) {
    bool has_more = conns->later.first || conns->due.first;
    if (conns->due.last)
        conns->due.last->next_due = conns->later.first;
    else
        conns->due.first = conns->later.first;
    if (conns->later.last)
        conns->due.last = conns->later.last;
    conns->later = (struct due){0};
    return has_more;
}

bool settle_turn(void *owner) {
    struct settle *settle = owner;
    settle->turned(settle->owner);
    shed_check(settle->conns); /* what timers and the app's own handles have sent */
    if (has_work(settle->conns))
        settle_now(settle);
    return turn_over(settle->conns);
}

void settle_start(struct settle *settle, struct conns *conns, void (*turned)(void *owner),
                  void *owner) {
    *settle = (struct settle){.conns = conns, .turned = turned, .owner = owner};
    uv_timer_init(conns->loop, &settle->spread);
    settle->spread.data = settle;
}

void settle_stop(struct settle *settle) {
    struct list *node;
    list_each (node, &settle->conns->all)
        list_entry(node, struct crew_conn, in_all)->is_announced = false;
    settle_destroy_all(settle, CREW_CLOSE_SHUTDOWN);
    uv_close((uv_handle_t *)&settle->spread, NULL);
}

static int code_for(int reason) {
    return reason == CREW_CLOSE_RELOAD ? WS_CODE_RESTART : WS_CODE_GOING_AWAY;
}

/* Whoever came just before a reload must not be refused: it opens, and is then closed like the
 * others. */
static bool may_stay(struct crew_conn *conn, int reason) {
    bool is_coming = conn->state == CONN_OPENING && reason == CREW_CLOSE_RELOAD;
    bool lingers = conn->layer == LAYER_PROTOCOL && conn->protocol->lingers &&
                   conn->protocol->lingers(conn, reason);
    return is_coming || lingers;
}

/* Begin up to `batch` closes; answers how many connections were left open. */
static size_t close_some(struct conns *conns, int reason, size_t batch) {
    struct list *node, *after;
    size_t left = 0;
    list_each_safe (node, after, &conns->all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (conn->state >= CONN_CLOSING)
            continue;
        bool stays = may_stay(conn, reason);
        if (batch == 0 || stays) {
            left++;
            continue;
        }
        batch--;
        conn_close(conn, reason, code_for(reason), NULL);
    }
    return left;
}

/* Those too whose turn came while this process stood still: a deadline did not wait for it. */
static size_t take_batch(struct settle *settle) {
    uint64_t now = conns_now(settle->conns), step_ms = settle->spread_step_ms;
    uint64_t steps = (now - settle->spread_at_ms) / step_ms;
    if (steps == 0)
        steps = 1;
    settle->spread_at_ms += steps * step_ms;
    return settle->spread_batch > SIZE_MAX / steps ? SIZE_MAX : settle->spread_batch * steps;
}

static void on_spread(uv_timer_t *timer) {
    struct settle *settle = timer->data;
    if (close_some(settle->conns, settle->spread_reason, take_batch(settle)) == 0)
        uv_timer_stop(timer);
}

static void start_spread(struct settle *settle, uint64_t first_ms, uint64_t step_ms) {
    settle->spread_step_ms = step_ms;
    settle->spread_at_ms = conns_now(settle->conns) + first_ms - step_ms;
    uv_timer_start(&settle->spread, on_spread, first_ms, step_ms);
}

void settle_close_all(struct settle *settle, int reason, uint64_t spread_ms) {
    size_t count = settle->conns->count;
    uv_timer_stop(&settle->spread);
    settle->spread_reason = reason;
    settle->spread_batch = SIZE_MAX;
    if (spread_ms <= SPREAD_STEP_MS || count == 0) {
        if (close_some(settle->conns, reason, SIZE_MAX) > 0)
            start_spread(settle, SPREAD_STEP_MS, SPREAD_STEP_MS);
        return;
    }
    uint64_t step_ms = spread_ms / count;
    if (step_ms < SPREAD_STEP_MS)
        step_ms = SPREAD_STEP_MS;
    settle->spread_batch = count * step_ms / spread_ms + 1;
    start_spread(settle, 0, step_ms);
}

static void end_now(struct crew_conn *conn, int reason) {
    bool is_untold = conn->state == CONN_OPEN && conn->layer == LAYER_PROTOCOL;
    if (is_untold && conn->protocol->goodbye)
        conn->protocol->goodbye(conn, code_for(reason), NULL);
    conn_end(conn, reason, 0);
}

void settle_destroy_all(struct settle *settle, int reason) {
    struct list *node;
    list_each (node, &settle->conns->all)
        end_now(list_entry(node, struct crew_conn, in_all), reason);
    settle_now(settle);
    /* Who waited for the next turn was on no other list. */
    (void)turn_over(settle->conns);
    settle_now(settle);
}
