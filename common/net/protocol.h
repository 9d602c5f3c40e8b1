/* SPDX-License-Identifier: MIT
 *
 * A protocol turns the bytes of one connection into messages and messages into bytes. The table
 * of functions is the protocol, the union in the connection is its state. It calls
 * conn*.h; it is called by the files of common/net and, to send and to switch from HTTP to
 * WebSocket, by worker/api and worker/http. A preface is what may stand on the wire before the
 * transport's own first byte.
 */
#ifndef CREWMAN_PROTOCOL_H
#define CREWMAN_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crewman.h"
#include "frame.h"
#include "liveness.h"
#include "text.h"
#include "ws_frame.h"

struct crew_conn;
struct crew_frame;
struct crew_request;
struct custom;
struct ws_deflate;

union protocol_state {
    void *first; /* NULL: the protocol has no memory for it, but what conn.held counts */
    struct {
        struct ws_decoder decoder;
        struct ws_deflate *deflate; /* NULL: not negotiated */
    } ws;
    struct {
        struct crew_request *request; /* the exchange under way, or NULL */
        size_t scanned;               /* of a head that is not complete */
    } http;
    struct text_decoder text;
    struct frame_decoder frame;
    struct custom *custom; /* NULL: memory was short */
};

struct protocol {
    const char *name;
    bool has_handshake;  /* false: OPEN right after on_connect */
    bool has_heartbeat;  /* silence is a sign of death */
    bool awaits_goodbye; /* after our goodbye the peer's is awaited, before the end */
    bool has_probe;      /* it, or the protocol that it may become, has a `probe` */
    bool begins_without; /* also with `first` NULL something may be unfinished */

    void (*start)(struct crew_conn *conn); /* NULL: nothing to set up */
    /* Just before on_connect (NULL: nothing to do). */
    void (*connected)(struct crew_conn *conn);
    void (*done)(struct crew_conn *conn); /* NULL: nothing to free */

    /* Consume from *data, *len. Bytes that are left are given again, with more behind them, at
     * the next receive, so a protocol leaves some only while its handshake is not complete or
     * conn_is_reading() is false. In CLOSING it is called only if it awaits the peer's goodbye.
     */
    void (*receive)(struct crew_conn *conn, char **data, size_t *len);

    /* How much to receive at once, and where: room of its own, of which `filled` is told how
     * much came; or, *out_room unchanged, the beginning of something long that it will then
     * have room for. NULL or 0: as much as there is. */
    size_t (*want)(struct crew_conn *conn, char **out_room);
    void (*filled)(struct crew_conn *conn, size_t len);

    /* Has it taken something from the transport that it hands out at the next receive, with or
     * without more bytes? (NULL: never.) */
    bool (*has_rest)(const struct crew_conn *conn);

    /* How many bytes have come of a message, line, frame or body that has begun and is not
     * complete; negative: there is none (NULL: never). */
    int64_t (*unfinished)(const struct crew_conn *conn);

    /* The memory that it has for this connection (NULL: none). Where that changes outside of
     * `receive` conn_count_held() follows. */
    size_t (*held)(const struct crew_conn *conn);

    /* Memory is short, and this connection pays: give up what came of an unfinished message and
     * read nothing any more; if it is not closing yet, say so to the peer as the protocol can
     * (NULL: it has nothing of that). `is_cut`: something was being sent, which may end at any
     * byte. The caller closes. */
    void (*shed)(struct crew_conn *conn, bool is_cut);

    /* Send one message of the app. */
    int (*send)(struct crew_conn *conn, const void *data, size_t len, enum crew_msg_type type);

    /* Send a frame in the form that all connections of this kind share (NULL: there is none;
     * `send` is called with its message). */
    int (*send_frame)(struct crew_conn *conn, struct crew_frame *frame);

    /* Say goodbye with a WebSocket close code (NULL: the protocol has none). In OPENING it
     * refuses the handshake; `code` may then be an HTTP status. */
    void (*goodbye)(struct crew_conn *conn, int code, const char *text);

    /* Ask for a sign of life that the peer's protocol answers by itself, naming `token` in it
     * (NULL: has none). */
    void (*probe)(struct crew_conn *conn, uint32_t token);

    /* A polite end for `reason` is asked for while it has something to finish first (NULL:
     * never): true to be asked again. */
    bool (*lingers)(struct crew_conn *conn, int reason);

    /* In place of `start`: there is no place for it. Say so by an HTTP `status` (NULL: there is
     * no way to); it closes behind that. */
    void (*turn_away)(struct crew_conn *conn, int status);

    /* All that was queued has gone (NULL: nothing to do). */
    void (*drained)(struct crew_conn *conn);

    /* A deadline other than that of closing has passed (NULL: the connection ends). */
    void (*expired)(struct crew_conn *conn, enum deadline deadline);
};

struct preface {
    /* May this peer send one? */
    bool (*is_expected)(struct crew_conn *conn);

    /* Of `len` bytes how many are the preface, once it is complete; 0: more are needed, and all
     * of these belong to it; negative: it is malformed. */
    int (*take)(struct crew_conn *conn, const char *data, size_t len);
};

#endif
