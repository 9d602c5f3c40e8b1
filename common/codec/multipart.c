/* SPDX-License-Identifier: MIT
 *
 * Parts of a form: see multipart.h. The delimiter holds its first byte, CR, only once: where it
 * goes wrong, it can begin anew only with the byte at hand, so no byte is looked at twice.
 */
#include "multipart.h"

#include <string.h>

#include "codec_memory.h"
#include "http_params.h"

enum state {
    STATE_PREAMBLE,  /* before the first delimiter */
    STATE_DELIMITED, /* behind a delimiter: what is it? */
    STATE_CLOSING,   /* one of the two dashes of the last delimiter has come */
    STATE_PADDING,   /* white space behind a delimiter */
    STATE_LF,
    STATE_HEAD,
    STATE_DATA,
    STATE_EPILOGUE
};

static bool is_boundary_char(char c) {
    char letter = http_char_lower(c);
    return (letter >= 'a' && letter <= 'z') || http_char_is_digit(c) ||
           (c != '\0' && strchr("'()+_,-./:=? ", c));
}

bool multipart_find_boundary(struct http_slice content_type, char *out_boundary,
                             size_t *out_len) {
    struct http_slice type;
    struct http_param param;
    if (!http_params_begin(&content_type, &type) ||
        !http_slice_equals(type, "multipart/form-data"))
        return false;
    while (http_params_next(&content_type, &param) > 0) {
        char boundary[MULTIPART_BOUNDARY_MAX];
        if (!http_slice_equals(param.name, "boundary"))
            continue;
        if (param.value.len == 0 || param.value.len > MULTIPART_BOUNDARY_MAX)
            return false;
        size_t len = param.is_quoted ? http_params_unquote(param.value, false, boundary)
                                     : param.value.len;
        if (!param.is_quoted)
            memcpy(boundary, param.value.data, len);
        for (size_t i = 0; i < len; i++)
            if (!is_boundary_char(boundary[i]))
                return false;
        if (boundary[len - 1] == ' ') /* RFC 2046 section 5.1.1 */
            return false;
        memcpy(out_boundary, boundary, len);
        *out_len = len;
        return true;
    }
    return false;
}

/* The CR LF of a delimiter has been, and belongs to no data. */
static void imply_line_end(struct multipart *multipart) {
    multipart->matched = multipart->implied = 2;
}

int multipart_init(struct multipart *multipart, const char *boundary, size_t len) {
    if (len == 0 || len > MULTIPART_BOUNDARY_MAX)
        return -1;
    *multipart = (struct multipart){.state = STATE_PREAMBLE};
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary, len);
    multipart->delimiter_len = (uint8_t)(4 + len);
    imply_line_end(multipart); /* the first delimiter may be the first line */
    return 0;
}

void multipart_done(struct multipart *multipart) {
    codec_buffer_free(&multipart->head);
}

bool multipart_is_complete(const struct multipart *multipart) {
    return multipart->state == STATE_EPILOGUE && !multipart->status;
}

static enum multipart_event_type fail(struct multipart *multipart, int status, const char *text,
                                      struct multipart_event *out_event) {
    multipart_done(multipart);
    multipart->status = (uint16_t)status;
    *out_event =
        (struct multipart_event){.type = MULTIPART_ERROR, .status = status, .text = text};
    return MULTIPART_ERROR;
}

static void consume(const char **data, size_t *len, size_t count) {
    *data += count;
    *len -= count;
}

static enum multipart_event_type hand_out(const char *data, size_t len,
                                          struct multipart_event *out_event) {
    *out_event = (struct multipart_event){.type = MULTIPART_DATA, .data = data, .len = len};
    return MULTIPART_DATA;
}

/* How many bytes at the front are surely no part of a delimiter. */
static size_t measure_plain(const char *data, size_t len) {
    const char *cr = memchr(data, '\r', len);
    return cr ? (size_t)(cr - data) : len;
}

/* Data, up to the next delimiter. What looked like one and was not is handed out from its own
 * copy. */
static enum multipart_event_type step_data(struct multipart *multipart, const char **data,
                                           size_t *len, struct multipart_event *out_event) {
    while (*len > 0) {
        if (multipart->matched == 0) {
            const char *start = *data;
            size_t plain = measure_plain(start, *len);
            consume(data, len, plain);
            if (plain > 0)
                return hand_out(start, plain, out_event);
        }
        if (**data != multipart->delimiter[multipart->matched]) {
            const char *mistaken = multipart->delimiter + multipart->implied;
            size_t count = (size_t)multipart->matched - multipart->implied;
            multipart->matched = multipart->implied = 0;
            if (count > 0)
                return hand_out(mistaken, count, out_event);
            continue;
        }
        consume(data, len, 1);
        if (++multipart->matched == multipart->delimiter_len) {
            multipart->state = STATE_DELIMITED;
            multipart->matched = multipart->implied = 0;
            *out_event = (struct multipart_event){.type = MULTIPART_PART_END};
            return MULTIPART_PART_END;
        }
    }
    return MULTIPART_NEED_MORE;
}

/* As data, but nobody wants it. */
static void step_preamble(struct multipart *multipart, const char **data, size_t *len) {
    struct multipart_event ignored;
    while (multipart->state == STATE_PREAMBLE && *len > 0)
        step_data(multipart, data, len, &ignored);
}

/* RFC 2046 section 5.1.1: behind the delimiter either "--", or white space and the line's end.
 * False: something else. */
static bool step_delimiter(struct multipart *multipart, char c) {
    switch (multipart->state) {
    case STATE_DELIMITED:
        multipart->state = c == '-'                ? STATE_CLOSING
                           : c == '\r'             ? STATE_LF
                           : http_char_is_space(c) ? STATE_PADDING
                                                   : STATE_DELIMITED;
        return multipart->state != STATE_DELIMITED;
    case STATE_CLOSING:
        multipart->state = STATE_EPILOGUE;
        return c == '-';
    case STATE_PADDING:
        if (c == '\r')
            multipart->state = STATE_LF;
        return c == '\r' || http_char_is_space(c);
    default:
        multipart->state = STATE_HEAD;
        return c == '\n';
    }
}

/* RFC 7578 section 4.2. file_name* is none of this format. */
static bool take_disposition(struct http_slice value, struct multipart_event *out_event) {
    struct http_slice type;
    struct http_param param;
    int more;
    bool has_name = false;
    if (!http_params_begin(&value, &type) || !http_slice_equals(type, "form-data"))
        return false;
    while ((more = http_params_next(&value, &param)) > 0) {
        if (http_slice_equals(param.name, "name") && !has_name) {
            out_event->name = param.value;
            has_name = true;
        } else if (http_slice_equals(param.name, "filename") && !out_event->is_file) {
            out_event->file_name = param.value;
            out_event->is_file = true;
        }
    }
    return more == 0 && has_name;
}

/* `head` ends with an empty line. NULL, or what is wrong. */
static const char *parse_head(const char *head, size_t len, struct multipart_event *out_event) {
    const char *end = head + len;
    bool has_disposition = false;
    *out_event = (struct multipart_event){.type = MULTIPART_PART,
                                          .name = {"", 0},
                                          .file_name = {"", 0},
                                          .content_type = {"text/plain", 10}};
    while (end - head > 2) {
        const char *lf = memchr(head, '\n', (size_t)(end - head));
        struct http_field field;
        if (lf == head || lf[-1] != '\r')
            return "line ends without CR";
        const char *error = http_field_parse(head, (size_t)(lf - head) - 1, &field);
        if (error)
            return error;
        if (http_slice_equals(field.name, "content-disposition")) {
            if (has_disposition || !take_disposition(field.value, out_event))
                return "malformed Content-Disposition";
            has_disposition = true;
        } else if (http_slice_equals(field.name, "content-type")) {
            out_event->content_type = field.value;
        }
        head = lf + 1;
    }
    return has_disposition ? NULL : "part without Content-Disposition";
}

static bool ends_head(const char *head, size_t len) {
    bool is_line_end = len >= 2 && head[len - 2] == '\r' && head[len - 1] == '\n';
    return is_line_end && (len == 2 || (len >= 4 && head[len - 3] == '\n'));
}

/* Heads are short: they are gathered line by line, and then parsed in one go. */
static enum multipart_event_type step_head(struct multipart *multipart,
                                           const struct multipart_limits *limits,
                                           const char **data, size_t *len,
                                           struct multipart_event *out_event) {
    while (*len > 0) {
        const char *start = *data;
        const char *lf = memchr(start, '\n', *len);
        size_t piece = lf ? (size_t)(lf - start) + 1 : *len;
        size_t have = multipart->head ? multipart->head->len : 0;
        if (piece > limits->head_size - have)
            return fail(multipart, 431, "head of a part too large", out_event);
        consume(data, len, piece);
        if (!codec_buffer_append(&multipart->head, start, piece, limits->head_size))
            return fail(multipart, 500, "out of memory", out_event);
        struct codec_buffer *head = multipart->head;
        if (!lf || !ends_head(head->data, head->len))
            continue;
        const char *error = parse_head(head->data, head->len, out_event);
        if (error)
            return fail(multipart, 400, error, out_event);
        if (++multipart->parts > limits->parts)
            return fail(multipart, 413, "too many parts", out_event);
        multipart->is_head_spent = true;
        multipart->state = STATE_DATA;
        imply_line_end(
            multipart); /* an empty part's delimiter begins with the head's last CR LF */
        return MULTIPART_PART;
    }
    return MULTIPART_NEED_MORE;
}

/* MULTIPART_NEED_MORE with input left: go on. */
static enum multipart_event_type step(struct multipart *multipart,
                                      const struct multipart_limits *limits, const char **data,
                                      size_t *len, struct multipart_event *out_event) {
    char c;
    switch (multipart->state) {
    case STATE_PREAMBLE:
        step_preamble(multipart, data, len);
        return MULTIPART_NEED_MORE;
    case STATE_HEAD:
        return step_head(multipart, limits, data, len, out_event);
    case STATE_DATA:
        return step_data(multipart, data, len, out_event);
    case STATE_EPILOGUE:
        *out_event = (struct multipart_event){.type = MULTIPART_END};
        return MULTIPART_END;
    default:
        c = **data;
        consume(data, len, 1);
        if (!step_delimiter(multipart, c))
            return fail(multipart, 400, "malformed delimiter", out_event);
        return MULTIPART_NEED_MORE;
    }
}

enum multipart_event_type multipart_next(struct multipart *multipart,
                                         const struct multipart_limits *limits,
                                         const char **data, size_t *len,
                                         struct multipart_event *out_event) {
    if (multipart->is_head_spent) {
        codec_buffer_free(&multipart->head);
        multipart->is_head_spent = false;
    }
    if (multipart->status)
        return fail(multipart, multipart->status, "the form was refused", out_event);
    for (;;) {
        if (*len == 0 && multipart->state != STATE_EPILOGUE)
            return MULTIPART_NEED_MORE;
        enum multipart_event_type type = step(multipart, limits, data, len, out_event);
        if (type != MULTIPART_NEED_MORE)
            return type;
    }
}
