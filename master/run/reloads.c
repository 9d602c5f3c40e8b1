/* SPDX-License-Identifier: MIT
 *
 * See reloads.h.
 */
#include "reloads.h"

#include <stddef.h>

#include "admin.h"
#include "instance.h"
#include "log.h"
#include "pool.h"
#include "reload.h"

static void on_progress(void *owner, const struct place *place) {
    const struct reloads *reloads = owner;
    if (reloads->client)
        admin_progress(reloads->client, "%s replaced", place->label);
}

static void on_over(void *owner, const char *why) {
    struct reloads *reloads = owner;
    if (reloads->client)
        admin_answer(reloads->client, why);
    reloads->client = NULL;
}

static void begin(struct reloads *reloads, bool is_graceful, struct admin_client *client) {
    static const struct reload_events events = {on_progress, on_over};
    reload_free(reloads->newest);
    reloads->client = client;
    reloads->newest =
        reload_start(reloads->instance, reloads->source, is_graceful, &events, reloads);
}

void reloads_init(struct reloads *reloads, struct instance *instance,
                  const struct loading_source *source) {
    *reloads = (struct reloads){.instance = instance, .source = source};
}

void reloads_done(struct reloads *reloads) {
    reload_free(reloads->newest);
    reloads->newest = NULL;
}

void reloads_by_signal(struct reloads *reloads, bool is_graceful) {
    const struct instance *instance = reloads->instance;
    if (instance->phase == INSTANCE_STOPPING)
        return;
    if (instance->is_reloading || instance->phase == INSTANCE_STARTING) {
        log_notice("reload: %s; another follows it",
                   instance->is_reloading ? "one is running" : "the start is");
        reloads->is_wanted_again = true;
        reloads->again_is_graceful = is_graceful;
        return;
    }
    begin(reloads, is_graceful, NULL);
}

const char *reloads_for_client(struct reloads *reloads, bool is_graceful,
                               struct admin_client *client) {
    if (reloads->instance->is_reloading)
        return "a reload is running already; try again when it is done";
    if (reloads->instance->phase != INSTANCE_RUNNING)
        return "the instance is not running";
    begin(reloads, is_graceful, client);
    return NULL;
}

void reloads_forget_client(struct reloads *reloads, const struct admin_client *client) {
    if (reloads->client == client)
        reloads->client = NULL;
}

void reloads_follow_up(struct reloads *reloads) {
    const struct instance *instance = reloads->instance;
    if (!reloads->is_wanted_again || instance->is_reloading ||
        instance->phase != INSTANCE_RUNNING)
        return;
    reloads->is_wanted_again = false;
    begin(reloads, reloads->again_is_graceful, NULL);
}

void reloads_place_ready(struct reloads *reloads, struct place *place) {
    reload_place_ready(reloads->newest, place);
}

void reloads_place_failed(struct reloads *reloads, const struct place *place) {
    reload_place_failed(reloads->newest, place);
}

void reloads_abandon(struct reloads *reloads) {
    reloads->is_wanted_again = false;
    reload_abandon(reloads->newest, "the instance is stopping");
}
