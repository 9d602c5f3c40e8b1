/* SPDX-License-Identifier: MIT
 *
 * The request target (RFC 9112 section 3.2) taken apart, percent-encoding (RFC 3986
 * section 2.1), and paths that cannot leave their root.
 */
#ifndef CREWMAN_HTTP_TARGET_H
#define CREWMAN_HTTP_TARGET_H

#include "http_head.h"

struct http_target {
    struct http_slice path;  /* still encoded; "*" for OPTIONS * */
    struct http_slice query; /* behind the "?"; length 0: none, or an empty one */
    struct http_slice
        host; /* of the absolute form, which goes before the Host field; or Host */
};

/* 0; -400: malformed, or of a form that the method does not have; -501: CONNECT. */
int http_target_parse(const struct http_head *head, struct http_target *out_target);

enum http_decoding {
    HTTP_DECODE_PATH, /* every % begins an escape; NUL is refused */
    HTTP_DECODE_FORM  /* + is a space, a % that begins no escape is one; NUL is refused */
};

/* Decode into `out`, which has room for slice.len bytes and may be where the slice lies. The
 * length, or -1. */
long http_target_decode(struct http_slice slice, enum http_decoding decoding, char *out);

/* Remove "." and ".." segments and empty ones from a decoded path, in place. The new length;
 * -1: it does not begin with "/", leads above its root, or has a backslash or control character
 * in it. */
long http_target_clean(char *path, size_t len);

#endif
