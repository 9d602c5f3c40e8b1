/* SPDX-License-Identifier: MIT
 *
 * The functions of crewman.h that make text: formatted messages and answers, and texts that
 * last as long as a callback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crewman.h"
#include "failed_answer.h"
#include "scratch.h"
#include "worker.h"

#define SHORT_MAX 2048u

/* A text as it is formatted: mostly short, and then without memory of its own. */
struct formatted {
    char *data;
    size_t len;
    char first[SHORT_MAX];
};

/* 0, CREW_EINVAL for a format that cannot be followed, CREW_ENOMEM. */
static int format_text(struct formatted *text, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int error = 0, len = vsnprintf(text->first, sizeof(text->first), format, args);
    text->data = text->first;
    text->len = len > 0 ? (size_t)len : 0;
    if (len < 0) {
        error = CREW_EINVAL;
    } else if (text->len >= sizeof(text->first)) {
        text->data = malloc(text->len + 1);
        if (text->data)
            vsnprintf(text->data, text->len + 1, format, again);
        else
            error = CREW_ENOMEM;
    }
    va_end(again);
    return error;
}

static void drop_text(struct formatted *text) {
    if (text->data != text->first)
        free(text->data);
}

/* Where a text goes: to a connection as a message, or to a request as its whole answer. */
struct target {
    crew_conn *conn;
    crew_request *request;
    int status;
    const char *type;
};

static int send_formatted(const struct target *to, const char *format, va_list args) {
    struct formatted text;
    int result = format_text(&text, format, args);
    if (result)
        return failed_answer_note_error(to->conn ? crew_conn_request(to->conn) : to->request,
                                        result);
    result = to->conn ? crew_conn_send_text(to->conn, text.data, text.len)
                      : crew_reply(to->request, to->status, to->type, text.data, text.len);
    drop_text(&text);
    return result;
}

int crew_conn_sendf(crew_conn *conn, const char *format, ...) {
    if (!conn)
        return CREW_ENOENT;
    va_list args;
    va_start(args, format);
    int result = send_formatted(&(struct target){.conn = conn}, format, args);
    va_end(args);
    return result;
}

int crew_replyf(crew_request *request, int status, const char *type, const char *format, ...) {
    if (!request)
        return CREW_ENOENT;
    const struct target to = {.request = request, .status = status, .type = type};
    va_list args;
    va_start(args, format);
    int result = send_formatted(&to, format, args);
    va_end(args);
    return result;
}

static char *take(size_t size) {
    struct worker *worker = worker_self();
    return scratch_take(&worker->scratch, &worker->guard, size);
}

const char *crew_tmpf(const char *format, ...) {
    struct formatted text;
    va_list args;
    va_start(args, format);
    int error = format_text(&text, format, args);
    va_end(args);
    if (error)
        return NULL;
    char *copy = take(text.len + 1);
    if (copy)
        memcpy(copy, text.data, text.len + 1);
    drop_text(&text);
    return copy;
}

/* What may not stand in text or in a quoted attribute; NULL: what is no such character. */
static const char *escape_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

const char *crew_tmp_html(const char *text) {
    size_t size = 1;
    for (const char *c = text ? text : ""; *c; c++)
        size += escape_of(*c) ? strlen(escape_of(*c)) : 1;
    char *copy = take(size), *at = copy;
    if (!copy)
        return NULL;
    for (const char *c = text ? text : ""; *c; c++) {
        const char *escape = escape_of(*c);
        size_t len = escape ? strlen(escape) : 1;
        memcpy(at, escape ? escape : c, len);
        at += len;
    }
    *at = '\0';
    return copy;
}
