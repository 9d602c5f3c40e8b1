/* SPDX-License-Identifier: MIT
 *
 * Cookies (RFC 6265): reading Cookie, writing Set-Cookie.
 */
#ifndef CREWMAN_COOKIE_H
#define CREWMAN_COOKIE_H

#include "http_chars.h"

/* The next pair of a Cookie value; quotes around the value are taken away. What is no pair is
 * passed over. Takes it off *rest; false at the end. */
bool cookie_next(struct http_slice *rest, struct http_slice *out_name,
                 struct http_slice *out_value);

enum cookie_same_site {
    COOKIE_SAME_SITE_UNSET,
    COOKIE_SAME_SITE_LAX,
    COOKIE_SAME_SITE_STRICT,
    COOKIE_SAME_SITE_NONE
};

struct cookie {
    struct http_slice name, value;
    struct http_slice path, domain; /* length 0: left out */
    bool has_max_age, has_expires;
    int64_t max_age; /* seconds, 0 or less: forget it */
    int64_t expires; /* seconds since 1970 */
    bool is_secure, is_http_only, is_partitioned;
    enum cookie_same_site same_site;
};

/* Write the value of Set-Cookie, without a NUL. The length; -1: a name that is no token, a
 * value, path or domain with a character that would end it, __Host- or __Secure- without what
 * they promise, SameSite=None or Partitioned without Secure (browsers drop these), or not
 * enough room. */
long cookie_encode(const struct cookie *cookie, char *out, size_t capacity);

#endif
