/* SPDX-License-Identifier: MIT
 *
 * Which protocol speaks what an address says.
 */
#ifndef CREWMAN_PROTOCOLS_H
#define CREWMAN_PROTOCOLS_H

#include "crewman.h"
#include "listen.h"
#include "protocol.h"

/* `framing` is the app's own, or NULL. */
const struct protocol *protocols_find(enum listen_protocol protocol,
                                      const struct crew_protocol *framing);

#endif
