/* SPDX-License-Identifier: MIT
 *
 * See service.h.
 */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "memory.h"

struct service *service_new(struct instance *instance, const struct kind *kind,
                            const struct config_service *config, struct sockets *sockets,
                            char *out_why, size_t size) {
    int board_fd = scoreboard_create();
    struct scoreboard *board = board_fd < 0 ? NULL : scoreboard_open(board_fd);
    if (!board) {
        snprintf(out_why, size, "%s: scoreboard: %s", config->name,
                 board_fd < 0 ? strerror(-board_fd) : "cannot be mapped");
        if (board_fd >= 0)
            close(board_fd);
        return NULL;
    }
    struct service *service = memory_new(sizeof(*service));
    service->instance = instance;
    service->kind = kind;
    snprintf(service->name, sizeof(service->name), "%s", config->name);
    service_adopt(service, config);
    service->sockets = sockets;
    service->board_fd = board_fd;
    service->board = board;
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
    for (unsigned i = 0; i < service->place_count; i++)
        uv_close((uv_handle_t *)&service->places[i]->timer, on_place_closed);
    free(service->places);
    free(service->listen);
    free(service->label);
    service_release(service);
    scoreboard_close(service->board);
    close(service->board_fd);
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

/* With two lines for each possible slot one is always free, unless drained workers pile up;
 * then the last is shared. */
uint32_t service_take_line(struct service *service) {
    for (uint32_t line = 0; line < SCOREBOARD_LINES; line++) {
        if (service->lines_taken[line / 8] & (1u << line % 8))
            continue;
        service->lines_taken[line / 8] |= (uint8_t)(1u << line % 8);
        score_line_clear(&service->board->lines[line]);
        return line;
    }
    return SCOREBOARD_LINES - 1;
}

void service_free_line(struct service *service, uint32_t line) {
    service->lines_taken[line / 8] &= (uint8_t) ~(1u << line % 8);
    score_line_clear(&service->board->lines[line]);
}

int service_listener(const struct service *service, unsigned slot, bool is_new) {
    const struct sockets *sockets = service->sockets;
    if (is_new && service->is_moving)
        sockets = service->next_sockets;
    return sockets ? sockets_get(sockets, slot) : -1;
}
