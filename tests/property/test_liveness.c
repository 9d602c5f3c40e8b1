/* SPDX-License-Identifier: MIT
 *
 * The heartbeat lists against a naive scan: under a fake clock and random events both must
 * report the same connections as dead, silent or expired in the same tick. And a tick with a
 * million quiet members looks at none of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "liveness.h"

#define MEMBERS 64
#define STEPS   20000

enum outcome { NOTHING, DEAD, PROBE, EXPIRED };

/* What the naive model knows of one member. */
struct model {
    bool is_present, is_suspended, is_probed, is_excused;
    uint32_t received, started;
    enum deadline deadline;
};

struct world {
    struct liveness lists;
    struct liveness_node nodes[MEMBERS];
    struct model models[MEMBERS];
    unsigned seen[MEMBERS]; /* bits of enum outcome */
};

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static size_t index_of(struct world *world, struct liveness_node *node) {
    return (size_t)(node - world->nodes);
}

/* Who has an even number is waited for, until it is heard of. */
static bool is_excusable(size_t i) {
    return i % 2 == 0;
}

static void on_dead(void *owner, struct liveness_node *node) {
    struct world *world = owner;
    size_t i = index_of(world, node);
    world->seen[i] |= 1u << DEAD;
    if (is_excusable(i))
        liveness_excuse(node);
    else
        liveness_remove(node);
}

static void on_probe(void *owner, struct liveness_node *node) {
    struct world *world = owner;
    world->seen[index_of(world, node)] |= 1u << PROBE;
}

static void on_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    struct world *world = owner;
    (void)deadline;
    world->seen[index_of(world, node)] |= 1u << EXPIRED;
    liveness_remove(node);
}

static const struct liveness_found found = {on_dead, on_probe, on_expired};

/* The naive scan: what should this tick report of this member, and what becomes of it? */
static unsigned scan(struct world *world, struct model *model) {
    const struct liveness *lists = &world->lists;
    uint32_t now = lists->tick;
    unsigned expected = 0;
    if (!model->is_present)
        return 0;
    bool is_watched = !model->is_suspended && !model->is_excused;
    if (is_watched && lists->idle_ticks && now - model->received > lists->idle_ticks) {
        expected |= 1u << DEAD;
        model->is_excused = is_excusable((size_t)(model - world->models));
        model->is_present = model->is_excused;
        is_watched = false;
        if (!model->is_present)
            return expected;
    }
    if (is_watched && !model->is_probed && lists->probe_ticks &&
        now - model->received > lists->probe_ticks) {
        model->is_probed = true;
        expected |= 1u << PROBE;
    }
    uint32_t limit = lists->deadline_ticks[model->deadline];
    if (model->deadline != DEADLINE_NONE && limit && now - model->started > limit) {
        model->is_present = false;
        expected |= 1u << EXPIRED;
    }
    return expected;
}

static void tick(struct world *world) {
    memset(world->seen, 0, sizeof(world->seen));
    liveness_tick(&world->lists, &found, world);
    for (size_t i = 0; i < MEMBERS; i++)
        assert_int_equal(world->seen[i], scan(world, &world->models[i]));
}

static void add(struct world *world, size_t i) {
    uint32_t now = world->lists.tick;
    memset(&world->nodes[i], 0, sizeof(world->nodes[i]));
    liveness_add(&world->lists, &world->nodes[i]);
    world->models[i] = (struct model){.is_present = true, .received = now};
}

static void touch(struct world *world, size_t i) {
    struct model *model = &world->models[i];
    uint32_t now = world->lists.tick;
    liveness_touch(&world->lists, &world->nodes[i]);
    if (model->received != now && !model->is_suspended)
        model->is_probed = model->is_excused = false;
    model->received = now;
}

static void change(struct world *world, size_t i) {
    struct model *model = &world->models[i];
    struct liveness_node *node = &world->nodes[i];
    uint32_t now = world->lists.tick;
    switch (random_below(6)) {
    case 0:
        liveness_remove(node);
        model->is_present = false;
        break;
    case 1:
        liveness_suspend(node);
        model->is_suspended = true;
        model->is_excused = false;
        break;
    case 2:
        liveness_resume(&world->lists, node);
        model->is_suspended = model->is_probed = model->is_excused = false;
        model->received = now;
        break;
    case 3:
        model->deadline = (enum deadline)random_below(DEADLINE_COUNT);
        model->started = now;
        liveness_deadline(&world->lists, node, model->deadline);
        break;
    default:
        touch(world, i);
    }
}

static void run(uint32_t seed, uint32_t idle, uint32_t probe, uint32_t first_tick) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    random_state = seed;
    liveness_init(&world->lists);
    world->lists.tick = first_tick;
    world->lists.idle_ticks = idle;
    world->lists.probe_ticks = probe;
    world->lists.deadline_ticks[DEADLINE_HANDSHAKE] = 3;
    world->lists.deadline_ticks[DEADLINE_CLOSE] = 7;
    for (int step = 0; step < STEPS; step++) {
        size_t i = random_below(MEMBERS);
        if (random_below(8) == 0)
            tick(world);
        else if (world->models[i].is_present)
            change(world, i);
        else
            add(world, i);
    }
    free(world);
}

static void same_as_a_naive_scan(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        run(seed, 12, 5, 0);
        run(seed, 12, 0, 0);
        run(seed, 0, 5, 0);
        run(seed, 5, 12, UINT32_MAX - 100); /* the tick wraps */
    }
}

static void silence_is_measured_in_whole_ticks(void **state) {
    (void)state;
    assert_int_equal(liveness_ticks(0, 1000), 0);
    assert_int_equal(liveness_ticks(1, 1000), 1);
    assert_int_equal(liveness_ticks(1000, 1000), 1);
    assert_int_equal(liveness_ticks(60001, 1000), 61);
    assert_int_equal(liveness_ticks(UINT64_MAX, 1), INT32_MAX);
}

static void never_called(void *owner, struct liveness_node *node) {
    (void)node;
    ++*(unsigned *)owner;
}

static void never_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    (void)deadline;
    never_called(owner, node);
}

/* The members behind the first are made unreadable in effect: links that lead nowhere. A tick
 * that looked further than the first one that is not due would crash. */
static void a_quiet_tick_looks_at_the_first_only(void **state) {
    (void)state;
    static const struct liveness_found nobody = {never_called, never_called, never_expired};
    struct liveness lists;
    struct liveness_node node = {0};
    struct list trap = {NULL, NULL};
    unsigned calls = 0;
    liveness_init(&lists);
    lists.idle_ticks = 60;
    lists.probe_ticks = 25;
    liveness_add(&lists, &node);
    node.by_receive.next = &trap;
    node.by_probe.next = &trap;
    for (int i = 0; i < 20; i++)
        liveness_tick(&lists, &nobody, &calls);
    assert_int_equal(calls, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_a_naive_scan),
        cmocka_unit_test(silence_is_measured_in_whole_ticks),
        cmocka_unit_test(a_quiet_tick_looks_at_the_first_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
