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
#include "worker.h"

#define INTERVAL_MAX ((uint64_t)1 << 40)

struct timer {
    uv_timer_t handle; /* first: the handle is the timer */
    uint64_t id;
    uint64_t due_ms, interval_ms; /* due by the clock of the loop; interval 0: once */
    void (*tick)(crew_timer timer, void *arg);
    void *arg;
    struct service *service; /* whose callback has set it, or NULL */
};

void timers_init(struct timers *timers) {
    idmap_init(&timers->ids, offsetof(struct timer, id));
    timers->next_id = 1;
}

size_t timers_count(const struct timers *timers) {
    return timers->ids.count;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

static void end(struct timers *timers, struct timer *timer) {
    idmap_take(&timers->ids, timer->id);
    uv_timer_stop(&timer->handle);
    uv_close((uv_handle_t *)&timer->handle, on_closed);
}

void timers_done(struct timers *timers) {
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
    struct service *service = timer->service;
    crew_timer id = (crew_timer)timer->id;
    /* Before the call: the app may end it there, and then it is closed. */
    if (timer->interval_ms > 0)
        arm_next(timer, uv_now(&worker->loop));
    else
        end(&worker->timers, timer);
    app_handler_tick(worker, service, tick, id, arg);
}

static crew_timer start(uint64_t ms, uint64_t interval, void (*tick)(crew_timer, void *),
                        void *arg) {
    struct worker *worker = worker_self();
    struct timers *timers = &worker->timers;
    if (!tick || ms > INTERVAL_MAX)
        return CREW_EINVAL;
    struct timer *timer = malloc(sizeof(*timer));
    if (timer)
        timer->id = timers->next_id;
    if (!timer || idmap_put(&timers->ids, timer) != 0) {
        free(timer);
        return CREW_ENOMEM;
    }
    uv_timer_init(&worker->loop, &timer->handle);
    timer->handle.data = worker;
    timers->next_id++;
    timer->interval_ms = interval;
    timer->due_ms = clock_ms() + ms;
    timer->tick = tick;
    timer->arg = arg;
    timer->service = worker->running;
    arm(timer, uv_now(&worker->loop));
    return (crew_timer)timer->id;
}

crew_timer crew_timer_add(uint64_t ms, void (*tick)(crew_timer timer, void *arg), void *arg) {
    return ms == 0 ? CREW_EINVAL : start(ms, ms, tick, arg);
}

crew_timer crew_timer_add_once(uint64_t ms, void (*tick)(crew_timer timer, void *arg),
                               void *arg) {
    return start(ms, 0, tick, arg);
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
    return uv_now(&worker_self()->loop);
}
