/* SPDX-License-Identifier: MIT
 *
 * See rivals.h.
 */
#include "rivals.h"

#include <errno.h>
#include <stdlib.h>

#include "holder.h"
#include "instance.h"
#include "memory.h"
#include "pool.h"
#include "sockets.h"

#define LOOKS_MAX 10u /* a worker that has not begun to drain by then is stuck */

static void add(struct rivals *rivals, struct sockets *sockets) {
    rivals->list = memory_resize(rivals->list, rivals->count + 1, sizeof(*rivals->list));
    rivals->list[rivals->count++] = sockets_ref(sockets);
    sockets_share(sockets, true);
}

static bool is_in_the_way(struct sockets *sockets, const struct config_service *config) {
    return sockets && sockets_overlap(sockets, config);
}

/* Answers whether there are any. */
static bool gather(struct instance *instance, const struct config_service *config) {
    struct list *node, *inner;
    bool has_some = false;
    list_each (node, &instance->pools) {
        list_each (inner, &pool_of(node)->services) {
            struct sockets *sockets = service_of(inner)->sockets;
            if (!is_in_the_way(sockets, config))
                continue;
            add(&instance->rivals, sockets);
            has_some = true;
        }
    }
    return has_some;
}

int rivals_open(struct instance *instance, const struct config_service *config,
                struct sockets **out_sockets, char *out_why, size_t size) {
    bool has_some = gather(instance, config);
    int err = has_some ? sockets_open_beside(config, out_sockets, out_why, size)
                       : sockets_open(config, out_sockets, out_why, size);
    if (err == -EADDRINUSE)
        (void)holder_explain(&config->listen, config->listen_text, out_why, size);
    else if (!err && has_some)
        add(&instance->rivals, *out_sockets);
    return err;
}

void rivals_reload_over(struct instance *instance) {
    instance->rivals.is_over = true;
}

static bool is_waiting(const struct rivals *rivals) {
    for (size_t i = 0; i < rivals->count; i++)
        if (sockets_wait_for_workers(rivals->list[i]))
            return true;
    return false;
}

void rivals_look(struct instance *instance) {
    struct rivals *rivals = &instance->rivals;
    if (rivals->is_over && (!is_waiting(rivals) || ++rivals->looks > LOOKS_MAX))
        rivals_end(instance);
}

void rivals_end(struct instance *instance) {
    struct rivals *rivals = &instance->rivals;
    for (size_t i = 0; i < rivals->count; i++) {
        sockets_share(rivals->list[i], false);
        sockets_unref(rivals->list[i]);
    }
    free(rivals->list);
    *rivals = (struct rivals){0};
}
