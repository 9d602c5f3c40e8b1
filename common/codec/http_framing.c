/* SPDX-License-Identifier: MIT
 *
 * The meaning of Host, Content-Length, Transfer-Encoding, Connection, Expect and Upgrade: see
 * http_framing.h. One walk over the fields; names are told apart by length first.
 */
#include "http_framing.h"

#define BAD_REQUEST     (-400)
#define NOT_IMPLEMENTED (-501)

/* What the walk has seen. */
struct sightings {
    unsigned hosts, lengths, codings;
    bool has_upgrade, says_upgrade, says_close, says_keep_alive;
    bool has_foreign_coding, is_chunked_last;
};

static int refuse(struct http_head *head, int status, const char *text) {
    head->error = text;
    return status;
}

/* RFC 9112 section 6.2 and 6.3: digits only. A list of equal lengths could be accepted, and is
 * not: nobody sends it who means well. */
static int take_length(struct http_head *head, struct http_slice value,
                       struct sightings *seen) {
    if (seen->lengths++ > 0)
        return refuse(head, BAD_REQUEST, "repeated Content-Length");
    int64_t length = 0;
    for (uint32_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (!http_char_is_digit(c) || length > (INT64_MAX - (c - '0')) / 10)
            return refuse(head, BAD_REQUEST, "malformed Content-Length");
        length = length * 10 + (c - '0');
    }
    if (value.len == 0)
        return refuse(head, BAD_REQUEST, "malformed Content-Length");
    head->content_length = length;
    return 0;
}

/* RFC 9112 section 6.1: chunked once, and last. */
static int take_coding(struct http_head *head, struct http_slice value,
                       struct sightings *seen) {
    struct http_slice coding;
    seen->codings++;
    while (http_list_next(&value, &coding)) {
        if (seen->is_chunked_last)
            return refuse(head, BAD_REQUEST, "chunked is not the last transfer coding");
        seen->is_chunked_last = http_slice_equals(coding, "chunked");
        seen->has_foreign_coding |= !seen->is_chunked_last;
    }
    return 0;
}

static int take_host(struct http_head *head, struct http_slice value, struct sightings *seen) {
    if (seen->hosts++ > 0)
        return refuse(head, BAD_REQUEST, "repeated Host");
    if (!http_is_host(value))
        return refuse(head, BAD_REQUEST, "malformed Host");
    head->host = value;
    return 0;
}

static void take_connection(struct http_slice value, struct sightings *seen) {
    struct http_slice option;
    while (http_list_next(&value, &option)) {
        seen->says_close |= http_slice_equals(option, "close");
        seen->says_keep_alive |= http_slice_equals(option, "keep-alive");
        seen->says_upgrade |= http_slice_equals(option, "upgrade");
    }
}

static void take_expectation(struct http_head *head, struct http_slice value) {
    struct http_slice expectation;
    while (http_list_next(&value, &expectation)) {
        bool is_known = http_slice_equals(expectation, "100-continue");
        head->expects_continue |= is_known;
        head->has_other_expectation |= !is_known;
    }
}

static int take_field(struct http_head *head, const struct http_field *field,
                      struct sightings *seen) {
    struct http_slice name = field->name;
    switch (name.len) {
    case 4:
        return http_slice_equals(name, "host") ? take_host(head, field->value, seen) : 0;
    case 6:
        if (http_slice_equals(name, "expect"))
            take_expectation(head, field->value);
        return 0;
    case 7:
        seen->has_upgrade |= http_slice_equals(name, "upgrade");
        return 0;
    case 10:
        if (http_slice_equals(name, "connection"))
            take_connection(field->value, seen);
        return 0;
    case 14:
        return http_slice_equals(name, "content-length") ? take_length(head, field->value, seen)
                                                         : 0;
    case 17:
        return http_slice_equals(name, "transfer-encoding")
                   ? take_coding(head, field->value, seen)
                   : 0;
    default:
        return 0;
    }
}

/* RFC 9112 sections 6.1 and 6.3. */
static int judge_body(struct http_head *head, const struct sightings *seen) {
    if (seen->codings == 0)
        return 0;
    if (seen->lengths > 0)
        return refuse(head, BAD_REQUEST, "both Content-Length and Transfer-Encoding");
    if (head->minor_version < 1)
        return refuse(head, BAD_REQUEST, "Transfer-Encoding in HTTP/1.0");
    if (!seen->is_chunked_last)
        return refuse(head, BAD_REQUEST, "chunked is not the last transfer coding");
    if (seen->has_foreign_coding)
        return refuse(head, NOT_IMPLEMENTED, "unknown transfer coding");
    head->is_chunked = true;
    return 0;
}

static void reset(struct http_head *head) {
    head->host = (struct http_slice){"", 0};
    head->content_length = -1;
    head->is_chunked = head->expects_continue = head->has_other_expectation = false;
}

int http_framing_judge(struct http_head *head) {
    struct sightings seen = {0};
    reset(head);
    for (size_t i = 0; i < head->count; i++) {
        int status = take_field(head, &head->fields[i], &seen);
        if (status != 0)
            return status;
    }
    if (seen.hosts == 0 && head->minor_version >= 1) /* RFC 9112 section 3.2 */
        return refuse(head, BAD_REQUEST, "no Host");
    bool is_lasting = head->minor_version >= 1 || seen.says_keep_alive;
    head->keep_alive = is_lasting && !seen.says_close;
    head->wants_upgrade = seen.has_upgrade && seen.says_upgrade;
    /* RFC 9110 section 10.1.1: an HTTP/1.0 client cannot wait for 100. */
    head->expects_continue &= head->minor_version >= 1;
    return judge_body(head, &seen);
}
