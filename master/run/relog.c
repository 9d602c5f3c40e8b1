/* SPDX-License-Identifier: MIT
 *
 * See relog.h.
 */
#include "relog.h"

#include <stdio.h>

#include "admin.h"
#include "instance.h"
#include "log.h"
#include "outlet.h"
#include "output.h"

#define LATE_MS 5000u

static void answer(struct relog *relog, const char *why) {
    struct admin_client *client = relog->client;
    relog->client = NULL;
    countdown_stop(&relog->late);
    if (client)
        admin_answer(client, why);
}

static const char *say_stuck(struct relog *relog) {
    snprintf(relog->why, sizeof(relog->why),
             "the log is stuck in a write, %zu bytes wait; it is opened anew when that ends",
             outlet_waiting(relog->instance->log));
    return relog->why;
}

static void on_late(struct countdown *late) {
    struct relog *relog = late->owner;
    answer(relog, say_stuck(relog));
}

static void on_done(uv_async_t *async) {
    struct relog *relog = async->data;
    int err;
    if (!relog->instance->log ||
        !outlet_has_switched(relog->instance->log, &err, relog->why, sizeof(relog->why)))
        return;
    if (err)
        log_error("the log is not reopened: %s", relog->why);
    else
        log_notice("log reopened");
    answer(relog, err ? relog->why : NULL);
}

void relog_init(struct relog *relog, struct instance *instance) {
    relog->instance = instance;
    relog->client = NULL;
    uv_async_init(&instance->loop, &relog->done, on_done);
    countdown_init(&relog->late, &instance->loop, relog);
    relog->done.data = relog;
}

const char *relog_for_client(struct relog *relog, struct admin_client *client) {
    const char *path = output_log_path(relog->instance);
    if (relog->client)
        return "the log is being opened already; try again";
    if (path) {
        outlet_set_waker(relog->instance->log, &relog->done);
        if (output_switch_log(relog->instance, relog->instance->log, path) != 0)
            return say_stuck(relog);
    }
    relog->client = client;
    countdown_start(&relog->late, LATE_MS, on_late);
    if (!path)
        answer(relog, NULL); /* there is nothing to open */
    return NULL;
}

void relog_in_run_dir(struct relog *relog) {
    struct instance *instance = relog->instance;
    if (instance->config->log_file[0] || !instance->is_daemon || relog->client)
        return;
    outlet_set_waker(instance->log, &relog->done);
    (void)output_switch_log(instance, instance->log, output_log_path(instance));
}

void relog_forget_client(struct relog *relog, const struct admin_client *client) {
    if (relog->client == client)
        relog->client = NULL;
}

void relog_done(struct relog *relog) {
    if (relog->instance->log)
        outlet_set_waker(relog->instance->log, NULL);
}
