/* SPDX-License-Identifier: MIT
 *
 * See custom.h.
 */
#include "custom.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_handler.h"
#include "conn_out.h"
#include "service.h"
#include "utf8.h"

/* Most messages are encoded here, without an allocation. */
#define OUT_FIRST 1024u

struct crew_out {
    char *data; /* `first`, or on the heap */
    size_t len, capacity;
    bool has_failed;
    char first[OUT_FIRST];
};

struct custom *custom_new(const struct crew_protocol *protocol) {
    struct custom *custom;
    if (protocol->state_size > SIZE_MAX - sizeof(*custom))
        return NULL;
    return calloc(1, sizeof(*custom) + protocol->state_size);
}

void custom_free(struct custom *custom) {
    if (custom)
        free(custom->buffer);
    free(custom);
}

int custom_check(const struct crew_protocol *protocol, const struct config_service *config,
                 char *out_why, size_t size) {
    enum listen_protocol listen = config->listen.protocol;
    if (!protocol->input || !protocol->name) {
        snprintf(out_why, size, "services.%s: its protocol has no %s", config->name,
                 protocol->name ? "input" : "name");
        return CREW_EINVAL;
    }
    if (!utf8_is_valid(protocol->name, strlen(protocol->name))) { /* JSON holds no other text */
        snprintf(out_why, size, "services.%s: the name of its protocol is no UTF-8",
                 config->name);
        return CREW_EINVAL;
    }
    if (listen != LISTEN_TCP && listen != LISTEN_UDP && listen != LISTEN_NONE) {
        snprintf(
            out_why, size,
            "services.%s.listen: found \"%s\"; expected tcp, unix or udp, as the app frames "
            "messages itself (protocol \"%s\")",
            config->name, config->listen_text, protocol->name);
        return CREW_EINVAL;
    }
    return 0;
}

void custom_drop(struct custom *custom) {
    free(custom->buffer);
    custom->buffer = NULL;
    custom->start = custom->len = custom->capacity = 0;
}

static const struct crew_protocol *protocol_of(const struct crew_conn *conn) {
    return service_of(conn)->app.protocol;
}

/* The peer of a lone datagram is never closed. */
static bool is_over(const struct crew_conn *conn) {
    return conn->id != 0 && conn->state > CONN_OPEN;
}

int custom_deliver(struct crew_conn *conn, char *package, size_t len) {
    struct {
        crew_msg message;
        char room[64]; /* a newer app may assign the whole of a longer struct */
    } decoded = {
        {.data = package, .len = len, .type = CREW_MSG_BINARY, .size = sizeof(crew_msg)}, {0}};
    int answer = app_handler_decode(conn, package, len, &decoded.message);
    const crew_msg *message = &decoded.message;
    if (answer < 0)
        return CREW_EPROTO;
    if (is_over(conn)) /* the app closed it just now */
        return 0;
    conn_note_complete(conn);
    /* on_message promises data that is not NULL. */
    if (answer == 0)
        conn_deliver(conn, message->data ? message->data : package,
                     message->data ? message->len : 0, message->type);
    return 0;
}

static bool grow(crew_out *out, size_t more) {
    size_t capacity = out->capacity;
    if (more > SIZE_MAX / 4 - out->len)
        return false;
    while (capacity < out->len + more)
        capacity *= 2;
    char *data = out->data == out->first ? malloc(capacity) : realloc(out->data, capacity);
    if (!data)
        return false;
    if (out->data == out->first)
        memcpy(data, out->first, out->len);
    out->data = data;
    out->capacity = capacity;
    return true;
}

int crew_out_add(crew_out *out, const void *data, size_t len) {
    if (!out)
        return CREW_ENOENT;
    if (out->has_failed || (len > out->capacity - out->len && !grow(out, len))) {
        out->has_failed = true;
        return CREW_ENOMEM;
    }
    if (len > 0)
        memcpy(out->data + out->len, data, len);
    out->len += len;
    return 0;
}

static int send_encoded(struct crew_conn *conn, const crew_out *out, int answer) {
    struct iovec part = {.iov_base = out->data, .iov_len = out->len};
    if (out->has_failed)
        return CREW_ENOMEM;
    if (answer < 0 || out->len == 0)
        return answer < 0 ? answer : CREW_SENT;
    return conn_write(conn, &part, 1);
}

int custom_send(struct crew_conn *conn, const void *data, size_t len, enum crew_msg_type type) {
    const struct crew_protocol *protocol = protocol_of(conn);
    if (!conn->as.custom)
        return CREW_ENOMEM;
    if (!protocol->encode || is_over(conn)) { /* for conn_write() to refuse */
        struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        return conn_write(conn, &part, 1);
    }
    crew_out out;
    out.data = out.first;
    out.len = 0;
    out.capacity = sizeof(out.first);
    out.has_failed = false;
    int answer = app_handler_encode(conn, data, len, type, &out);
    int result = send_encoded(conn, &out, answer);
    if (out.data != out.first)
        free(out.data);
    return result;
}

void *crew_protocol_state(const crew_conn *conn) {
    if (!conn)
        return NULL;
    const struct crew_protocol *protocol = protocol_of(conn);
    if (!protocol || protocol->state_size == 0 || !conn->as.custom)
        return NULL;
    return conn->as.custom->state;
}
