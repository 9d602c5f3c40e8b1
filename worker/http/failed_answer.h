/* SPDX-License-Identifier: MIT
 *
 * Answers that failed: the app called crew_reply…(), got an error, and may not have looked at
 * it. A request of which no other answer has come when the outermost callback has returned (of
 * a handle of the app's own, whose end nobody sees: when the loop has turned) is answered 500,
 * with a line in the log; else its client would wait for ever. Called by the functions of the
 * API that answer, and by exchange.c.
 */
#ifndef CREWMAN_FAILED_ANSWER_H
#define CREWMAN_FAILED_ANSWER_H

#include "guard.h"
#include "list.h"
#include "news.h"

struct crew_request;

/* Those that are seen to together. */
struct failed_batch {
    struct guard_held held; /* first */
    bool is_held;
    struct list requests; /* of struct crew_request.in_failed */
};

/* Of a worker. */
struct failed_answers {
    struct failed_batch in_callback, outside;
    struct news news;
};

void failed_answer_init(struct failed_answers *answers);

/* `error` of an attempt to answer `request` (NULL: none was given). Answers `error`. */
int failed_answer_note_error(struct crew_request *request, int error);

/* `result` of an attempt, good or bad. Answers `result`. */
static inline int failed_answer_note(struct crew_request *request, int result) {
    return result < 0 ? failed_answer_note_error(request, result) : result;
}

#endif
