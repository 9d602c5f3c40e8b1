/* SPDX-License-Identifier: MIT
 *
 * A stream in the app's own framing (struct crew_protocol): asks `input` where a package ends,
 * and hands whole ones to `decode` and on_message. Packages are read where they lie; only what
 * is left of a read is copied, into a buffer that grows with what really came. Nothing is
 * remembered of what was delivered.
 */
#include <stdlib.h>
#include <string.h>

#include "app_handler.h"
#include "conn_close.h"
#include "conn_state.h"
#include "custom.h"
#include "service.h"
#include "stream.h"

static size_t max_message(const struct crew_conn *conn) {
    return conn->endpoint->settings.max_message;
}

void protocol_custom_connected(struct crew_conn *conn) {
    conn->as.custom = custom_new(service_of(conn)->app.protocol);
    if (!conn->as.custom)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
    else
        app_handler_framing_connect(conn);
}

void protocol_custom_done(struct crew_conn *conn) {
    if (conn->as.custom && conn->is_announced)
        app_handler_framing_close(conn);
    custom_free(conn->as.custom);
    conn->as.custom = NULL;
}

size_t protocol_custom_held(const struct crew_conn *conn) {
    const struct custom *custom = conn->as.custom;
    size_t state_size = service_of(conn)->app.protocol->state_size;
    return custom ? sizeof(*custom) + state_size + custom->capacity : 0;
}

void protocol_custom_shed(struct crew_conn *conn, bool is_cut) {
    (void)is_cut;
    if (conn->as.custom)
        custom_drop(conn->as.custom);
}

static void too_big(struct crew_conn *conn) {
    conn_violate(conn, CREW_ETOOBIG, 0, "package longer than max_message");
}

/* Do we know where the first package ends? Asks at most once for the same bytes. */
static bool knows_length(struct crew_conn *conn, const char *data, size_t len) {
    struct custom *custom = conn->as.custom;
    if (custom->need > 0 || len == 0)
        return custom->need > 0;
    ptrdiff_t answer = app_handler_input(conn, data, len);
    if (conn->state > CONN_OPEN)
        return false;
    if (answer < 0)
        conn_violate(conn, CREW_EPROTO, 0, "the protocol's input refused it");
    else if ((size_t)answer > max_message(conn) || (answer == 0 && len >= max_message(conn)))
        too_big(conn);
    else
        custom->need = (size_t)answer;
    return custom->need > 0;
}

/* Deliver what is whole at `data`; answers how many bytes that were. */
static size_t deliver_whole(struct crew_conn *conn, char *data, size_t len) {
    struct custom *custom = conn->as.custom;
    size_t used = 0;
    while (conn_is_reading(conn) && knows_length(conn, data + used, len - used) &&
           len - used >= custom->need && conn_is_reading(conn)) {
        size_t size = custom->need;
        custom->need = 0;
        if (custom_deliver(conn, data + used, size) != 0)
            conn_violate(conn, CREW_EPROTO, 0, "the protocol's decode refused it");
        used += size;
    }
    return used;
}

static bool reserve(struct custom *custom, size_t more) {
    if (custom->start > 0) {
        memmove(custom->buffer, custom->buffer + custom->start, custom->len);
        custom->start = 0;
    }
    if (custom->len + more <= custom->capacity)
        return true;
    size_t capacity = custom->len + more;
    if (custom->len > 0)
        capacity *= 2;
    char *buffer = realloc(custom->buffer, capacity);
    if (!buffer)
        return false;
    custom->buffer = buffer;
    custom->capacity = capacity;
    return true;
}

static void keep(struct crew_conn *conn, const char *data, size_t len) {
    struct custom *custom = conn->as.custom;
    if (!reserve(custom, len)) {
        conn_violate(conn, CREW_ENOMEM, 0, "no memory for the package");
        return;
    }
    memcpy(custom->buffer + custom->len, data, len);
    custom->len += len;
}

static void drop(struct custom *custom, size_t used) {
    custom->start += used;
    custom->len -= used;
    if (custom->len == 0)
        custom_drop(custom);
}

/* Go on in the buffer, with as much of `data` as the first package can need. */
static void read_buffer(struct crew_conn *conn, char **data, size_t *len) {
    struct custom *custom = conn->as.custom;
    size_t missing = custom->need > custom->len ? custom->need - custom->len : 0;
    size_t take = custom->need > 0 && missing < *len ? missing : *len;
    if (take > 0) {
        keep(conn, *data, take);
        *data += take;
        *len -= take;
    }
    if (conn->state <= CONN_OPEN)
        drop(custom, deliver_whole(conn, custom->buffer + custom->start, custom->len));
}

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    struct custom *custom = conn->as.custom;
    do {
        if (custom->len > 0)
            read_buffer(conn, data, len);
    } while (custom->len > 0 && *len > 0 && conn_is_reading(conn));
    if (*len == 0 || custom->len > 0 || conn->state > CONN_OPEN)
        return;
    size_t used = deliver_whole(conn, *data, *len);
    *data += used;
    *len -= used;
    if (*len > 0 && conn_is_reading(conn)) {
        keep(conn, *data, *len);
        *len = 0;
    }
}

/* A package that is known not to be whole waits for more. */
static bool has_rest(const struct crew_conn *conn) {
    const struct custom *custom = conn->as.custom;
    return custom && custom->len > 0 && custom->len >= custom->need;
}

static int64_t unfinished(const struct crew_conn *conn) {
    const struct custom *custom = conn->as.custom;
    return custom && custom->len > 0 ? (int64_t)custom->len : -1;
}

const struct protocol protocol_custom = {
    .name = "custom",
    .has_heartbeat = true,
    .connected = protocol_custom_connected,
    .done = protocol_custom_done,
    .receive = receive,
    .has_rest = has_rest,
    .unfinished = unfinished,
    .held = protocol_custom_held,
    .shed = protocol_custom_shed,
    .send = custom_send,
};
