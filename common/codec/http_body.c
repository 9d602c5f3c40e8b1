/* SPDX-License-Identifier: MIT
 *
 * Bodies: see http_body.h. One state a place in the grammar of section 7.1.
 */
#include "http_body.h"

#include <string.h>

#include "codec_memory.h"

#define DIGITS_MAX 15 /* hexadecimal: what fits in 60 bits */

enum state {
    STATE_LENGTH, /* data by Content-Length */
    STATE_SIZE,
    STATE_EXTENSION_SPACE, /* behind the size, before ";" */
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER,
    STATE_END
};

void http_body_init(struct http_body *body, const struct http_head *head) {
    *body = (struct http_body){.state = head->is_chunked ? STATE_SIZE : STATE_LENGTH};
    if (head->content_length > 0)
        body->left = (uint64_t)head->content_length;
}

void http_body_done(struct http_body *body) {
    codec_buffer_free(&body->line);
}

bool http_body_is_whole(const struct http_body *body) {
    return body->state == STATE_END || (body->state == STATE_LENGTH && body->left == 0);
}

static enum http_body_event_type fail(struct http_body *body, int status, const char *text,
                                      struct http_body_event *out_event) {
    http_body_done(body);
    body->status = (uint16_t)status;
    *out_event =
        (struct http_body_event){.type = HTTP_BODY_ERROR, .status = status, .text = text};
    return HTTP_BODY_ERROR;
}

static void consume(char **data, size_t *len, size_t count) {
    *data += count;
    *len -= count;
}

static enum http_body_event_type end(struct http_body *body,
                                     struct http_body_event *out_event) {
    body->state = STATE_END;
    *out_event = (struct http_body_event){.type = HTTP_BODY_END};
    return HTTP_BODY_END;
}

static enum http_body_event_type hand_out(struct http_body *body, char **data, size_t *len,
                                          struct http_body_event *out_event) {
    size_t count = body->left < *len ? (size_t)body->left : *len;
    *out_event = (struct http_body_event){.type = HTTP_BODY_DATA, .data = *data, .len = count};
    consume(data, len, count);
    body->left -= count;
    body->size += count;
    if (body->left == 0 && body->state == STATE_DATA)
        body->state = STATE_DATA_CR;
    return HTTP_BODY_DATA;
}

static const char malformed_size[] = "malformed chunk size";

/* Section 7.1: 1*HEXDIG, nothing else. What follows the size decides the next state. NULL, or
 * what is wrong. */
static const char *step_size(struct http_body *body, char c) {
    int digit = http_char_hex(c);
    if (digit >= 0) {
        if (++body->digits > DIGITS_MAX)
            return malformed_size;
        body->left = body->left << 4 | (uint64_t)digit;
        return NULL;
    }
    if (body->digits == 0)
        return malformed_size;
    body->digits = 0;
    if (c == '\r')
        body->state = STATE_SIZE_LF;
    else if (c == ';')
        body->state = STATE_EXTENSION;
    else if (http_char_is_space(c))
        body->state = STATE_EXTENSION_SPACE;
    else
        return malformed_size;
    return NULL;
}

/* Section 7.1.1: white space only before ";". The extensions themselves are read over. */
static const char *step_extension(struct http_body *body, char c) {
    if (c == ';')
        body->state = STATE_EXTENSION;
    else if (c == '\r' && body->state == STATE_EXTENSION)
        body->state = STATE_SIZE_LF;
    else if (body->state == STATE_EXTENSION_SPACE ? !http_char_is_space(c)
                                                  : !http_char_is_value(c))
        return "malformed chunk extension";
    return NULL;
}

static const char *step_line_end(struct http_body *body, char c) {
    if (c != (body->state == STATE_DATA_CR ? '\r' : '\n'))
        return body->state == STATE_SIZE_LF ? malformed_size : "chunk is not of its size";
    if (body->state == STATE_DATA_CR)
        body->state = STATE_DATA_LF;
    else if (body->state == STATE_DATA_LF)
        body->state = STATE_SIZE;
    else
        body->state = body->left > 0 ? STATE_DATA : STATE_TRAILER;
    return NULL;
}

static const char *step(struct http_body *body, char c) {
    switch (body->state) {
    case STATE_SIZE:
        return step_size(body, c);
    case STATE_EXTENSION_SPACE:
    case STATE_EXTENSION:
        body->overhead++;
        return step_extension(body, c);
    default:
        return step_line_end(body, c);
    }
}

/* HTTP_BODY_NEED_MORE: the next line. */
static enum http_body_event_type take_line(struct http_body *body, const char *line, size_t len,
                                           struct http_body_event *out_event) {
    if (len == 0 || line[len - 1] != '\r')
        return fail(body, 400, "line ends without CR", out_event);
    if (len == 1)
        return end(body, out_event);
    struct http_field field;
    const char *error = http_field_parse(line, len - 1, &field);
    if (error)
        return fail(body, 400, error, out_event);
    if (!http_field_may_trail(&field)) {
        codec_buffer_free(&body->line);
        body->is_line_spent = false;
        return HTTP_BODY_NEED_MORE;
    }
    *out_event = (struct http_body_event){.type = HTTP_BODY_TRAILER, .trailer = field};
    return HTTP_BODY_TRAILER;
}

/* Section 7.1.2; HTTP_BODY_NEED_MORE: nothing to tell of this line. */
static enum http_body_event_type step_trailer(struct http_body *body,
                                              const struct http_body_limits *limits,
                                              char **data, size_t *len,
                                              struct http_body_event *out_event) {
    char *start = *data;
    char *lf = memchr(start, '\n', *len);
    size_t piece = lf ? (size_t)(lf - start) : *len;
    consume(data, len, lf ? piece + 1 : piece);
    if (piece >= limits->overhead || body->overhead + piece + 1 > limits->overhead)
        return fail(body, 431, "trailers too large", out_event);
    body->overhead += (uint32_t)piece + (lf ? 1 : 0);
    if (lf && !body->line)
        return take_line(body, start, piece, out_event);
    if (!codec_buffer_append(&body->line, start, piece, limits->overhead))
        return fail(body, 500, "out of memory", out_event);
    body->is_line_spent = lf != NULL;
    return lf ? take_line(body, body->line->data, body->line->len, out_event)
              : HTTP_BODY_NEED_MORE;
}

static enum http_body_event_type step_chunked(struct http_body *body,
                                              const struct http_body_limits *limits,
                                              char **data, size_t *len,
                                              struct http_body_event *out_event) {
    while (*len > 0) {
        if (body->state == STATE_DATA)
            return hand_out(body, data, len, out_event);
        if (body->state == STATE_TRAILER) {
            enum http_body_event_type type = step_trailer(body, limits, data, len, out_event);
            if (type != HTTP_BODY_NEED_MORE)
                return type;
            continue;
        }
        const char *error = step(body, **data);
        if (error)
            return fail(body, 400, error, out_event);
        consume(data, len, 1);
        if (body->overhead > limits->overhead)
            return fail(body, 431, "chunk extensions too large", out_event);
        if (body->left > limits->max_body - body->size)
            return fail(body, 413, "body too large", out_event);
    }
    return HTTP_BODY_NEED_MORE;
}

enum http_body_event_type http_body_next(struct http_body *body,
                                         const struct http_body_limits *limits, char **data,
                                         size_t *len, struct http_body_event *out_event) {
    if (body->status)
        return fail(body, body->status, "the body was refused", out_event);
    if (body->state == STATE_END)
        return end(body, out_event);
    if (body->is_line_spent) {
        codec_buffer_free(&body->line);
        body->is_line_spent = false;
    }
    if (body->state != STATE_LENGTH)
        return step_chunked(body, limits, data, len, out_event);
    if (body->left == 0)
        return end(body, out_event);
    if (body->left > limits->max_body - body->size)
        return fail(body, 413, "body too large", out_event);
    return *len > 0 ? hand_out(body, data, len, out_event) : HTTP_BODY_NEED_MORE;
}
