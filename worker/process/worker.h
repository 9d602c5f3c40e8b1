/* SPDX-License-Identifier: MIT
 *
 * struct worker: everything that one crewman-worker process owns hangs off it. One process
 * serves one slot of one service: one loop, one app, its connections. The parts are embedded
 * here; each is set up and torn down by its own file.
 */
#ifndef CREWMAN_WORKER_H
#define CREWMAN_WORKER_H

#include <uv.h>

#include "acceptor.h"
#include "admin.h"
#include "app.h"
#include "config.h"
#include "conns.h"
#include "control.h"
#include "cookie_store.h"
#include "crewman.h"
#include "guard.h"
#include "lifecycle.h"
#include "networks.h"
#include "plan.h"
#include "reaper.h"
#include "scoreboard.h"
#include "session_http.h"
#include "static.h"
#include "timers.h"
#include "udp.h"
#include "ws_deflate.h"

struct worker {
    uv_loop_t loop;
    struct networks proxies; /* plan.service.trusted_proxies */
    struct plan plan;        /* who we are: service config, slot, generation, descriptors */
    const struct crew_service *app; /* the callbacks; a zeroed one until the app is loaded */
    struct crew_service service;    /* of the app; `app` points here */
    struct scoreboard *board;
    struct score_line *line; /* our own, in the board or, without one, private memory */
    struct guard guard;
    struct timers timers;
    struct conns conns;
    struct acceptor acceptor;
    struct udp udp; /* in place of the acceptor, for datagrams */
    struct reaper reaper;
    struct control control;
    struct lifecycle lifecycle;
    struct admin admin;
    struct http_shared http;
    struct static_files files;
    struct cookie_store cookies;
    struct ws_shared ws;
    uv_signal_t term;
    struct score_line own_line; /* before there is a scoreboard */
};

/* The one worker of this process, for the crew_* functions that have no connection to start
 * from. The only such access: everything internal is handed its worker. */
struct worker *worker_self(void);

#endif
