/* SPDX-License-Identifier: MIT
 *
 * heartbeat: notices clients that vanish. Every client is announced when it comes and when it
 * goes, with the reason: "peer" said goodbye, "io" was reset, "heartbeat" fell silent without a
 * word (a dead battery, a tunnel, a pulled cable). There is no heartbeat code here: the worker
 * sends the pings, takes every received byte as a sign of life, and closes what shows none in
 * idle_timeout.
 */
#include <crewman.h>
#include <inttypes.h>
#include <stdio.h>

/* "[2001:db8::1]:4711", "192.0.2.1:4711". */
static const char *peer_text(const crew_conn *conn, char *text, size_t size) {
    struct crew_addr peer;

    crew_conn_peer(conn, &peer);
    if (peer.family == CREW_ADDR_IPV6)
        snprintf(text, size, "[%s]:%u", peer.text, (unsigned)peer.port);
    else
        snprintf(text, size, "%s:%u", peer.text, (unsigned)peer.port);
    return text;
}

static void on_open(crew_conn *conn) {
    char peer[128];

    crew_log(CREW_LOG_NOTICE, "came %s, now %zu online here",
             peer_text(conn, peer, sizeof(peer)), crew_conn_count());
}

/* Tells the client how it looks from here; a browser can show it. */
static void on_message(crew_conn *conn, const crew_msg *msg) {
    struct crew_conn_stats stats;
    char answer[160];
    int len;

    (void)msg;
    crew_conn_stats(conn, &stats);
    len = snprintf(answer, sizeof(answer),
                   "{\"online_s\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"rtt_ms\":%" PRId64 "}",
                   stats.age_ms / 1000, stats.messages_in, stats.rtt_ms);
    if (crew_conn_send_text(conn, answer, (size_t)len) == CREW_QUEUED)
        crew_conn_pause(conn); /* it asks faster than it reads */
}

static void on_buffer_drain(crew_conn *conn) {
    crew_conn_resume(conn);
}

static void on_close(crew_conn *conn, int reason) {
    struct crew_conn_stats stats;
    char peer[128];

    crew_conn_stats(conn, &stats);
    crew_log(CREW_LOG_NOTICE, "gone %s after %" PRIu64 " s, silent for %" PRIu64 " s: %s",
             peer_text(conn, peer, sizeof(peer)), stats.age_ms / 1000, stats.idle_ms / 1000,
             crew_close_reason_name(reason));
}

CREW_APP({
    .name = "heartbeat",
    .listen = "websocket://0.0.0.0:2347",
    .workers = 2,
    /* Short times, so that there is something to see; the defaults are 25 s and 60 s. */
    .config = "{\"heartbeat\": {\"ping_interval\": \"5s\", \"idle_timeout\": \"12s\","
              " \"client_ping\": \"ping\", \"client_pong\": \"pong\"}}",
    .on_open = on_open,
    .on_message = on_message,
    .on_buffer_drain = on_buffer_drain,
    .on_close = on_close,
})
