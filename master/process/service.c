/* SPDX-License-Identifier: MIT
 *
 * See service.h.
 */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "memory.h"

struct service *service_new(struct instance *instance, const struct kind *kind,
                            const struct config_service *config, struct sockets *sockets) {
    struct service *service = memory_new(sizeof(*service));
    service->instance = instance;
    service->kind = kind;
    snprintf(service->name, sizeof(service->name), "%s", config->name);
    service_adopt(service, config);
    service->sockets = sockets;
    list_init(&service->children);
    list_append(&instance->services, &service->in_instance);
    service_grow(service, config->workers);
    return service;
}

void service_grow(struct service *service, unsigned count) {
    if (count <= service->place_count)
        return;
    service->places = memory_resize(service->places, count, sizeof(struct place *));
    while (service->place_count < count) {
        struct place *place = memory_new(sizeof(*place));
        place->service = service;
        place->index = service->place_count;
        snprintf(place->label, sizeof(place->label), "%s/%u", service->name, place->index);
        uv_timer_init(&service->instance->loop, &place->timer);
        place->timer.data = place;
        service->places[service->place_count++] = place;
    }
}

void service_adopt(struct service *service, const struct config_service *config) {
    free(service->listen);
    free(service->label);
    service->listen = memory_copy_text(config->listen_text);
    service->label = memory_copy_text(config->label);
    service->config = config;
}

void service_stop_listening(struct service *service) {
    sockets_unref(service->sockets);
    sockets_unref(service->next_sockets);
    service->sockets = service->next_sockets = NULL;
}

void service_release(struct service *service) {
    service_stop_listening(service);
    service->config = service->next = NULL;
}

static void on_place_closed(uv_handle_t *handle) {
    struct place *place = handle->data;
    free(place->last_failure);
    free(place);
}

void service_free(struct service *service) {
    list_remove(&service->in_instance);
    for (unsigned i = 0; i < service->place_count; i++) {
        tally_add(&service->instance->retired, &service->places[i]->sums);
        uv_close((uv_handle_t *)&service->places[i]->timer, on_place_closed);
    }
    free(service->places);
    free(service->listen);
    free(service->label);
    service_release(service);
    free(service);
}

bool service_keeps(const struct service *service, unsigned slot) {
    return service->is_kept && service->places[slot]->slot.state == SLOT_READY;
}

bool service_has_canary(const struct service *service) {
    return service->next && !service_keeps(service, 0);
}

struct service *service_find(struct instance *instance, const char *name) {
    struct list *node;
    list_each (node, &instance->services) {
        struct service *service = list_entry(node, struct service, in_instance);
        if (strcmp(service->name, name) == 0 && !service->is_leaving)
            return service;
    }
    return NULL;
}

int service_listener(const struct service *service, unsigned slot, bool is_new) {
    const struct sockets *sockets = service->sockets;
    if (is_new && service->is_moving)
        sockets = service->next_sockets;
    return sockets ? sockets_get(sockets, slot) : -1;
}
