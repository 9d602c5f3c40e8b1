/* SPDX-License-Identifier: MIT
 *
 * See rollout.h.
 */
#include "rollout.h"

static unsigned finish(struct rollout *rollout, unsigned actions) {
    rollout->phase = ROLLOUT_OVER;
    return actions | ROLLOUT_DO_FINISH;
}

static unsigned commit(struct rollout *rollout) {
    rollout->phase = ROLLOUT_ROLLING;
    return ROLLOUT_DO_COMMIT;
}

static unsigned on_loaded(struct rollout *rollout, unsigned canaries) {
    if (rollout->phase != ROLLOUT_LOADING)
        return 0;
    if (canaries == 0)
        return commit(rollout);
    rollout->phase = ROLLOUT_CANARIES;
    rollout->waiting = canaries;
    return ROLLOUT_DO_CANARIES;
}

static unsigned on_committed(struct rollout *rollout, unsigned services) {
    if (rollout->phase != ROLLOUT_ROLLING)
        return 0;
    rollout->waiting = services;
    return services > 0 ? 0 : finish(rollout, 0);
}

static unsigned on_roll(struct rollout *rollout, unsigned slots_left) {
    if (rollout->phase != ROLLOUT_ROLLING)
        return 0;
    if (slots_left > 0)
        return ROLLOUT_DO_NEXT;
    return --rollout->waiting > 0 ? 0 : finish(rollout, 0);
}

static unsigned on_ready(struct rollout *rollout, unsigned slots_left) {
    if (rollout->phase == ROLLOUT_CANARIES)
        return --rollout->waiting > 0 ? 0 : commit(rollout);
    if (rollout->phase == ROLLOUT_ROLLING)
        return ROLLOUT_DO_KEEP | on_roll(rollout, slots_left);
    return 0;
}

static unsigned on_failed(struct rollout *rollout) {
    switch (rollout->phase) {
    case ROLLOUT_CANARIES:
        return finish(rollout, ROLLOUT_DO_UNDO);
    case ROLLOUT_ROLLING:
        return finish(rollout, ROLLOUT_DO_SETTLE);
    default:
        return 0;
    }
}

unsigned rollout_step(struct rollout *rollout, enum rollout_event event, unsigned count) {
    switch (event) {
    case ROLLOUT_ON_LOADED:
        return on_loaded(rollout, count);
    case ROLLOUT_ON_REFUSED:
        if (rollout->phase == ROLLOUT_LOADING)
            return finish(rollout, 0);
        return on_failed(rollout);
    case ROLLOUT_ON_COMMITTED:
        return on_committed(rollout, count);
    case ROLLOUT_ON_ROLL:
        return on_roll(rollout, count);
    case ROLLOUT_ON_READY:
        return on_ready(rollout, count);
    case ROLLOUT_ON_FAILED:
        return on_failed(rollout);
    case ROLLOUT_ON_STOP:
        return rollout->phase == ROLLOUT_OVER ? 0 : finish(rollout, 0);
    default:
        return 0;
    }
}
