/* SPDX-License-Identifier: MIT
 *
 * See made_up.h.
 */
#include "made_up.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "birth.h"
#include "loading.h"
#include "memory.h"
#include "pool.h"
#include "siblings.h"
#include "sockets.h"

enum { SERVICES_MAX = 3, WORKERS_MAX = 4 };

struct loading {
    const struct loading_done *done;
    void *owner;
};

struct world world;

unsigned made_up_draw(unsigned below) {
    world.seed = world.seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(world.seed >> 33) % below;
}

uint64_t __wrap_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop) {
    (void)loop;
    return world.now;
}

/* Sockets. */

int made_up_sockets(const struct config_service *config, struct sockets **out_sockets,
                    char *why, size_t size) {
    if (made_up_draw(100) < world.failures) {
        snprintf(why, size, "%s: no", config->name);
        return -ENOMEM;
    }
    struct sockets *sockets = memory_new(sizeof(*sockets));
    *sockets =
        (struct sockets){.refs = 1, .number = ++world.last_socket, .address = config->listen};
    *out_sockets = sockets;
    return 0;
}

int sockets_open(const struct config_service *config, struct sockets **out_sockets,
                 char *out_why, size_t size) {
    return made_up_sockets(config, out_sockets, out_why, size);
}

int sockets_open_beside(const struct config_service *config, struct sockets **out_sockets,
                        char *out_why, size_t size) {
    return made_up_sockets(config, out_sockets, out_why, size);
}

struct sockets *sockets_ref(struct sockets *sockets) {
    sockets->refs++;
    return sockets;
}

void sockets_unref(struct sockets *sockets) {
    if (sockets && --sockets->refs == 0)
        free(sockets);
}

bool sockets_fit(const struct sockets *sockets, const struct config_service *config) {
    return memcmp(&sockets->address.addr, &config->listen.addr, sizeof(config->listen.addr)) ==
           0;
}

bool sockets_overlap(const struct sockets *sockets, const struct config_service *config) {
    return listen_overlaps(&sockets->address, &config->listen);
}

void sockets_share(struct sockets *sockets, bool is_on) {
    (void)sockets;
    (void)is_on;
}

bool sockets_wait_for_workers(const struct sockets *sockets) {
    (void)sockets;
    return false;
}

enum mend sockets_mend(struct sockets *sockets) {
    return sockets && sockets->is_spoilt ? MEND_BROKEN : MEND_FINE;
}

int sockets_get(const struct sockets *sockets, unsigned slot) {
    (void)slot;
    return sockets->number;
}

void sockets_note_listening(struct sockets *sockets, unsigned slot) {
    (void)slot;
    assert_true(sockets->refs > 0);
}

int sockets_grow(struct sockets *sockets, unsigned count, char *out_why, size_t size) {
    (void)sockets;
    (void)count;
    (void)out_why;
    (void)size;
    return 0;
}

void sockets_shrink(struct sockets *sockets, unsigned count) {
    (void)sockets;
    (void)count;
}

/* Children. Their `page_fd` is the number of their socket. */

int made_up_socket(const struct child *child) {
    return child->page_fd;
}

struct child *birth_start(struct place *place, bool is_new, const struct child_events *events,
                          char *out_why, size_t size) {
    struct instance *instance = place->pool->instance;
    const struct service *service = service_of(place->pool->services.next);
    if (made_up_draw(400) < world.failures) {
        snprintf(out_why, size, "no process");
        return NULL;
    }
    struct child *child = memory_new(sizeof(*child));
    child->events = events;
    child->owner = place;
    snprintf(child->label, sizeof(child->label), "%s", place->label);
    child->generation = instance->generation + is_new;
    child->number = instance_next_number(instance);
    child->page_fd = service_listener(service, place->index, is_new);
    child->started_ms = world.now;
    list_append(&place->pool->children, &child->in_siblings);
    return child;
}

static bool may_go(const struct child *child) {
    const struct place *place = child->owner;
    return place->slot.state == SLOT_DRAINING ||
           child->generation > world.instance.generation ||
           (place->coming && place->coming->is_ready);
}

void child_drain(struct child *child, const char *reason, bool is_graceful, uint64_t timeout_ms,
                 uint64_t spread_ms) {
    const struct place *place = child->owner;
    (void)reason;
    (void)is_graceful;
    (void)timeout_ms;
    (void)spread_ms;
    if (place->serving == child)
        assert_true(may_go(child));
    child->role = CHILD_DRAINING;
}

void child_promote(struct child *child) {
    assert_true(child->is_ready);
    child->role = CHILD_SERVING;
}

void child_dismiss(struct child *child) {
    child->role = CHILD_DRAINING;
}

const struct tally *child_count(struct child *child) {
    return &child->tally;
}

bool child_has_ended_well(const struct child *child, int status, int signal) {
    (void)signal;
    return child->role == CHILD_DRAINING || status == 0;
}

void siblings_greet(struct child *child) {
    (void)child;
}

void siblings_announce(struct child *child) {
    (void)child;
}

void siblings_withdraw(struct child *child) {
    (void)child;
}

void made_up_end(struct child *child, int status) {
    const struct child_events *events = child->events;
    void *owner = child->owner;
    child->refusal = memory_copy_text("it died");
    events->ended(child, status, 0);
    list_remove(&child->in_siblings);
    free(child->refusal);
    free(child);
    events->gone(owner);
}

/* Reading the configuration. */

struct loading *loading_start(struct spawner *spawner, const struct loading_source *source,
                              const struct program *worker, const struct loading_done *done,
                              void *owner) {
    (void)spawner;
    (void)source;
    (void)worker;
    assert_null(world.loading);
    world.loading = memory_new(sizeof(*world.loading));
    *world.loading = (struct loading){done, owner};
    return world.loading;
}

void loading_cancel(struct loading *loading) {
    if (loading)
        world.loading = NULL;
    free(loading);
}

struct config *made_up_config(void) {
    struct config_errors errors = {0};
    struct config *config;
    unsigned count = 1 + made_up_draw(SERVICES_MAX);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        char listen[64], name[2] = {(char)('a' + i), '\0'};
        snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%u",
                 7000 + i + (made_up_draw(4) ? 0 : 10));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:{s:b}}", "name", name, "listen",
                                        listen, "workers", 1 + (int)made_up_draw(WORKERS_MAX),
                                        "config", "reloadable", made_up_draw(6) != 0));
    }
    json_t *description = json_pack("{s:i, s:o}", "v", 1, "services", list);
    struct config_app app = {"/srv/app.so", description};
    assert_int_equal(config_read(NULL, "/run/world", &config, &errors), 0);
    if (config_merge(config, &app, 1, &errors) != 0)
        fail_msg("%s", errors.lines[0]);
    json_decref(description);
    return config;
}

void made_up_loading(void) {
    struct config_errors errors = {0};
    struct pins pins = {0};
    char *line = (char[]){"it is wrong"};
    struct loading loading = *world.loading;
    struct config *config = made_up_draw(100) < world.failures ? NULL : made_up_config();
    free(world.loading);
    world.loading = NULL;
    if (!config)
        errors = (struct config_errors){&line, 1};
    loading.done->on_done(loading.owner, config, &pins, &errors);
}
