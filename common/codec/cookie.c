/* SPDX-License-Identifier: MIT
 *
 * Cookies: see cookie.h.
 */
#include "cookie.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http_date.h"

static struct http_slice take_piece(struct http_slice *rest) {
    const char *end = memchr(rest->data, ';', rest->len);
    uint32_t len = end ? (uint32_t)(end - rest->data) : rest->len;
    struct http_slice piece = {rest->data, len};
    uint32_t step = end ? len + 1 : len;
    rest->data += step;
    rest->len -= step;
    return http_slice_trim(piece);
}

static struct http_slice unquote(struct http_slice value) {
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        return (struct http_slice){value.data + 1, value.len - 2};
    return value;
}

bool cookie_next(struct http_slice *rest, struct http_slice *out_name,
                 struct http_slice *out_value) {
    while (rest->len > 0) {
        struct http_slice piece = take_piece(rest);
        const char *equals = piece.len > 0 ? memchr(piece.data, '=', piece.len) : NULL;
        uint32_t len = equals ? (uint32_t)(equals - piece.data) : 0;
        struct http_slice name = http_slice_trim((struct http_slice){piece.data, len});
        if (name.len == 0)
            continue;
        struct http_slice value = {equals + 1, piece.len - len - 1};
        *out_name = name;
        *out_value = unquote(http_slice_trim(value));
        return true;
    }
    return false;
}

/* cookie-octet (section 4.1.1): no control characters, spaces, quotes, commas, semicolons,
 * backslashes. */
static bool is_value(struct http_slice value) {
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

static bool is_attribute(struct http_slice value) {
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < ' ' || c >= 0x7f || c == ';')
            return false;
    }
    return true;
}

static bool begins_with(struct http_slice name, const char *prefix) {
    uint32_t len = (uint32_t)strlen(prefix);
    return name.len >= len && http_slice_equals((struct http_slice){name.data, len}, prefix);
}

/* What browsers insist on: RFC 6265bis sections 4.1.2.7 and 4.1.3. */
static bool is_consistent(const struct cookie *cookie) {
    bool needs_secure = cookie->same_site == COOKIE_SAME_SITE_NONE || cookie->is_partitioned ||
                        begins_with(cookie->name, "__Secure-") ||
                        begins_with(cookie->name, "__Host-");
    if (needs_secure && !cookie->is_secure)
        return false;
    if (!begins_with(cookie->name, "__Host-"))
        return true;
    return cookie->domain.len == 0 && http_slice_equals(cookie->path, "/");
}

struct writer {
    char *out;
    size_t len, capacity;
    bool is_full;
};

static void add(struct writer *writer, const char *text, size_t len) {
    if (len > writer->capacity - writer->len) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->out + writer->len, text, len);
    writer->len += len;
}

static void add_text(struct writer *writer, const char *text) {
    add(writer, text, strlen(text));
}

static void add_slice(struct writer *writer, const char *name, struct http_slice value) {
    if (value.len == 0)
        return;
    add_text(writer, name);
    add(writer, value.data, value.len);
}

static void add_times(struct writer *writer, const struct cookie *cookie) {
    char text[48];
    if (cookie->has_max_age) {
        snprintf(text, sizeof(text), "; Max-Age=%" PRId64, cookie->max_age);
        add_text(writer, text);
    }
    if (cookie->has_expires) {
        http_date_format(cookie->expires, text);
        add_text(writer, "; Expires=");
        add(writer, text, HTTP_DATE_LEN);
    }
}

long cookie_encode(const struct cookie *cookie, char *out, size_t capacity) {
    static const char *const same_site[] = {[COOKIE_SAME_SITE_UNSET] = "",
                                            [COOKIE_SAME_SITE_LAX] = "; SameSite=Lax",
                                            [COOKIE_SAME_SITE_STRICT] = "; SameSite=Strict",
                                            [COOKIE_SAME_SITE_NONE] = "; SameSite=None"};
    struct writer writer = {.out = out, .capacity = capacity};
    if (!http_is_token(cookie->name.data, cookie->name.len) || !is_value(cookie->value) ||
        !is_attribute(cookie->path) || !is_attribute(cookie->domain) || !is_consistent(cookie))
        return -1;
    add(&writer, cookie->name.data, cookie->name.len);
    add_text(&writer, "=");
    add(&writer, cookie->value.data, cookie->value.len);
    add_slice(&writer, "; Domain=", cookie->domain);
    add_slice(&writer, "; Path=", cookie->path);
    add_times(&writer, cookie);
    add_text(&writer, cookie->is_secure ? "; Secure" : "");
    add_text(&writer, cookie->is_http_only ? "; HttpOnly" : "");
    add_text(&writer, same_site[cookie->same_site]);
    add_text(&writer, cookie->is_partitioned ? "; Partitioned" : "");
    return writer.is_full ? -1 : (long)writer.len;
}
