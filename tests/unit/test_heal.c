/* SPDX-License-Identifier: MIT
 *
 * Workers that spoil their sockets, die and are replaced, beside reloads that come, fail and
 * are refused, in any order: the files of the master that decide are the real ones; children,
 * sockets and the reading of the configuration are made up here, and time stands in a variable.
 * A generation that nobody has proven is never in force, whoever serves goes when another is
 * ready, and once nothing fails any more each worker has a socket that serves and no reload
 * runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heal.h"
#include "log.h"
#include "made_up.h"
#include "pool.h"
#include "reload.h"
#include "supervisor.h"

enum { CHILDREN_MAX = 64 };

/* The master. */

static void on_replaced(void *owner, struct place *place) {
    (void)owner;
    reload_place_ready(world.reload, place);
    heal_place_ready(place);
}

static void on_not_replaced(void *owner, struct place *place) {
    (void)owner;
    reload_place_failed(world.reload, place);
}

static void on_not_started(void *owner, const struct place *place) {
    (void)owner;
    (void)place;
}

static void on_nothing(void *owner) {
    (void)owner;
}

static void on_over(void *owner, const char *why) {
    (void)owner;
    world.done += !why;
    world.failed += why != NULL;
}

static void on_progress(void *owner, const struct place *place) {
    (void)owner;
    (void)place;
}

static void begin_reload(void) {
    static const struct reload_events events = {on_progress, on_over};
    static const struct loading_source source;
    reload_free(world.reload);
    world.reload = reload_start(&world.instance, &source, false, &events, NULL);
}

/* What may happen. */

static struct child *draw_child(bool (*fits)(const struct child *child)) {
    struct child *found[CHILDREN_MAX];
    struct list *node, *inner;
    unsigned count = 0;
    list_each (node, &world.instance.pools)
        list_each (inner, &pool_of(node)->children)
            if (count < CHILDREN_MAX && fits(child_of(inner)))
                found[count++] = child_of(inner);
    return count ? found[made_up_draw(count)] : NULL;
}

static bool is_coming(const struct child *child) {
    return child->role == CHILD_COMING && !child->is_ready;
}

static bool is_draining(const struct child *child) {
    return child->role == CHILD_DRAINING;
}

static bool lives(const struct child *child) {
    return child->role != CHILD_DRAINING;
}

static void become_ready(void) {
    struct child *child = draw_child(is_coming);
    if (!child)
        return;
    child->is_ready = true;
    child->events->ready(child);
}

static void die(bool (*fits)(const struct child *child)) {
    struct child *child = draw_child(fits);
    if (child)
        made_up_end(child, (int)made_up_draw(2));
}

static struct service *draw_service(void) {
    unsigned count = 0, nth;
    struct list *node;
    list_each (node, &world.instance.pools)
        count += !pool_of(node)->is_leaving;
    nth = made_up_draw(count);
    list_each (node, &world.instance.pools)
        if (!pool_of(node)->is_leaving && nth-- == 0)
            return service_of(pool_of(node)->services.next);
    return NULL;
}

static void spoil(void) {
    struct service *service = draw_service();
    struct sockets *sockets = made_up_draw(4) ? service->sockets : service->next_sockets;
    if (sockets)
        sockets->is_spoilt = true;
}

static void fire_timers(void) {
    struct list *node;
    list_each (node, &world.instance.pools)
        for (unsigned i = 0; i < pool_of(node)->place_count; i++) {
            struct place *place = pool_of(node)->places[i];
            if (place->slot.state == SLOT_BACKOFF && world.now >= place->retry_at_ms) {
                supervisor_tell(place, SLOT_ON_TIMER);
                return; /* pools may be gone */
            }
        }
}

static void pass(uint64_t ms) {
    world.now += ms;
    fire_timers();
    heal_look(&world.instance);
}

static void something_happens(void) {
    switch (made_up_draw(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        become_ready();
        break;
    case 4:
        die(is_draining);
        break;
    case 5:
        if (made_up_draw(100) < world.failures)
            die(made_up_draw(2) ? is_coming : lives);
        break;
    case 6:
        if (made_up_draw(100) < world.failures)
            spoil();
        break;
    case 7:
        if (!world.instance.is_reloading)
            begin_reload();
        break;
    case 8:
        if (world.loading)
            made_up_loading();
        break;
    default:
        pass(1 + made_up_draw(3000));
    }
}

/* What must be true. */

static bool is_proven(const struct pool *pool, unsigned generation) {
    const struct child *serving = pool->places[0]->serving;
    return pool->is_leaving || pool->is_kept || (serving && serving->generation == generation);
}

static void check_commit(unsigned before) {
    struct list *node;
    assert_in_range(world.instance.generation, before, before + 1);
    if (world.instance.generation == before)
        return;
    list_each (node, &world.instance.pools)
        assert_true(is_proven(pool_of(node), world.instance.generation));
}

/* Who has another socket than its service is said to be deaf. */
static void check_deaf(void) {
    struct list *node;
    list_each (node, &world.instance.pools) {
        const struct pool *pool = pool_of(node);
        for (unsigned i = 0; i < pool->place_count && !pool->is_leaving; i++) {
            const struct child *serving = pool->places[i]->serving;
            if (serving && !world.instance.is_reloading)
                assert_true(heal_is_deaf(serving) ||
                            made_up_socket(serving) ==
                                service_of(pool->services.next)->sockets->number);
        }
    }
}

static bool is_whole(const struct pool *pool) {
    const struct sockets *sockets = service_of(pool->services.next)->sockets;
    for (unsigned i = 0; i < pool->place_count; i++) {
        const struct place *place = pool->places[i];
        if (i >= pool->config->workers)
            continue;
        if (place->slot.state != SLOT_READY || place->coming ||
            made_up_socket(place->serving) != sockets->number || sockets->is_spoilt)
            return false;
    }
    return true;
}

static bool is_calm(void) {
    struct list *node;
    list_each (node, &world.instance.pools)
        if (pool_of(node)->is_leaving || !is_whole(pool_of(node)))
            return false;
    return !world.instance.is_reloading;
}

static void calm_down(unsigned seed) {
    world.failures = 0;
    for (unsigned turn = 0; turn < 2000 && !is_calm(); turn++) {
        if (world.loading)
            made_up_loading();
        become_ready();
        die(is_draining);
        pass(10000);
    }
    if (!is_calm())
        fail_msg("seed %u: a reload runs, or somebody has a dead socket", seed);
}

/* A life. */

static void start_world(unsigned seed) {
    static const struct supervisor_events events = {on_replaced, on_not_replaced,
                                                    on_not_started, on_nothing, on_nothing};
    struct instance *instance = &world.instance;
    char why[256];
    world = (struct world){.seed = seed, .now = 1000};
    uv_loop_init(&instance->loop);
    list_init(&instance->pools);
    instance->events = &events;
    instance->phase = INSTANCE_RUNNING;
    instance->config = made_up_config();
    for (size_t i = 0; i < instance->config->service_count; i++) {
        const struct config_service *config = &instance->config->services[i];
        struct pool *pool = pool_new(instance, NULL, config);
        struct sockets *sockets;
        assert_int_equal(made_up_sockets(config, &sockets, why, sizeof(why)), 0);
        pool_add(pool, config, sockets);
        for (unsigned k = 0; k < pool->place_count; k++)
            supervisor_tell(pool->places[k], SLOT_ON_START);
    }
    while (draw_child(is_coming))
        become_ready();
}

static void end_world(void) {
    struct list *node, *after;
    struct child *child;
    world.instance.phase = INSTANCE_STOPPING;
    reload_abandon(world.reload, "it stops");
    rivals_end(&world.instance);
    while ((child = draw_child(lives))) {
        struct place *place = child->owner;
        supervisor_tell(place, SLOT_ON_RETIRE);
    }
    while (draw_child(is_draining))
        die(is_draining);
    list_each_safe (node, after, &world.instance.pools)
        pool_free(pool_of(node));
    reload_free(world.reload);
    config_free(world.instance.config);
    uv_run(&world.instance.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world.instance.loop), 0);
}

static void any_order_ends_well(void **state) {
    unsigned done = 0, failed = 0;
    uint64_t mended = 0;
    (void)state;
    for (unsigned seed = 0; seed < 1000; seed++) {
        start_world(seed);
        world.failures = 5 + made_up_draw(40);
        for (unsigned i = 0, before; i < 150; i++) {
            before = world.instance.generation;
            something_happens();
            check_commit(before);
            check_deaf();
        }
        if (seed % 5 != 0)
            calm_down(seed);
        done += world.done;
        failed += world.failed;
        mended += world.instance.mended;
        end_world();
    }
    assert_true(done > 1000 && failed > 1000 && mended > 1000);
}

static int drop_line(void *owner, const char *line, size_t len) {
    (void)owner;
    (void)line;
    (void)len;
    return 0;
}

static int setup(void **state) {
    (void)state;
    log_to(drop_line, NULL, CREW_LOG_ERROR, "test");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_ends_well),
    };
    return cmocka_run_group_tests_name("heal", tests, setup, NULL);
}
