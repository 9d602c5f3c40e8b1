/* SPDX-License-Identifier: MIT
 *
 * struct worker: everything that one crewman-worker process owns hangs off it. One process
 * serves one slot: one loop, one app, its services and their connections. The parts are
 * embedded here; each is set up and torn down by its own file.
 */
#ifndef CREWMAN_WORKER_H
#define CREWMAN_WORKER_H

#include <uv.h>

#include "admin.h"
#include "conns.h"
#include "control.h"
#include "guard.h"
#include "lifecycle.h"
#include "list.h"
#include "plan.h"
#include "protocol_http.h"
#include "room.h"
#include "scoreboard.h"
#include "scratch.h"
#include "service.h"
#include "settle.h"
#include "siblings.h"
#include "timers.h"
#include "turn.h"
#include "upkeep.h"
#include "ws_deflate.h"

struct worker {
    uv_loop_t loop;
    struct plan plan;         /* who we are: services, slot, generation, descriptors */
    struct list services;     /* of struct service, the plan's first: see services.h */
    struct room room;         /* for their connections */
    struct service *running;  /* whose callback runs, or NULL */
    struct score_page *page;  /* our own; NULL before there is a plan */
    struct score_line *line;  /* in it or, without one, in private memory */
    struct siblings siblings; /* the pages of others like us */
    struct guard guard;
    struct timers timers;
    struct scratch scratch;
    struct conns conns;
    struct settle settle;
    struct turn turn;
    struct control control;
    struct lifecycle lifecycle;
    struct upkeep upkeep;
    struct admin admin;
    struct http_shared http;
    struct ws_shared ws;
    uv_signal_t term;
    struct score_line own_line; /* before there is a page */
    bool is_describing;         /* the app only says what it declares: there is no loop */
};

/* The one worker of this process, for the crew_* functions that have no connection to start
 * from. The only such access: everything internal is handed its worker. */
struct worker *worker_self(void);

/* From main.c: this is it. */
void worker_claim(struct worker *worker);

#endif
