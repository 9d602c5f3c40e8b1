/* SPDX-License-Identifier: MIT
 *
 * The plain protocols over a stream, and the same over datagrams.
 */
#ifndef CREWMAN_STREAM_H
#define CREWMAN_STREAM_H

#include "protocol.h"

extern const struct protocol protocol_tcp, protocol_text, protocol_frame, protocol_custom;
extern const struct protocol protocol_udp, protocol_udp_text, protocol_udp_frame,
    protocol_udp_custom;

#endif
