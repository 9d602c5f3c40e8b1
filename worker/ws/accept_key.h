/* SPDX-License-Identifier: MIT
 *
 * Sec-WebSocket-Accept: base64 of the SHA-1 of the key and a fixed GUID (RFC 6455 section 4.2.2
 * step 5.4).
 */
#ifndef CREWMAN_ACCEPT_KEY_H
#define CREWMAN_ACCEPT_KEY_H

#include <stddef.h>

#define ACCEPT_KEY_SIZE 29 /* 28 characters and a NUL */

/* `key` as the client sent it, 24 characters. 0, or CREW_ENOMEM when OpenSSL cannot. */
int accept_key_make(const char *key, size_t len, char out_accept[ACCEPT_KEY_SIZE]);

#endif
