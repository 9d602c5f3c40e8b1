/* SPDX-License-Identifier: MIT
 *
 * The slot machine against a world of processes that does what it says: long random lives, with
 * rules that must hold after each event; and the single cases that people care about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slot.h"

enum { IN_FORCE = 1, CANARY = 2 };

struct worker {
    bool lives, is_ready;
    int generation; /* IN_FORCE or CANARY */
};

enum reload { RELOAD_NONE, RELOAD_WAITS, RELOAD_READY };

/* What the supervisor would have, kept by following the actions and nothing else. */
struct world {
    struct slot slot;
    struct worker serving, coming;
    enum reload reload;
    bool is_canary;  /* the reload that runs is not in force */
    bool is_waiting; /* SLOT_DO_WAIT was asked for */
    bool is_retired;
    uint64_t now_ms, serving_since_ms, seed;
    struct slot_step last;
};

static uint32_t draw(struct world *world) {
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->seed >> 33);
}

static void promote(struct world *world) {
    world->serving = world->coming;
    world->coming = (struct worker){0};
    world->serving_since_ms = world->now_ms;
}

static void obey_drains(struct world *world, unsigned actions) {
    if (actions & (SLOT_DO_KILL_NEW | SLOT_DO_DRAIN_NEW)) {
        assert_true(world->coming.lives);
        world->coming = (struct worker){0};
    }
    if (actions & SLOT_DO_DRAIN_OLD) {
        assert_true(world->serving.lives);
        promote(world);
    }
    if (actions & SLOT_DO_PROMOTE) {
        assert_false(world->serving.lives);
        assert_true(world->coming.lives && world->coming.is_ready);
        promote(world);
    }
}

static void obey_tells(struct world *world, unsigned actions) {
    if (actions & SLOT_DO_TELL_READY) {
        assert_int_equal(world->reload, RELOAD_WAITS);
        world->reload = RELOAD_READY;
    }
    if (actions & SLOT_DO_TELL_FAILED) {
        /* A canary may still die after it was ready; what is committed is the slot's own. */
        assert_true(world->reload == RELOAD_WAITS ||
                    (world->reload == RELOAD_READY && world->is_canary));
        world->reload = RELOAD_NONE;
    }
}

static void obey_spawn(struct world *world, unsigned actions) {
    if (!(actions & SLOT_DO_SPAWN))
        return;
    assert_false(world->is_retired);
    assert_false(world->coming.lives);
    world->coming =
        (struct worker){.lives = true, .generation = world->slot.is_ahead ? CANARY : IN_FORCE};
}

static void check_shape(const struct world *world) {
    static const struct {
        bool serves, comes;
    } shapes[SLOT_STATE_COUNT] = {
        [SLOT_STARTING] = {false, true},
        [SLOT_READY] = {true, false},
        [SLOT_REPLACING] = {true, true},
        [SLOT_PAIRED] = {true, true},
    };
    enum slot_state state = world->slot.state;
    assert_int_equal(world->serving.lives, shapes[state].serves);
    assert_int_equal(world->coming.lives, shapes[state].comes);
    if (world->serving.lives)
        assert_true(world->serving.is_ready);
    if (world->coming.lives)
        assert_int_equal(world->coming.is_ready, state == SLOT_PAIRED);
}

static void check_rules(const struct world *world) {
    check_shape(world);
    if (world->is_retired)
        assert_int_equal(world->last.actions & (SLOT_DO_SPAWN | SLOT_DO_WAIT), 0);
    else /* It never gives up. */
        assert_true(world->serving.lives || world->coming.lives || world->is_waiting);
    /* With no reload under way nothing runs a generation that is not in force. */
    if (world->reload == RELOAD_NONE && !world->slot.is_ahead) {
        assert_int_not_equal(world->serving.generation, CANARY);
        assert_int_not_equal(world->coming.generation, CANARY);
    }
    if (world->slot.is_ahead)
        assert_true(world->is_canary);
}

static void feed(struct world *world, enum slot_event event) {
    struct slot_step step = slot_step(&world->slot, event, world->now_ms, draw(world));
    world->last = step;
    obey_drains(world, step.actions);
    obey_tells(world, step.actions);
    obey_spawn(world, step.actions);
    world->is_waiting = (step.actions & SLOT_DO_WAIT) ||
                        (world->is_waiting && world->slot.state == SLOT_BACKOFF);
    /* A reload hears of a failure and gives up, before anything else happens. */
    if (step.actions & SLOT_DO_TELL_FAILED) {
        check_shape(world);
        feed(world, SLOT_ON_CANCEL);
        world->is_canary = false;
    }
}

static void new_becomes_ready(struct world *world) {
    if (!world->coming.lives || world->coming.is_ready)
        return;
    world->coming.is_ready = true;
    feed(world, SLOT_ON_READY);
    if (world->reload == RELOAD_READY && !world->is_canary) {
        feed(world, SLOT_ON_COMMIT);
        world->reload = RELOAD_NONE;
    }
}

/* The naive account of the waits: the first early death costs nothing, each next one twice as
 * much. */
static void expect_wait(const struct world *world) {
    uint64_t base = 100;
    unsigned deaths = world->slot.deaths;
    for (unsigned i = 2; i < deaths && base < 30000; i++)
        base *= 2;
    if (base > 30000)
        base = 30000;
    assert_true(deaths > 1);
    assert_in_range(world->last.wait_ms, base * 8 / 10, base * 12 / 10);
}

static void new_dies(struct world *world) {
    if (!world->coming.lives)
        return;
    world->coming = (struct worker){0};
    feed(world, SLOT_ON_NEW_DIED);
    if (world->last.actions & SLOT_DO_WAIT)
        expect_wait(world);
}

static void serving_dies(struct world *world, enum slot_event event) {
    if (!world->serving.lives)
        return;
    bool is_alone = world->slot.state == SLOT_READY && world->reload == RELOAD_NONE;
    bool was_stable = world->now_ms - world->serving_since_ms >= SLOT_STABLE_MS;
    world->serving = (struct worker){0};
    if (world->slot.state == SLOT_PAIRED)
        world->serving_since_ms = world->now_ms;
    feed(world, event);
    if (world->last.actions & SLOT_DO_WAIT)
        expect_wait(world);
    if (is_alone && was_stable && event == SLOT_ON_DIED)
        assert_int_equal(world->slot.state, SLOT_STARTING);
}

/* Without a canary it may be no reload, but a worker that is renewed with its generation: then a
 * reload may begin before that one is ready. */
static void begin_reload(struct world *world, bool is_canary) {
    bool is_renewed = world->reload == RELOAD_WAITS && !world->is_canary;
    if ((world->reload != RELOAD_NONE && !is_renewed) || world->is_retired)
        return;
    world->reload = RELOAD_WAITS;
    world->is_canary = is_canary;
    feed(world, is_canary ? SLOT_ON_CANARY : SLOT_ON_REPLACE);
    assert_true(world->last.actions & SLOT_DO_SPAWN);
    assert_int_equal(world->coming.generation, is_canary ? CANARY : IN_FORCE);
}

static void commit(struct world *world) {
    if (world->reload != RELOAD_READY)
        return;
    bool was_paired = world->slot.state == SLOT_PAIRED;
    /* Its generation is in force from now on. */
    if (world->serving.generation == CANARY)
        world->serving.generation = IN_FORCE;
    if (world->coming.generation == CANARY)
        world->coming.generation = IN_FORCE;
    world->is_canary = false;
    feed(world, SLOT_ON_COMMIT);
    world->reload = RELOAD_NONE;
    assert_int_equal((world->last.actions & SLOT_DO_DRAIN_OLD) != 0, was_paired);
    assert_int_equal(world->slot.state, SLOT_READY);
}

static void cancel(struct world *world) {
    if (world->reload == RELOAD_NONE)
        return;
    world->reload = RELOAD_NONE;
    feed(world, SLOT_ON_CANCEL);
    world->is_canary = false;
    assert_false(world->slot.is_ahead);
}

static void retire(struct world *world) {
    feed(world, SLOT_ON_RETIRE);
    world->is_retired = true;
    world->is_canary = false;
    world->reload = RELOAD_NONE;
    assert_false(world->serving.lives || world->coming.lives);
}

static void time_passes(struct world *world) {
    static const uint64_t spans[] = {1, 50, 999, 5000, SLOT_STABLE_MS, 3600000};
    world->now_ms += spans[draw(world) % 6];
    if (world->is_waiting) {
        feed(world, SLOT_ON_TIMER);
        assert_int_equal(world->slot.state, SLOT_STARTING);
    }
}

static void something_happens(struct world *world) {
    unsigned what = draw(world) % 100;
    if (what < 30)
        new_becomes_ready(world);
    else if (what < 45)
        time_passes(world);
    else if (what < 57)
        new_dies(world);
    else if (what < 72)
        serving_dies(world, draw(world) % 4 == 0 ? SLOT_ON_ENDED : SLOT_ON_DIED);
    else if (what < 84)
        begin_reload(world, draw(world) % 2 == 0);
    else if (what < 94)
        commit(world);
    else if (what < 98)
        cancel(world);
    else if (draw(world) % 8 == 0)
        retire(world);
}

static void test_random_lives(void **state) {
    unsigned seen[SLOT_STATE_COUNT] = {0};
    (void)state;
    for (unsigned life = 0; life < 3000; life++) {
        struct world world = {.seed = life, .now_ms = 1000};
        feed(&world, SLOT_ON_START);
        for (unsigned i = 0; i < 300; i++) {
            something_happens(&world);
            check_rules(&world);
            seen[world.slot.state]++;
        }
    }
    for (unsigned i = SLOT_STARTING; i < SLOT_GONE; i++)
        assert_true(seen[i] > 100);
}

/* Events that make no sense in a state, as they come from races: nothing breaks. */
static void test_any_event_in_any_state(void **state) {
    (void)state;
    for (unsigned from = 0; from < SLOT_STATE_COUNT; from++)
        for (unsigned event = 0; event < SLOT_EVENT_COUNT; event++) {
            struct slot slot = {.state = (enum slot_state)from};
            struct slot_step step = slot_step(&slot, (enum slot_event)event, 5, 7);
            assert_true((unsigned)slot.state < SLOT_STATE_COUNT);
            if (from == SLOT_GONE || from == SLOT_DRAINING)
                assert_int_equal(step.actions, 0);
        }
}

static struct slot ready_slot(uint64_t now_ms) {
    struct slot slot = {0};
    slot_step(&slot, SLOT_ON_START, now_ms, 0);
    slot_step(&slot, SLOT_ON_READY, now_ms, 0);
    assert_int_equal(slot.state, SLOT_READY);
    return slot;
}

static void test_waits(void **state) {
    static const uint64_t bases[] = {0,    0,    100,   200,   400,   800,  1600,
                                     3200, 6400, 12800, 25600, 30000, 30000};
    (void)state;
    for (unsigned deaths = 0; deaths < 13; deaths++) {
        uint64_t least = UINT64_MAX, most = 0;
        for (uint32_t random = 0; random < 20000; random++) {
            uint64_t wait = slot_wait_ms(deaths, random);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        assert_in_range(least, bases[deaths] * 80 / 100, bases[deaths] * 81 / 100);
        assert_in_range(most, bases[deaths] * 119 / 100, bases[deaths] * 120 / 100);
    }
    assert_in_range(slot_wait_ms(UINT32_MAX, 1), 24000, 36000);
}

static void test_one_that_lived_is_replaced_at_once(void **state) {
    struct slot slot = ready_slot(0);
    (void)state;
    uint64_t now = 0;
    for (int i = 0; i < 20; i++) {
        now += SLOT_STABLE_MS;
        assert_int_equal(slot_step(&slot, SLOT_ON_DIED, now, 0).actions, SLOT_DO_SPAWN);
        slot_step(&slot, SLOT_ON_READY, now, 0);
    }
    assert_int_equal(slot.restarts, 20);
}

static void test_early_deaths_back_off(void **state) {
    struct slot slot = ready_slot(0);
    (void)state;
    assert_int_equal(slot_step(&slot, SLOT_ON_DIED, 9999, 0).actions, SLOT_DO_SPAWN);
    slot_step(&slot, SLOT_ON_READY, 9999, 0);
    struct slot_step step = slot_step(&slot, SLOT_ON_DIED, 10000, 20);
    assert_int_equal(step.actions, SLOT_DO_WAIT);
    assert_int_equal(step.wait_ms, 100);
    assert_int_equal(slot.state, SLOT_BACKOFF);
    assert_int_equal(slot_step(&slot, SLOT_ON_TIMER, 10100, 0).actions, SLOT_DO_SPAWN);
    step = slot_step(&slot, SLOT_ON_NEW_DIED, 10200, 40);
    assert_int_equal(step.actions, SLOT_DO_WAIT);
    assert_int_equal(step.wait_ms, 200);
}

static void test_one_that_ends_by_its_own_wish_is_no_crash(void **state) {
    struct slot slot = ready_slot(0);
    (void)state;
    for (uint64_t now = 1000; now < 20000; now += 1000) {
        assert_int_equal(slot_step(&slot, SLOT_ON_ENDED, now, 0).actions, SLOT_DO_SPAWN);
        slot_step(&slot, SLOT_ON_READY, now, 0);
    }
    /* … but one that wishes it at once, again and again, must not spin. */
    assert_int_equal(slot_step(&slot, SLOT_ON_ENDED, 19001, 0).actions, SLOT_DO_WAIT);
}

/* However often it dies, and whether or not a reload fails meanwhile. */
static void test_it_never_gives_up(void **state) {
    struct slot slot = ready_slot(0);
    (void)state;
    assert_int_equal(slot_step(&slot, SLOT_ON_DIED, 1, 0).actions, SLOT_DO_SPAWN);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(slot_step(&slot, SLOT_ON_NEW_DIED, i, i).actions, SLOT_DO_WAIT);
        assert_int_equal(slot_step(&slot, SLOT_ON_TIMER, i, i).actions, SLOT_DO_SPAWN);
    }
    slot_step(&slot, SLOT_ON_NEW_DIED, 2000, 0);
    assert_int_equal(slot_step(&slot, SLOT_ON_CANARY, 2001, 0).actions, SLOT_DO_SPAWN);
    assert_int_equal(slot_step(&slot, SLOT_ON_NEW_DIED, 2002, 0).actions,
                     SLOT_DO_SPAWN | SLOT_DO_TELL_FAILED);
    assert_false(slot.is_ahead);
}

/* What fails for its own reasons must not fail the reload that would mend it. */
static void test_a_failure_before_the_reload_is_not_told(void **state) {
    struct slot slot = {0};
    (void)state;
    slot_step(&slot, SLOT_ON_START, 0, 0);
    assert_int_equal(slot_step(&slot, SLOT_ON_NEW_DIED, 1, 0).actions, SLOT_DO_SPAWN);
    assert_int_equal(slot_step(&slot, SLOT_ON_NEW_DIED, 2, 0).actions, SLOT_DO_WAIT);
}

static void test_a_canary_alone_goes_with_its_reload(void **state) {
    struct slot slot = {0};
    (void)state;
    slot_step(&slot, SLOT_ON_START, 0, 0);
    slot_step(&slot, SLOT_ON_NEW_DIED, 1, 0);
    slot_step(&slot, SLOT_ON_NEW_DIED, 2, 0);
    assert_int_equal(slot.state, SLOT_BACKOFF);
    slot_step(&slot, SLOT_ON_CANARY, 3, 0);
    assert_true(slot.is_ahead);
    assert_int_equal(slot_step(&slot, SLOT_ON_READY, 4, 0).actions,
                     SLOT_DO_PROMOTE | SLOT_DO_TELL_READY);
    assert_int_equal(slot_step(&slot, SLOT_ON_CANCEL, 5, 0).actions,
                     SLOT_DO_DRAIN_OLD | SLOT_DO_SPAWN);
    assert_int_equal(slot.state, SLOT_STARTING);
    assert_false(slot.is_ahead);
}

static void test_the_old_one_dies_beside_its_canary(void **state) {
    struct slot slot = ready_slot(0);
    (void)state;
    slot_step(&slot, SLOT_ON_CANARY, 1, 0);
    slot_step(&slot, SLOT_ON_READY, 2, 0);
    assert_int_equal(slot.state, SLOT_PAIRED);
    assert_int_equal(slot_step(&slot, SLOT_ON_DIED, 3, 0).actions, SLOT_DO_PROMOTE);
    struct slot committed = slot;
    assert_int_equal(slot_step(&committed, SLOT_ON_COMMIT, 4, 0).actions, 0);
    assert_int_equal(committed.state, SLOT_READY);
    assert_int_equal(slot_step(&slot, SLOT_ON_DIED, 4, 0).actions,
                     SLOT_DO_SPAWN | SLOT_DO_TELL_FAILED);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(slot_state_name(SLOT_BACKOFF), "backoff");
    assert_string_equal(slot_state_name(SLOT_STATE_COUNT), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lives),
        cmocka_unit_test(test_any_event_in_any_state),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_one_that_lived_is_replaced_at_once),
        cmocka_unit_test(test_early_deaths_back_off),
        cmocka_unit_test(test_one_that_ends_by_its_own_wish_is_no_crash),
        cmocka_unit_test(test_it_never_gives_up),
        cmocka_unit_test(test_a_failure_before_the_reload_is_not_told),
        cmocka_unit_test(test_a_canary_alone_goes_with_its_reload),
        cmocka_unit_test(test_the_old_one_dies_beside_its_canary),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
