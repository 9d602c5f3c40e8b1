/* SPDX-License-Identifier: MIT
 *
 * See countdown.h.
 */
#include "countdown.h"

static void take_step(struct countdown *countdown);

/* Was this process away in the last step, so that nothing was heard? */
static bool was_away(const struct countdown *countdown) {
    uint64_t passed = uv_now(countdown->timer.loop) - countdown->since_ms;
    return passed > countdown->step_ms + COUNTDOWN_LATE_MS;
}

static void on_step(uv_timer_t *timer) {
    struct countdown *countdown = (struct countdown *)timer;
    countdown->left_ms -= countdown->step_ms;
    if (countdown->left_ms == 0 && !countdown->has_waited && was_away(countdown)) {
        countdown->has_waited = true;
        countdown->left_ms = COUNTDOWN_STEP_MS;
    }
    if (countdown->left_ms > 0)
        take_step(countdown);
    else
        countdown->over(countdown);
}

static void take_step(struct countdown *countdown) {
    uint64_t left = countdown->left_ms;
    countdown->step_ms = left < COUNTDOWN_STEP_MS ? left : COUNTDOWN_STEP_MS;
    countdown->since_ms = uv_now(countdown->timer.loop);
    uv_timer_start(&countdown->timer, on_step, countdown->step_ms, 0);
}

void countdown_init(struct countdown *countdown, uv_loop_t *loop, void *owner) {
    *countdown = (struct countdown){.owner = owner};
    uv_timer_init(loop, &countdown->timer);
    countdown->timer.data = owner;
}

void countdown_close(struct countdown *countdown, uv_close_cb closed) {
    uv_close((uv_handle_t *)&countdown->timer, closed);
}

void countdown_start(struct countdown *countdown, uint64_t ms,
                     void (*over)(struct countdown *countdown)) {
    countdown->over = over;
    countdown->left_ms = ms;
    countdown->has_waited = false;
    take_step(countdown);
}

void countdown_stop(struct countdown *countdown) {
    uv_timer_stop(&countdown->timer);
}
