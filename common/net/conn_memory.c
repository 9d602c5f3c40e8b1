/* SPDX-License-Identifier: MIT
 *
 * See conn_memory.h.
 */
#include "conn_memory.h"

#include <stdlib.h>

#include "conn.h"

static size_t align_up(size_t size) {
    size_t align = _Alignof(max_align_t);
    return (size + align - 1) / align * align;
}

/* Behind the transport's part: the guest, and then the app's state, as far as there are such.
 */
static size_t state_at(const struct endpoint *endpoint) {
    size_t size = align_up(endpoint->transport->conn_size);
    bool has_guest = endpoint->settings.auth_timeout_ms > 0;
    return has_guest ? align_up(size + sizeof(struct guest)) : size;
}

struct guest *conn_guest(const struct crew_conn *conn) {
    const struct endpoint *endpoint = conn->endpoint;
    if (endpoint->settings.auth_timeout_ms == 0)
        return NULL;
    char *memory = (char *)(uintptr_t)conn + align_up(endpoint->transport->conn_size);
    return (struct guest *)(void *)memory;
}

size_t conn_memory_size(const struct endpoint *endpoint) {
    if (endpoint->state_size == 0 && endpoint->settings.auth_timeout_ms == 0)
        return endpoint->transport->conn_size;
    return state_at(endpoint) + endpoint->state_size;
}

void *conn_allocate(const struct endpoint *endpoint) {
    return calloc(1, conn_memory_size(endpoint));
}

void *conn_app_state(const struct crew_conn *conn) {
    const struct endpoint *endpoint = conn->endpoint;
    return endpoint->state_size > 0 ? (char *)(uintptr_t)conn + state_at(endpoint) : NULL;
}
