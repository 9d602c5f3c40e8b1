/* SPDX-License-Identifier: MIT
 *
 * Conditions: see http_condition.h.
 */
#include "http_condition.h"

#include <string.h>

#include "http_date.h"

#define NOT_MODIFIED        304
#define PRECONDITION_FAILED 412

static struct http_slice opaque_of(struct http_slice tag) {
    if (tag.len >= 2 && tag.data[0] == 'W' && tag.data[1] == '/')
        return (struct http_slice){tag.data + 2, tag.len - 2};
    return tag;
}

/* Section 8.8.3.2: strong comparison wants both strong, weak does not look. */
static bool equals(struct http_slice a, struct http_slice b, bool is_strong) {
    struct http_slice x = opaque_of(a), y = opaque_of(b);
    if (is_strong && (x.len != a.len || y.len != b.len))
        return false;
    return x.len == y.len && x.len >= 2 && x.data[0] == '"' &&
           memcmp(x.data, y.data, x.len) == 0;
}

/* The next entity tag of a list. In it a comma may stand, and a backslash escapes nothing. */
static bool next_tag(struct http_slice *rest, struct http_slice *out_tag) {
    uint32_t at = 0;
    while (at < rest->len && (http_char_is_space(rest->data[at]) || rest->data[at] == ','))
        at++;
    uint32_t start = at;
    if (rest->len - at > 2 && rest->data[at] == 'W' && rest->data[at + 1] == '/')
        at += 2;
    if (at >= rest->len || rest->data[at] != '"')
        return false;
    const char *end = memchr(rest->data + at + 1, '"', rest->len - at - 1);
    if (!end)
        return false;
    uint32_t len = (uint32_t)(end + 1 - rest->data) - start;
    *out_tag = (struct http_slice){rest->data + start, len};
    rest->data += start + len;
    rest->len -= start + len;
    return true;
}

/* Does the field's list have the tag that is there now, or "*" something at all? */
static bool list_matches(const struct http_head *head, const char *name,
                         const struct http_validators *validators, bool is_strong) {
    size_t from = 0;
    const struct http_field *field;
    while ((field = http_head_next(head, name, &from)) != NULL) {
        struct http_slice rest = field->value, tag;
        if (http_slice_equals(rest, "*") && validators->exists)
            return true;
        while (validators->exists && validators->etag && next_tag(&rest, &tag)) {
            struct http_slice own = {validators->etag, (uint32_t)strlen(validators->etag)};
            if (equals(tag, own, is_strong))
                return true;
        }
    }
    return false;
}

/* Negative: no such field, or no date in it (to be ignored then). Otherwise whether what is
 * there is not newer. */
static int is_not_newer(const struct http_head *head, const char *name,
                        const struct http_validators *validators, int64_t now) {
    const struct http_field *field = http_head_find(head, name);
    int64_t date;
    if (!field || !validators->has_last_modified || !http_date_parse(field->value, now, &date))
        return -1;
    return validators->last_modified <= date;
}

int http_condition_evaluate(const struct http_head *head,
                            const struct http_validators *validators, int64_t now) {
    bool is_read = head->method_id == HTTP_GET || head->method_id == HTTP_HEAD;
    if (http_head_find(head, "if-match")) {
        if (!list_matches(head, "if-match", validators, true))
            return PRECONDITION_FAILED;
    } else if (is_not_newer(head, "if-unmodified-since", validators, now) == 0) {
        return PRECONDITION_FAILED;
    }
    if (http_head_find(head, "if-none-match")) {
        if (list_matches(head, "if-none-match", validators, false))
            return is_read ? NOT_MODIFIED : PRECONDITION_FAILED;
    } else if (is_read && is_not_newer(head, "if-modified-since", validators, now) == 1) {
        return NOT_MODIFIED;
    }
    return 0;
}

bool http_condition_range_holds(const struct http_head *head,
                                const struct http_validators *validators, int64_t now) {
    const struct http_field *field = http_head_find(head, "if-range");
    int64_t date;
    if (!field)
        return true;
    if (http_date_parse(field->value, now, &date))
        return validators->has_last_modified && validators->last_modified == date;
    if (!validators->etag)
        return false;
    struct http_slice own = {validators->etag, (uint32_t)strlen(validators->etag)};
    return equals(field->value, own, true);
}
