/* SPDX-License-Identifier: MIT
 *
 * The core of a worker in a test program: one service with its endpoint over the memory
 * transport, a loop whose clock is the test's, and a handler that writes down what it is told.
 * A turn of the loop is as in a worker: what the peers have sent is read, then all is settled.
 */
#ifndef CREWMAN_TEST_STAGE_H
#define CREWMAN_TEST_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "memory.h"
#include "worker.h"

#define STAGE_PEERS_MAX 64

/* Of the heartbeat, unless a time is shorter than 4 s; what falls due is found in the second
 * one: that in which it began has gone in part. */
#define STAGE_TICK_MS  1000u
#define STAGE_SLACK_MS (2 * STAGE_TICK_MS)

struct stage {
    struct worker worker;
    struct service service;
    struct config_service config; /* to be changed before stage_start() */
    struct peer *peers[STAGE_PEERS_MAX];
    size_t peer_count;
    struct bytes events; /* "a connect; a open; a message hello; …" since the last look */
    bool is_deaf;        /* messages are not written down */
    /* What the app does in each callback; `msg` of a message, ping or pong. */
    void (*react)(struct crew_conn *conn, const char *event, const crew_msg *msg);
    bool is_judging;               /* the service itself says who may stay, not these two: */
    enum endpoint_verdict verdict; /* of whoever comes */
    int status;                    /* told to whom it turns away */
    bool is_hurried;               /* work is left for the next turn */
};

/* Heartbeat and deadlines off, limits as by default. */
struct stage *stage_new(enum listen_protocol protocol);

void stage_start(struct stage *stage, const struct transport *transport);

/* Ends every connection without a word, and gives everything back. */
void stage_free(struct stage *stage);

/* One more peer, not connected. Lives as long as the stage. */
struct peer *stage_peer(struct stage *stage, const char *name);

/* It connects; and both in one. */
void stage_adopt(struct stage *stage, struct peer *peer);
struct peer *stage_join(struct stage *stage, const char *name);

/* The same, with a WebSocket's handshake behind it and all that was said forgotten. */
struct peer *stage_meet(struct stage *stage, const char *name);

/* It sends a text. */
void stage_say(struct peer *peer, const char *text);

/* One turn of the loop; or as many as there is something to do for. */
void stage_turn(struct stage *stage);
void stage_run(struct stage *stage);

/* So much time goes by, in which the loop turns whenever a timer is due. */
void stage_pass(struct stage *stage, uint64_t ms);

/* A time in two parts: all of it but a tick, in which it does not run out; and that tick, with
 * the time until its end is found. */
void stage_pass_most(struct stage *stage, uint64_t ms);
void stage_pass_rest(struct stage *stage);

/* The same first part, at each tick of which the peer says something. */
void stage_chatter(struct stage *stage, struct peer *peer, const char *text, uint64_t ms);

/* What was written down since the last call; and whether it is this. */
char *stage_take_events(struct stage *stage); /* to be freed */
void stage_expect(struct stage *stage, const char *events);
void stage_forget(struct stage *stage);

/* We end the connection, or our half of it, in `ms` and not before. */
void stage_expect_end(struct stage *stage, const struct peer *peer, uint64_t ms);

/* Is this what the peer was sent since it was last asked? */
void stage_expect_out(struct peer *peer, const char *text);

/* For `react`: each request is answered with "ok". */
void stage_answer(struct crew_conn *conn, const char *event, const crew_msg *msg);

/* The peer whose connection it is: its name is in `events`. */
const struct peer *stage_peer_of(const struct crew_conn *conn);

#endif
