/* SPDX-License-Identifier: MIT
 *
 * The one table of what a child process counts: name, kind, help. The rows of its page
 * (scoreboard.h), `crewman status` and its JSON are made from it. Rows are only appended, never
 * moved or given another meaning: a master and its children may be of neighbouring versions.
 */
#ifndef CREWMAN_COUNTERS_H
#define CREWMAN_COUNTERS_H

enum counter_kind {
    COUNTER_KIND_TOTAL, /* only grows; the master adds it up over a slot's processes */
    COUNTER_KIND_GAUGE, /* as it is now, in this process */
    COUNTER_KIND_MARK   /* for the master and the siblings, and not shown as a number */
};

#define COUNTERS(X)                                                                            \
    X(PID, pid, MARK, "Process id, for people who look at a page; the master knows it.")       \
    X(STATE, state, MARK, "Whether it accepts: enum score_state.")                             \
    X(CALLBACK, callback, MARK, "The callback that runs: enum score_callback.")                \
    X(TICK_AT, tick_at, MARK, "Last turn of the event loop, in ms of CLOCK_MONOTONIC.")        \
    X(TURNS, turns, TOTAL, "Turns of the event loop.")                                         \
    X(CONNECTIONS, connections, GAUGE, "Open connections.")                                    \
    X(ACCEPTED, accepted, TOTAL, "Connections accepted.")                                      \
    X(MESSAGES_IN, messages_in, TOTAL, "Messages received.")                                   \
    X(MESSAGES_OUT, messages_out, TOTAL, "Messages sent.")                                     \
    X(BYTES_IN, bytes_in, TOTAL, "Bytes received, on the wire.")                               \
    X(BYTES_OUT, bytes_out, TOTAL, "Bytes sent, as far as the kernel took them.")              \
    X(SEND_FAILURES, send_failures, TOTAL, "Sends refused: a full buffer, or a closed end.")   \
    X(REAPED, reaped, TOTAL, "Connections ended by the heartbeat.")                            \
    X(REFUSED, refused, TOTAL, "Connections and handshakes refused.")                          \
    X(PROTOCOL_ERRORS, protocol_errors, TOTAL, "Connections ended for breaking the protocol.") \
    X(LIMIT_ERRORS, limit_errors, TOTAL, "Connections ended at a limit.")                      \
    X(TIMEOUTS, timeouts, TOTAL, "Connections ended by a timeout.")                            \
    X(TIMERS, timers, GAUGE, "Timers of the app.")                                             \
    X(LAG_US, lag_us, GAUGE, "Longest hold-up of the loop between the last two beats, in us.") \
    X(EVICTED, evicted, TOTAL, "Peers and connections ended to make room.")                    \
    X(SERVICES, services, MARK, "Which services it has: score_services() of their names.")     \
    X(FULL_SERVICES, full_services, MARK, "Bit i: the i-th of them takes no connections.")     \
    X(TURNED_AWAY, turned_away, TOTAL, "Connections turned away for want of a place.")         \
    X(OVER_ADDRESS, over_address, TOTAL, "Refused: too many from one client address.")         \
    X(SESSION_ERRORS, session_errors, TOTAL, "Sessions that could not be read or stored.")     \
    X(SHED, shed, TOTAL, "Connections ended because limits.memory was reached.")               \
    X(MEMORY, memory, GAUGE, "Memory that the clients make it hold, in bytes.")

enum counter_id {
#define COUNTER_MEMBER(id, name, kind, help) COUNTER_##id,
    COUNTERS(COUNTER_MEMBER)
#undef COUNTER_MEMBER
        COUNTER_COUNT
};

struct counter {
    const char *name;
    enum counter_kind kind;
    const char *help;
};

const struct counter *counter_get(enum counter_id id);

#endif
