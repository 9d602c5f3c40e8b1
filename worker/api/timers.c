/* SPDX-License-Identifier: MIT
 *
 * See timers.h. libuv re-arms a repeating timer from the time it ran, which drifts; here each
 * tick is armed anew for its own due time.
 *
 * libuv runs timers until none is due, and its time stands still meanwhile unless somebody
 * moves it. So nothing here does, and nothing is armed for less than one millisecond: otherwise
 * timers that add timers, or ticks that take longer than their interval, would keep the loop
 * from its sockets for ever.
 */
#include "timers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "app_handler.h"
#include "crewman.h"
#include "list.h"
#include "service.h"
#include "worker.h"

#define INTERVAL_MAX ((uint64_t)1 << 40)

struct timer {
    uv_timer_t handle; /* first: the handle is the timer */
    uint64_t id;
    uint64_t due_ms, interval_ms; /* due by the clock of the loop; interval 0: once */
    void (*tick)(crew_timer timer, void *arg);
    void *arg;
    struct service *service; /* whose callback has set it, or NULL */
    void (*conn_tick)(crew_conn *conn, crew_timer timer);
    struct owner *owner; /* of a connection's timer, or NULL */
    struct list in_owner;
};

/* The timers of one connection; by its id, as few have any. */
struct owner {
    uint64_t conn_id;
    struct list timers; /* of struct timer.in_owner */
};

void timers_init(struct timers *timers) {
    idmap_init(&timers->ids, offsetof(struct timer, id));
    idmap_init(&timers->owners, offsetof(struct owner, conn_id));
    timers->next_id = 1;
}

size_t timers_count(const struct timers *timers) {
    return timers->ids.count;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

static void leave_owner(struct timers *timers, struct timer *timer) {
    struct owner *owner = timer->owner;
    list_remove(&timer->in_owner);
    if (!list_is_empty(&owner->timers))
        return;
    idmap_take(&timers->owners, owner->conn_id);
    free(owner);
}

static void end(struct timers *timers, struct timer *timer) {
    if (timer->owner)
        leave_owner(timers, timer);
    idmap_take(&timers->ids, timer->id);
    uv_timer_stop(&timer->handle);
    uv_close((uv_handle_t *)&timer->handle, on_closed);
}

void timers_end_of(struct timers *timers, uint64_t conn_id) {
    struct owner *owner = idmap_take(&timers->owners, conn_id);
    if (!owner)
        return;
    struct list *node;
    list_each (node, &owner->timers) {
        struct timer *timer = list_entry(node, struct timer, in_owner);
        timer->owner = NULL;
        end(timers, timer);
    }
    free(owner);
}

void timers_done(struct timers *timers) {
    for (size_t i = 0; i < timers->owners.capacity; i++)
        free(timers->owners.entries[i]);
    idmap_done(&timers->owners);
    for (size_t i = 0; i < timers->ids.capacity; i++) {
        struct timer *timer = timers->ids.entries[i];
        if (timer)
            uv_close((uv_handle_t *)&timer->handle, on_closed);
    }
    idmap_done(&timers->ids);
}

static void on_tick(uv_timer_t *handle);

/* The time of the loop is that of its last turn; a schedule counts from now. */
static uint64_t clock_ms(void) {
    return uv_hrtime() / 1000000u;
}

static void arm(struct timer *timer, uint64_t loop_now) {
    uint64_t wait = timer->due_ms > loop_now ? timer->due_ms - loop_now : 1;
    uv_timer_start(&timer->handle, on_tick, wait, 0);
}

static void arm_next(struct timer *timer, uint64_t loop_now) {
    uint64_t now = clock_ms();
    uint64_t missed = now > timer->due_ms ? (now - timer->due_ms) / timer->interval_ms : 0;
    timer->due_ms += (missed + 1) * timer->interval_ms;
    arm(timer, loop_now);
}

static void on_tick(uv_timer_t *handle) {
    struct timer *timer = (struct timer *)handle;
    struct worker *worker = handle->data;
    void (*tick)(crew_timer, void *) = timer->tick;
    void *arg = timer->arg;
    void (*conn_tick)(crew_conn *, crew_timer) = timer->conn_tick;
    struct service *service = timer->service;
    crew_timer id = (crew_timer)timer->id;
    struct crew_conn *conn = timer->owner ? crew_conn_find(timer->owner->conn_id) : NULL;
    /* Before the call: the app may end it there, and then it is closed. */
    if (timer->interval_ms > 0)
        arm_next(timer, uv_now(&worker->loop));
    else
        end(&worker->timers, timer);
    if (!conn_tick)
        app_handler_tick(worker, service, tick, id, arg);
    else if (conn) /* its on_close may be due only now */
        app_handler_conn_tick(conn, conn_tick, id);
}

static int refusal_of(const struct worker *worker, uint64_t ms) {
    if (ms > INTERVAL_MAX)
        return CREW_EINVAL;
    return worker->is_describing ? CREW_ESTATE : 0;
}

/* NULL when it is refused, or without memory, by *out_error. */
static struct timer *start(uint64_t ms, uint64_t interval, int *out_error) {
    struct worker *worker = worker_self();
    struct timers *timers = &worker->timers;
    int refusal = refusal_of(worker, ms);
    *out_error = refusal ? refusal : CREW_ENOMEM;
    struct timer *timer = refusal ? NULL : calloc(1, sizeof(*timer));
    if (timer)
        timer->id = timers->next_id;
    if (!timer || idmap_put(&timers->ids, timer) != 0) {
        free(timer);
        return NULL;
    }
    uv_timer_init(&worker->loop, &timer->handle);
    timer->handle.data = worker;
    timers->next_id++;
    timer->interval_ms = interval;
    timer->due_ms = clock_ms() + ms;
    timer->service = worker->running;
    arm(timer, uv_now(&worker->loop));
    return timer;
}

static crew_timer add(uint64_t ms, uint64_t interval, void (*tick)(crew_timer, void *),
                      void *arg) {
    int error;
    struct timer *timer = tick ? start(ms, interval, &error) : NULL;
    if (!timer)
        return tick ? error : CREW_EINVAL;
    timer->tick = tick;
    timer->arg = arg;
    return (crew_timer)timer->id;
}

crew_timer crew_timer_add(uint64_t ms, void (*tick)(crew_timer timer, void *arg), void *arg) {
    return ms == 0 ? CREW_EINVAL : add(ms, ms, tick, arg);
}

crew_timer crew_timer_add_once(uint64_t ms, void (*tick)(crew_timer timer, void *arg),
                               void *arg) {
    return add(ms, 0, tick, arg);
}

static struct owner *owner_of(struct timers *timers, struct crew_conn *conn) {
    struct owner *owner = idmap_find(&timers->owners, conn->id);
    if (owner)
        return owner;
    owner = malloc(sizeof(*owner));
    if (owner)
        owner->conn_id = conn->id;
    if (!owner || idmap_put(&timers->owners, owner) != 0) {
        free(owner);
        return NULL;
    }
    list_init(&owner->timers);
    conn->has_timers = true;
    return owner;
}

/* The owner last: one without a timer would stay. */
static crew_timer add_to(crew_conn *conn, uint64_t ms, uint64_t interval,
                         void (*tick)(crew_conn *, crew_timer)) {
    struct timers *timers = &worker_self()->timers;
    int error;
    if (!conn || !tick)
        return conn ? CREW_EINVAL : CREW_ENOENT;
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    struct timer *timer = start(ms, interval, &error);
    if (!timer)
        return error;
    struct owner *owner = owner_of(timers, conn);
    if (!owner) {
        end(timers, timer);
        return CREW_ENOMEM;
    }
    timer->owner = owner;
    timer->conn_tick = tick;
    timer->service = service_of(conn);
    list_append(&owner->timers, &timer->in_owner);
    return (crew_timer)timer->id;
}

crew_timer crew_conn_timer(crew_conn *conn, uint64_t ms,
                           void (*tick)(crew_conn *conn, crew_timer timer)) {
    return conn && ms == 0 ? CREW_EINVAL : add_to(conn, ms, ms, tick);
}

crew_timer crew_conn_timer_once(crew_conn *conn, uint64_t ms,
                                void (*tick)(crew_conn *conn, crew_timer timer)) {
    return add_to(conn, ms, 0, tick);
}

int crew_timer_del(crew_timer timer) {
    struct timers *timers = &worker_self()->timers;
    struct timer *found = timer > 0 ? idmap_find(&timers->ids, (uint64_t)timer) : NULL;
    if (!found)
        return CREW_ENOENT;
    end(timers, found);
    return 0;
}

uint64_t crew_now_ms(void) {
    const struct worker *worker = worker_self();
    return worker->is_describing ? clock_ms() : uv_now(&worker->loop);
}
