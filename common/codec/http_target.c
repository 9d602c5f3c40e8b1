/* SPDX-License-Identifier: MIT
 *
 * Targets and paths: see http_target.h.
 */
#include "http_target.h"

#include <string.h>

#define BAD_REQUEST     (-400)
#define NOT_IMPLEMENTED (-501)

static struct http_slice behind(struct http_slice slice, size_t count) {
    return (struct http_slice){slice.data + count, slice.len - (uint32_t)count};
}

static bool begins_with(struct http_slice slice, const char *text) {
    size_t len = strlen(text);
    return slice.len >= len &&
           http_slice_equals((struct http_slice){slice.data, (uint32_t)len}, text);
}

/* path [ "?" query ] */
static int split(struct http_slice target, struct http_target *out_target) {
    if (memchr(target.data, '#',
               target.len)) /* a fragment is never sent: RFC 9112 section 3.2 */
        return BAD_REQUEST;
    const char *mark = memchr(target.data, '?', target.len);
    uint32_t len = mark ? (uint32_t)(mark - target.data) : target.len;
    out_target->path = (struct http_slice){target.data, len};
    out_target->query =
        mark ? behind(target, len + 1) : (struct http_slice){target.data + len, 0};
    return 0;
}

/* Section 3.2.2: the authority replaces Host; an empty path is "/". */
static int split_absolute(struct http_slice target, struct http_target *out_target) {
    uint32_t len = 0;
    while (len < target.len && !strchr("/?#", target.data[len]))
        len++;
    out_target->host = (struct http_slice){target.data, len};
    /* An empty host names nobody (RFC 9110 section 4.2.1). */
    if (len == 0 || target.data[0] == ':' || !http_is_host(out_target->host))
        return BAD_REQUEST;
    target = behind(target, len);
    int status = split(target.len > 0 ? target : (struct http_slice){"/", 1}, out_target);
    if (status == 0 && out_target->path.len == 0)
        out_target->path = (struct http_slice){"/", 1};
    return status;
}

int http_target_parse(const struct http_head *head, struct http_target *out_target) {
    struct http_slice target = head->target;
    struct http_target result = {.host = head->host};
    int status = BAD_REQUEST;
    if (head->method_id == HTTP_CONNECT)
        return NOT_IMPLEMENTED;
    if (target.data[0] == '/') {
        status = split(target, &result);
    } else if (begins_with(target, "http://")) {
        status = split_absolute(behind(target, 7), &result);
    } else if (begins_with(target, "https://")) {
        status = split_absolute(behind(target, 8), &result);
    } else if (target.len == 1 && target.data[0] == '*' && head->method_id == HTTP_OPTIONS) {
        result.path = target;
        result.query = behind(target, 1);
        status = 0;
    }
    if (status == 0)
        *out_target = result;
    return status;
}

/* The byte of an escape at `p`, or -1. */
static int decode_escape(const char *p, size_t len) {
    if (len < 3)
        return -1;
    int high = http_char_hex(p[1]), low = http_char_hex(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

long http_target_decode(struct http_slice slice, enum http_decoding decoding, char *out) {
    size_t made = 0;
    for (size_t i = 0; i < slice.len; i++) {
        char c = slice.data[i];
        if (c == '%') {
            int byte = decode_escape(slice.data + i, slice.len - i);
            if (byte < 0 && decoding == HTTP_DECODE_PATH)
                return -1;
            if (byte >= 0) {
                c = (char)byte;
                i += 2;
            }
        } else if (c == '+' && decoding == HTTP_DECODE_FORM) {
            c = ' ';
        }
        if (c == '\0')
            return -1;
        out[made++] = c;
    }
    return (long)made;
}

static bool is_harmless(const char *path, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < ' ' || path[i] == 0x7f || path[i] == '\\')
            return false;
    return len > 0 && path[0] == '/';
}

/* Drop the last segment of what has been made. -1: there is none. */
static long drop_segment(const char *path, size_t made) {
    if (made == 0)
        return -1;
    while (path[--made] != '/')
        continue;
    return (long)made;
}

/* RFC 3986 section 5.2.4, but going above the root is an error, not the root. */
long http_target_clean(char *path, size_t len) {
    if (!is_harmless(path, len))
        return -1;
    size_t made = 0; /* "/a/b", without a slash at the end */
    bool ends_open = false;
    for (size_t at = 0; at < len;) {
        const char *segment = path + at + 1;
        const char *slash = memchr(segment, '/', len - at - 1);
        size_t size = slash ? (size_t)(slash - segment) : len - at - 1;
        at += 1 + size;
        bool is_up = size == 2 && segment[0] == '.' && segment[1] == '.';
        bool is_nothing = size == 0 || (size == 1 && segment[0] == '.');
        ends_open = is_up || is_nothing;
        if (is_up) {
            long dropped = drop_segment(path, made);
            if (dropped < 0)
                return -1;
            made = (size_t)dropped;
        } else if (!is_nothing) {
            path[made] = '/';
            memmove(path + made + 1, segment, size);
            made += 1 + size;
        }
    }
    if (ends_open)
        path[made++] = '/';
    return (long)made;
}
