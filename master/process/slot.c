/* SPDX-License-Identifier: MIT
 *
 * See slot.h; one function for each event.
 */
#include "slot.h"

static const struct slot_step nothing = {0, 0};

static struct slot_step act(unsigned actions) {
    return (struct slot_step){.actions = actions};
}

const char *slot_state_name(enum slot_state state) {
#define SLOT_STATE_NAME(id, name) name,
    static const char *const names[] = {SLOT_STATES(SLOT_STATE_NAME)};
#undef SLOT_STATE_NAME
    return (unsigned)state < SLOT_STATE_COUNT ? names[state] : "unknown";
}

uint64_t slot_wait_ms(unsigned deaths, uint32_t random) {
    uint64_t wait = SLOT_WAIT_MIN_MS;
    if (deaths <= 1)
        return 0;
    for (unsigned i = 2; i < deaths && wait < SLOT_WAIT_MAX_MS; i++)
        wait *= 2;
    if (wait > SLOT_WAIT_MAX_MS)
        wait = SLOT_WAIT_MAX_MS;
    uint64_t jitter = wait * 2 / 5;
    return wait - jitter / 2 + random % (jitter + 1);
}

/* Nobody serves and nobody comes: try again, now or later. */
static struct slot_step again(struct slot *slot, uint32_t random) {
    slot->deaths++;
    slot->restarts++;
    uint64_t wait = slot_wait_ms(slot->deaths, random);
    if (wait == 0) {
        slot->state = SLOT_STARTING;
        return act(SLOT_DO_SPAWN);
    }
    slot->state = SLOT_BACKOFF;
    return (struct slot_step){.actions = SLOT_DO_WAIT, .wait_ms = wait};
}

/* The reload that waits for this slot, if any, hears that it failed. */
static unsigned tell_failed(struct slot *slot) {
    bool waits = slot->is_replacing;
    slot->is_replacing = false;
    return waits ? SLOT_DO_TELL_FAILED : 0;
}

static struct slot_step on_ready(struct slot *slot, uint64_t now_ms) {
    if (slot->state == SLOT_STARTING) {
        unsigned tell = slot->is_replacing ? SLOT_DO_TELL_READY : 0;
        slot->state = SLOT_READY;
        slot->is_replacing = false;
        slot->ready_at_ms = now_ms;
        return act(SLOT_DO_PROMOTE | tell);
    }
    if (slot->state == SLOT_REPLACING) {
        slot->state = SLOT_PAIRED;
        return act(SLOT_DO_TELL_READY);
    }
    return nothing;
}

static struct slot_step on_new_died(struct slot *slot, uint32_t random) {
    if (slot->state == SLOT_REPLACING || slot->state == SLOT_PAIRED) {
        slot->state = SLOT_READY;
        slot->is_ahead = false;
        return act(tell_failed(slot));
    }
    if (slot->state != SLOT_STARTING)
        return nothing;
    unsigned tell = tell_failed(slot);
    slot->is_ahead = false;
    struct slot_step step = again(slot, random);
    step.actions |= tell;
    return step;
}

/* A canary that serves alone and dies before the reload has decided is no new worker. */
static struct slot_step on_serving_died(struct slot *slot, enum slot_event event,
                                        uint64_t now_ms, uint32_t random) {
    unsigned tell = slot->is_ahead ? SLOT_DO_TELL_FAILED : 0;
    uint64_t enough = event == SLOT_ON_ENDED ? SLOT_BRIEF_MS : SLOT_STABLE_MS;
    slot->is_ahead = false;
    if (now_ms - slot->ready_at_ms >= enough)
        slot->deaths = 0;
    struct slot_step step = again(slot, random);
    step.actions |= tell;
    return step;
}

static struct slot_step on_died(struct slot *slot, enum slot_event event, uint64_t now_ms,
                                uint32_t random) {
    switch (slot->state) {
    case SLOT_READY:
        return on_serving_died(slot, event, now_ms, random);
    case SLOT_REPLACING:
        slot->restarts++;
        slot->state = SLOT_STARTING;
        return nothing;
    case SLOT_PAIRED:
        slot->restarts++;
        slot->state = SLOT_READY;
        slot->is_replacing = false;
        slot->ready_at_ms = now_ms;
        return act(SLOT_DO_PROMOTE);
    default:
        return nothing;
    }
}

static struct slot_step on_replace(struct slot *slot, bool is_canary) {
    switch (slot->state) {
    case SLOT_READY:
        slot->state = SLOT_REPLACING;
        break;
    case SLOT_EMPTY:
    case SLOT_BACKOFF:
        slot->state = SLOT_STARTING;
        slot->deaths = 0;
        break;
    case SLOT_STARTING:
    case SLOT_REPLACING: /* by one that this reload knows nothing of */
        slot->is_replacing = true;
        slot->is_ahead = is_canary;
        return act(SLOT_DO_KILL_NEW | SLOT_DO_SPAWN);
    default:
        return nothing;
    }
    slot->is_replacing = true;
    slot->is_ahead = is_canary;
    return act(SLOT_DO_SPAWN);
}

static struct slot_step on_commit(struct slot *slot, uint64_t now_ms) {
    slot->is_ahead = false;
    if (slot->state != SLOT_PAIRED)
        return nothing;
    slot->state = SLOT_READY;
    slot->is_replacing = false;
    slot->ready_at_ms = now_ms;
    slot->deaths = 0;
    return act(SLOT_DO_DRAIN_OLD);
}

/* Where the canary is all there is, one of the generation in force comes instead. */
static struct slot_step on_cancel(struct slot *slot) {
    bool is_ahead = slot->is_ahead;
    slot->is_replacing = slot->is_ahead = false;
    if (slot->state == SLOT_STARTING && is_ahead)
        return act(SLOT_DO_KILL_NEW | SLOT_DO_SPAWN);
    if (slot->state == SLOT_READY && is_ahead) {
        slot->state = SLOT_STARTING;
        return act(SLOT_DO_DRAIN_OLD | SLOT_DO_SPAWN);
    }
    if (slot->state == SLOT_REPLACING) {
        slot->state = SLOT_READY;
        return act(SLOT_DO_KILL_NEW);
    }
    if (slot->state == SLOT_PAIRED) {
        slot->state = SLOT_READY;
        return act(SLOT_DO_DRAIN_NEW);
    }
    return nothing;
}

static struct slot_step on_retire(struct slot *slot) {
    enum slot_state before = slot->state;
    slot->is_replacing = slot->is_ahead = false;
    switch (before) {
    case SLOT_GONE:
    case SLOT_DRAINING:
        return nothing;
    case SLOT_EMPTY:
    case SLOT_BACKOFF:
        slot->state = SLOT_GONE;
        return nothing;
    default:
        slot->state = SLOT_DRAINING;
    }
    if (before == SLOT_READY)
        return act(SLOT_DO_DRAIN_OLD);
    return act(before == SLOT_STARTING ? SLOT_DO_DRAIN_NEW
                                       : SLOT_DO_DRAIN_OLD | SLOT_DO_DRAIN_NEW);
}

struct slot_step slot_step(struct slot *slot, enum slot_event event, uint64_t now_ms,
                           uint32_t random) {
    switch (event) {
    case SLOT_ON_START:
        if (slot->state != SLOT_EMPTY)
            return nothing;
        slot->state = SLOT_STARTING;
        return act(SLOT_DO_SPAWN);
    case SLOT_ON_READY:
        return on_ready(slot, now_ms);
    case SLOT_ON_NEW_DIED:
        return on_new_died(slot, random);
    case SLOT_ON_DIED:
    case SLOT_ON_ENDED:
        return on_died(slot, event, now_ms, random);
    case SLOT_ON_TIMER:
        if (slot->state != SLOT_BACKOFF)
            return nothing;
        slot->state = SLOT_STARTING;
        return act(SLOT_DO_SPAWN);
    case SLOT_ON_CANARY:
    case SLOT_ON_REPLACE:
        return on_replace(slot, event == SLOT_ON_CANARY);
    case SLOT_ON_COMMIT:
        return on_commit(slot, now_ms);
    case SLOT_ON_CANCEL:
        return on_cancel(slot);
    case SLOT_ON_RETIRE:
        return on_retire(slot);
    case SLOT_ON_EMPTY:
        if (slot->state == SLOT_DRAINING)
            slot->state = SLOT_GONE;
        return nothing;
    default:
        return nothing;
    }
}
