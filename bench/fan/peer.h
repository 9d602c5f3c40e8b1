/* SPDX-License-Identifier: MIT
 *
 * One connection to the server, of a subscriber or of the publisher: connect, upgrade, say what
 * the templates say. Messages are few and small, so a send that is not taken whole is an error.
 */
#ifndef CREWMAN_BENCH_FAN_PEER_H
#define CREWMAN_BENCH_FAN_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* Print why nothing can be measured, and exit with 2. */
__attribute__((format(printf, 1, 2), noreturn)) void peer_fail(const char *format, ...);

/* A non-blocking socket on its way; `source` NULL: any address. -1 with errno. */
int peer_connect(uint16_t port, const char *source);

bool peer_send_upgrade(const struct options *options, int fd, unsigned subscriber);

/* Expand and send, in a frame unless the load is raw. */
bool peer_say(const struct options *options, int fd, const char *template, unsigned room,
              unsigned subscriber, const char *message);

/* All joins of this subscriber. */
bool peer_join(const struct options *options, int fd, unsigned subscriber);

/* A pong for a ping of at most 125 bytes. */
bool peer_pong(int fd, const char *data, uint8_t len);

#endif
