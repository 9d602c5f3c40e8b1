/* SPDX-License-Identifier: MIT
 *
 * `tcp`: bytes as they come, a message for each read. Workerman: tcp:// without a protocol.
 */
#include "conn_out.h"
#include "stream.h"
#include "wire_frame.h"

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    if (*len == 0 || !conn_is_reading(conn))
        return;
    char *chunk = *data;
    size_t size = *len;
    *data += size;
    *len = 0;
    conn_deliver(conn, chunk, size, CREW_MSG_BINARY);
}

int protocol_tcp_send(struct crew_conn *conn, const void *data, size_t len,
                      enum crew_msg_type type) {
    (void)type;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    return conn_write(conn, &part, 1);
}

static int send_frame(struct crew_conn *conn, struct crew_frame *frame) {
    return conn_write_shared(conn, frame->plain);
}

const struct protocol protocol_tcp = {
    .name = "tcp",
    .has_heartbeat = true,
    .receive = receive,
    .send = protocol_tcp_send,
    .send_frame = send_frame,
};
