/* SPDX-License-Identifier: MIT
 *
 * See service.h.
 */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

static void set_config(struct service *service, const struct config_service *config) {
    free(service->listen);
    free(service->label);
    service->listen = memory_copy_text(config->listen_text);
    service->label = memory_copy_text(config->label);
    service->config = config;
}

struct service *service_new(const struct config_service *config, struct sockets *sockets) {
    struct service *service = memory_new(sizeof(*service));
    snprintf(service->name, sizeof(service->name), "%s", config->name);
    set_config(service, config);
    service->sockets = sockets;
    return service;
}

void service_stop_listening(struct service *service) {
    sockets_unref(service->sockets);
    sockets_unref(service->next_sockets);
    service->sockets = service->next_sockets = NULL;
}

void service_free(struct service *service) {
    list_remove(&service->in_pool);
    service_stop_listening(service);
    free(service->listen);
    free(service->label);
    free(service);
}

void service_expect(struct service *service, const struct config_service *next, bool is_moving,
                    struct sockets *sockets) {
    service->next = next;
    service->is_moving = is_moving;
    service->next_sockets = sockets;
}

bool service_is_new(const struct service *service) {
    return service->config == service->next;
}

void service_adopt(struct service *service, unsigned generation) {
    if (service->is_moving) {
        sockets_unref(service->sockets);
        service->sockets = service->next_sockets;
        service->health = (struct health){.has_old = true, .generation = generation};
    }
    service->next_sockets = NULL;
    service->is_moving = false;
    set_config(service, service->next);
    service->next = NULL;
    sockets_shrink(service->sockets, service->config->workers);
}

void service_forget_next(struct service *service) {
    service->next = NULL;
    service->is_moving = false;
    sockets_unref(service->next_sockets);
    service->next_sockets = NULL;
    sockets_shrink(service->sockets, service->config->workers);
}

static struct sockets *sockets_of(const struct service *service, bool is_new) {
    return is_new && service->is_moving ? service->next_sockets : service->sockets;
}

int service_listener(const struct service *service, unsigned slot, bool is_new) {
    const struct sockets *sockets = sockets_of(service, is_new);
    return sockets ? sockets_get(sockets, slot) : -1;
}

void service_note_listening(struct service *service, unsigned slot, bool is_new) {
    struct sockets *sockets = sockets_of(service, is_new);
    if (sockets)
        sockets_note_listening(sockets, slot);
}
