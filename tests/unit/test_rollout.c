/* SPDX-License-Identifier: MIT
 *
 * The decisions of a reload against a world of services whose workers come, or do not: whatever
 * happens, before the commit nothing old goes away, after it one slot of a service at a time,
 * and there is exactly one end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollout.h"

enum { SERVICES_MAX = 4, SLOTS_MAX = 5 };

enum slot_world { OLD, OLD_AND_COMING, OLD_AND_READY, NEW };

struct world {
    struct rollout rollout;
    unsigned services, slots[SERVICES_MAX];
    bool is_kept[SERVICES_MAX]; /* has no canary, and none of its slots is replaced */
    enum slot_world state[SERVICES_MAX][SLOTS_MAX];
    bool is_committed;
    unsigned ends;
    unsigned undone, settled;
    uint64_t seed;
};

static unsigned draw(struct world *world, unsigned below) {
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(world->seed >> 33) % below;
}

static void feed(struct world *world, enum rollout_event event, unsigned service,
                 unsigned slot);

static void become_ready(struct world *world, unsigned service, unsigned slot) {
    world->state[service][slot] = OLD_AND_READY;
    feed(world, ROLLOUT_ON_READY, service, slot);
}

/* A worker that cannot even be started fails at once, in the middle of what is being done. */
static void start_new(struct world *world, unsigned service, unsigned slot) {
    assert_int_equal(world->state[service][slot], OLD);
    world->state[service][slot] = OLD_AND_COMING;
    if (draw(world, 40) == 0) {
        world->state[service][slot] = OLD;
        feed(world, ROLLOUT_ON_FAILED, service, slot);
    }
}

static void start_canaries(struct world *world) {
    for (unsigned i = 0; i < world->services; i++)
        if (world->rollout.phase == ROLLOUT_CANARIES && !world->is_kept[i])
            start_new(world, i, 0);
}

static void commit(struct world *world) {
    assert_false(world->is_committed);
    world->is_committed = true;
    for (unsigned i = 0; i < world->services; i++) {
        assert_int_equal(world->state[i][0], world->is_kept[i] ? OLD : OLD_AND_READY);
        if (!world->is_kept[i])
            world->state[i][0] = NEW;
    }
    feed(world, ROLLOUT_ON_COMMITTED, 0, 0);
    for (unsigned i = 0; i < world->services; i++)
        feed(world, ROLLOUT_ON_ROLL, i, 0);
}

/* Of each service: what a reload that is given up leaves. */
static void give_up(struct world *world, enum slot_world ready_becomes) {
    for (unsigned i = 0; i < world->services; i++)
        for (unsigned k = 0; k < world->slots[i]; k++)
            if (world->state[i][k] == OLD_AND_READY)
                world->state[i][k] = ready_becomes;
            else if (world->state[i][k] == OLD_AND_COMING)
                world->state[i][k] = OLD;
}

static void obey(struct world *world, unsigned actions, unsigned service, unsigned slot) {
    if (actions & ROLLOUT_DO_CANARIES)
        start_canaries(world);
    if (actions & ROLLOUT_DO_COMMIT)
        commit(world);
    if (actions & ROLLOUT_DO_KEEP) {
        assert_true(world->is_committed);
        world->state[service][slot] = NEW;
    }
    if (actions & ROLLOUT_DO_NEXT)
        start_new(world, service, slot + 1);
    if (actions & ROLLOUT_DO_UNDO) {
        assert_false(world->is_committed);
        world->undone++;
        give_up(world, OLD);
    }
    if (actions & ROLLOUT_DO_SETTLE) {
        assert_true(world->is_committed);
        world->settled++;
        give_up(world, OLD);
    }
    world->ends += (actions & ROLLOUT_DO_FINISH) != 0;
}

static unsigned count_canaries(const struct world *world) {
    unsigned count = 0;
    for (unsigned i = 0; i < world->services; i++)
        count += !world->is_kept[i];
    return count;
}

static unsigned count_for(const struct world *world, enum rollout_event event, unsigned service,
                          unsigned slot) {
    if (event == ROLLOUT_ON_LOADED)
        return count_canaries(world);
    if (event == ROLLOUT_ON_COMMITTED)
        return world->services;
    return world->is_kept[service] ? 0 : world->slots[service] - slot - 1;
}

static void feed(struct world *world, enum rollout_event event, unsigned service,
                 unsigned slot) {
    unsigned count = count_for(world, event, service, slot);
    bool was_over = world->rollout.phase == ROLLOUT_OVER;
    unsigned actions = rollout_step(&world->rollout, event, count);
    if (was_over)
        assert_int_equal(actions, 0);
    obey(world, actions, service, slot);
}

static unsigned count_state(const struct world *world, unsigned service,
                            enum slot_world state) {
    unsigned count = 0;
    for (unsigned k = 0; k < world->slots[service]; k++)
        count += world->state[service][k] == state;
    return count;
}

static void check_rules(const struct world *world) {
    assert_int_equal(world->ends, world->rollout.phase == ROLLOUT_OVER);
    for (unsigned i = 0; i < world->services; i++) {
        unsigned busy =
            count_state(world, i, OLD_AND_COMING) + count_state(world, i, OLD_AND_READY);
        assert_in_range(busy, 0, 1);
        if (!world->is_committed)
            assert_int_equal(count_state(world, i, NEW), 0);
        /* In order: whoever has been replaced stands before whoever has not. */
        for (unsigned k = 1; k < world->slots[i]; k++)
            if (world->state[i][k] != OLD)
                assert_int_equal(world->state[i][k - 1], NEW);
        if (world->rollout.phase == ROLLOUT_OVER)
            assert_int_equal(busy, 0);
    }
}

static bool is_all_done(const struct world *world) {
    for (unsigned i = 0; i < world->services; i++)
        if (count_state(world, i, world->is_kept[i] ? OLD : NEW) != world->slots[i])
            return false;
    return true;
}

/* One of the slots that wait hears how it went. */
static bool something_happens(struct world *world, unsigned failures) {
    unsigned service = draw(world, world->services), found = SLOTS_MAX;
    for (unsigned k = 0; k < world->slots[service]; k++)
        if (world->state[service][k] == OLD_AND_COMING ||
            (world->state[service][k] == OLD_AND_READY && !world->is_committed))
            found = k;
    if (found == SLOTS_MAX)
        return false;
    if (draw(world, 100) < failures) {
        world->state[service][found] = OLD;
        feed(world, ROLLOUT_ON_FAILED, service, found);
    } else if (world->state[service][found] == OLD_AND_COMING) {
        become_ready(world, service, found);
    }
    return true;
}

static struct world make_world(uint64_t seed) {
    struct world world = {.seed = seed};
    world.services = 1 + draw(&world, SERVICES_MAX);
    for (unsigned i = 0; i < world.services; i++)
        world.slots[i] = 1 + draw(&world, SLOTS_MAX);
    for (unsigned i = 0; i < world.services; i++)
        world.is_kept[i] = draw(&world, 5) == 0;
    return world;
}

static void test_random_reloads(void **state) {
    unsigned done = 0, undone = 0, settled = 0, stopped = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct world world = make_world(seed);
        unsigned failures = draw(&world, 2) ? 0 : 10;
        feed(&world, ROLLOUT_ON_LOADED, 0, 0);
        check_rules(&world);
        while (world.rollout.phase != ROLLOUT_OVER) {
            if (draw(&world, 200) == 0) {
                give_up(&world, OLD);
                feed(&world, ROLLOUT_ON_STOP, 0, 0);
                stopped++;
            } else {
                something_happens(&world, failures);
            }
            check_rules(&world);
        }
        undone += world.undone;
        settled += world.settled;
        done += is_all_done(&world) && world.is_committed && world.settled == 0;
    }
    assert_true(done > 1000 && undone > 1000 && settled > 1000 && stopped > 100);
}

/* Events from races: nothing breaks, and what is over stays over. */
static void test_any_event_in_any_phase(void **state) {
    (void)state;
    for (unsigned phase = ROLLOUT_LOADING; phase <= ROLLOUT_OVER; phase++)
        for (unsigned event = 0; event < ROLLOUT_EVENT_COUNT; event++) {
            struct rollout rollout = {.phase = (enum rollout_phase)phase, .waiting = 2};
            unsigned actions = rollout_step(&rollout, (enum rollout_event)event, 1);
            if (phase == ROLLOUT_OVER)
                assert_int_equal(actions, 0);
            assert_true(rollout.phase >= (enum rollout_phase)phase);
            assert_int_equal((actions & ROLLOUT_DO_FINISH) != 0,
                             phase != ROLLOUT_OVER && rollout.phase == ROLLOUT_OVER);
        }
}

static void test_a_refusal_changes_nothing(void **state) {
    struct rollout rollout = {0};
    (void)state;
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_FAILED, 0), 0);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_REFUSED, 0), ROLLOUT_DO_FINISH);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_LOADED, 1), 0);
}

static void test_one_service_of_one_worker(void **state) {
    struct rollout rollout = {0};
    (void)state;
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_LOADED, 1), ROLLOUT_DO_CANARIES);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_READY, 0), ROLLOUT_DO_COMMIT);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_COMMITTED, 1), 0);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_ROLL, 0), ROLLOUT_DO_FINISH);
}

/* Its children stay; only slots that have none get one, and nothing waits for a canary. */
static void test_a_service_that_is_not_reloadable(void **state) {
    struct rollout rollout = {0};
    (void)state;
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_LOADED, 0), ROLLOUT_DO_COMMIT);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_COMMITTED, 1), 0);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_ROLL, 1), ROLLOUT_DO_NEXT);
    assert_int_equal(rollout_step(&rollout, ROLLOUT_ON_READY, 0),
                     ROLLOUT_DO_KEEP | ROLLOUT_DO_FINISH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_reloads),
        cmocka_unit_test(test_any_event_in_any_phase),
        cmocka_unit_test(test_a_refusal_changes_nothing),
        cmocka_unit_test(test_one_service_of_one_worker),
        cmocka_unit_test(test_a_service_that_is_not_reloadable),
    };
    return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
