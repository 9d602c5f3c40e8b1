/* SPDX-License-Identifier: MIT
 *
 * See failed_answer.h. The last step of an exchange whose app gave it up without a word.
 */
#include "failed_answer.h"

#include <inttypes.h>
#include <string.h>

#include "conn.h"
#include "log.h"
#include "reply.h"
#include "request.h"
#include "service.h"
#include "worker.h"

#define TARGET_MAX 100

void failed_answer_init(struct failed_answers *answers) {
    *answers = (struct failed_answers){0};
    list_init(&answers->in_callback.requests);
    list_init(&answers->outside.requests);
}

/* Without the query, which may hold secrets. */
static int target_len(const struct http_slice *target) {
    const char *query = memchr(target->data, '?', target->len);
    size_t len = query ? (size_t)(query - target->data) : target->len;
    return len < TARGET_MAX ? (int)len : TARGET_MAX;
}

static struct failed_answers *answers_of(const struct crew_request *request) {
    return &service_of(request->conn)->worker->http.failed_answers;
}

static void say(const struct crew_request *request) {
    const struct http_head *head = &request->head;
    struct failed_answers *answers = answers_of(request);
    uint64_t count = news_add(&answers->news, conns_now(conns_of(request->conn)));
    if (count > 0)
        log_warning("service \"%s\": %.*s %.*s: the answer failed (%s), and the app sent no "
                    "other: answered 500; such requests since the last line: %" PRIu64,
                    service_of(request->conn)->config->name, (int)head->method.len,
                    head->method.data, target_len(&head->target), head->target.data,
                    crew_strerror(request->failed), count);
}

static void answer(struct crew_request *request) {
    static const char text[] = "the answer could not be sent\n";
    say(request);
    if (request->reply_fields)
        request->reply_fields->len = 0; /* they were for the answer that failed */
    request->has_type = false;
    int result = reply_whole(request, 500, "text/plain", text, sizeof(text) - 1);
    if (result < 0)
        request->wire->refuse(request, 500, result, "the answer could not be sent");
}

static void release(struct guard_held *held) {
    struct failed_batch *batch = (struct failed_batch *)(void *)held;
    batch->is_held = false;
    while (!list_is_empty(&batch->requests)) {
        struct crew_request *request =
            list_entry(batch->requests.next, struct crew_request, in_failed);
        list_remove(&request->in_failed);
        if (request->conn->state <= CONN_OPEN && request->reply == REPLY_NONE)
            answer(request);
    }
}

/* Is it the caller's mistake that there is nothing to answer? */
static bool is_failure(const struct crew_request *request, int error) {
    return error != CREW_ESTATE && error != CREW_ECLOSED && request && !request->is_over &&
           !request->is_handshake && request->reply == REPLY_NONE;
}

int failed_answer_note_error(struct crew_request *request, int error) {
    if (!is_failure(request, error) || request->failed)
        return error;
    struct guard *guard = &service_of(request->conn)->worker->guard;
    struct failed_answers *answers = answers_of(request);
    struct failed_batch *batch = guard->depth > 0 ? &answers->in_callback : &answers->outside;
    request->failed = error;
    list_append(&batch->requests, &request->in_failed);
    if (!batch->is_held) {
        batch->is_held = true;
        batch->held.release = release;
        guard_hold_longer(guard, &batch->held);
    }
    return error;
}
