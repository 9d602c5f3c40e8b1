/* SPDX-License-Identifier: MIT
 *
 * One connection: its socket, its place in the lists, what it has yet to send, its session.
 * States only go forward:
 *
 *   OPENING: the protocol's handshake runs.
 *
 *   OPEN: messages flow.
 *
 *   CLOSING: something said goodbye; what is queued goes out, the peer's end is awaited. It
 *   lasts close_timeout at most.
 *
 *   ENDED: nothing is read or written any more; on_close is due at the next turn of the loop.
 *
 * on_close, and all that frees, happens in conns_settle(), never inside a callback of the app:
 * so a crew_conn pointer stays valid until the callback that destroyed it has returned. An idle
 * connection owns no buffer.
 */
#ifndef CREWMAN_CONN_H
#define CREWMAN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "crewman.h"
#include "liveness.h"
#include "sendq.h"
#include "session.h"

struct worker;

enum conn_state { CONN_OPENING, CONN_OPEN, CONN_CLOSING, CONN_ENDED };

/* Bytes that came and are not consumed: an unfinished handshake, or what was read before a
 * pause. */
struct stash {
    size_t len, capacity;
    char data[];
};

struct crew_conn {
    struct list in_all;
    struct liveness_node liveness;
    crew_id id;
    struct worker *worker;
    const struct session *session;
    union session_state protocol;
    struct sendq out;
    struct stash *stash;
    struct address *client;     /* who a trusted proxy says it is; NULL: `peer` */
    struct crew_conn *next_due; /* see conns_settle() */
    void *data;
    void (*data_destructor)(void *data);
    uint64_t bytes_in, bytes_out, messages_in, messages_out;
    uint64_t control_until; /* see conn_write_control() */
    uint32_t control_queued;
    uint32_t accepted_s;    /* loop seconds */
    uint32_t probe_sent_ms; /* loop milliseconds, low 32 bits */
    int32_t rtt_ms;         /* -1: not known yet */
    uint32_t rate_second, rate_count;
    uint32_t unacknowledged; /* see conn_is_taking() */
    int fd;
    int32_t error;       /* for on_error just before on_close; 0: none */
    struct address peer; /* who is at the other end; behind a PROXY header who that says */
    uint16_t close_code; /* see crew_conn_close_code() */
    uint8_t state;       /* enum conn_state */
    uint8_t reason;      /* enum crew_close_reason, once it is CLOSING */
    uint8_t awaits;      /* enum deadline: what the session awaits of the peer */
    uint8_t polled;      /* what its socket is watched for: POLLER_READABLE | POLLER_WRITABLE */
    bool is_paused : 1;
    bool is_backlogged : 1;   /* enough is stashed: do not read on */
    bool holds_back : 1;      /* the session goes on with the stash in a later turn */
    bool is_due : 1;          /* on the list of conns_settle() */
    bool is_admitted : 1;     /* counted among the connections of its address */
    bool is_announced : 1;    /* on_connect was called */
    bool is_probed : 1;       /* a probe has no answer yet */
    bool is_over : 1;         /* above the high-water mark: on_buffer_full was called */
    bool has_eof : 1;         /* the peer has sent its last byte */
    bool has_goodbye : 1;     /* the peer has said the protocol's goodbye */
    bool is_garbled : 1;      /* what it says cannot be understood any more */
    bool is_shut : 1;         /* our last byte has gone: shutdown(2) */
    bool last_was_binary : 1; /* kind of the last message received */
};

/* Take over an accepted, non-blocking socket: announce it and begin its session. -ENOMEM or a
 * libuv error; `fd` is the caller's again then. */
int conn_open(struct worker *worker, int fd, const struct address *peer);

/* Announce a peer of a udp service and begin its session, in zeroed memory that udp_release()
 * frees after on_close. -ENOMEM; it is the caller's again then. */
int conn_open_datagram(struct worker *worker, struct crew_conn *conn,
                       const struct address *peer);

/* Zeroed memory becomes the connection that a peer has for one datagram: without an id, ENDED,
 * never announced. */
void conn_lend(struct worker *worker, struct crew_conn *conn);

/* The peer is known now (from session_proxy, or at once): announce the connection and begin the
 * session of the service, unless the peer's address has enough of them. */
void conn_admit(struct crew_conn *conn);

/* The session's handshake is done: OPENING → OPEN. `response` (NULL: none) goes before anything
 * that the app has sent already. Calls on_open. */
void conn_opened(struct crew_conn *conn, const char *response, size_t len);

/* One message for the app; `data` may be changed by it. Counts it, answers client_ping, holds
 * message_rate. */
void conn_deliver(struct crew_conn *conn, char *data, size_t len, enum crew_msg_type type);

/* May the session go on handing out messages? Not while paused, closing or ended. */
static inline bool conn_is_reading(const struct crew_conn *conn) {
    return conn->state <= CONN_OPEN && !conn->is_paused;
}

/* Polite end: the session says goodbye with `code`, what is queued goes out. `text` NULL or a
 * reason for the peer. */
void conn_close(struct crew_conn *conn, int reason, int code, const char *text);

/* The session has written its own last words (an error response): as conn_close() without a
 * goodbye. */
void conn_finish(struct crew_conn *conn, int reason);

/* The peer broke a rule: on_error at once, then conn_close(). `error` CREW_EPROTO,
 * CREW_ETOOBIG, … */
void conn_violate(struct crew_conn *conn, int error, int code, const char *text);

/* Count and tell a fault of the peer (on_error); the caller closes. */
void conn_report(struct crew_conn *conn, int error, const char *text);

/* End at once. `error` 0, or what on_error shall be called with just before on_close. */
void conn_end(struct crew_conn *conn, int reason, int error);

/* The last step, from conns_settle(): on_error, on_close, destructor; frees it. */
void conn_bury(struct crew_conn *conn);

/* Hand the stash to the session again, from conns_settle() after a resume. */
void conn_take_up(struct crew_conn *conn);

/* The socket is what it was watched for, POLLER_READABLE | POLLER_WRITABLE. */
void conn_ready(void *conn, int events);

/* Watch for what the state asks for. */
void conn_update_poll(struct crew_conn *conn);

const char *conn_state_name(const struct crew_conn *conn);
const char *conn_protocol_name(const struct crew_conn *conn);

/* conn_deadline.c: the deadline that counts. */

/* Await something of the peer, from now on; DEADLINE_NONE: it is the app's turn. */
void conn_await(struct crew_conn *conn, enum deadline deadline);

/* The state, the queue or the pause has changed. */
void conn_check_deadline(struct crew_conn *conn);

/* The same, and the peer has made progress: from now on. */
void conn_restart_deadline(struct crew_conn *conn);

/* conn_in.c: the way in. */

/* The socket has something: read it, a bounded amount of it. */
void conn_read(struct crew_conn *conn);

/* Hand what came to the session, behind what it had left. */
void conn_receive(struct crew_conn *conn, char *data, size_t len);

void conn_discard_stash(struct crew_conn *conn);

/* conn_out.c: the way out. */

/* Would conn_write() take so much, or answer CREW_EFULL? An empty queue takes anything. */
bool conn_fits(const struct crew_conn *conn, size_t len);

/* Send or queue `parts` as one piece. CREW_SENT, CREW_QUEUED, CREW_EFULL (nothing sent),
 * CREW_ECLOSED, CREW_ENOMEM. */
int conn_write(struct crew_conn *conn, const struct iovec *parts, int count);

/* For a short message while the connection is corked: `size` bytes of room behind what is
 * gathered, or NULL when the message must go by conn_write(). What was written there is sent
 * with conn_gathered(), before anything else is sent. */
char *conn_gather(struct crew_conn *conn, size_t size);
int conn_gathered(struct crew_conn *conn, size_t len); /* CREW_SENT */

/* The same for one answer to a request: accepted whatever is queued, as the next request waits
 * until the queue is short. */
int conn_write_answer(struct crew_conn *conn, const struct iovec *parts, int count);

/* Send `len` bytes of `source` from `offset` on, behind a head that announced them. A long run
 * goes from the kernel's file cache to the socket as the peer takes it, and holds a reference
 * meanwhile; it counts neither to max_send_buffer nor to the high-water mark. A file that has
 * become shorter ends the connection, as what was announced cannot be kept. CREW_SENT,
 * CREW_ECLOSED. Behind the last run of an answer conn_flush_files() must be called. */
int conn_write_file(struct crew_conn *conn, struct source *source, uint64_t offset, size_t len);

/* Give the kernel what it takes now of queued files, and wait for the rest: mostly the peer has
 * room for all, and no turn of the loop is needed. CREW_SENT, CREW_ECLOSED. */
int conn_flush_files(struct crew_conn *conn);

/* The same for what the protocol itself must say (pong, close, errors): not held back by
 * max_send_buffer, bounded by what the peer makes us say. */
int conn_write_control(struct crew_conn *conn, const void *data, size_t len);

/* Gather what this connection sends until conn_uncork(), which sends it in one write. */
void conn_cork(struct crew_conn *conn);
void conn_uncork(struct crew_conn *conn);

/* The socket takes more: send what is queued. */
void conn_flush(struct crew_conn *conn);

/* on_buffer_drain, if it is due: conn_flush() does so itself, but not before on_open. */
void conn_tell_drained(struct crew_conn *conn);

/* Has the peer taken some of what the kernel holds for it, since this was last asked? The
 * socket itself counts as writable again only when a third of a buffer of megabytes is free,
 * which a slow peer needs long for. */
bool conn_is_taking(struct crew_conn *conn);

#endif
