/* SPDX-License-Identifier: MIT
 *
 * See obituary.h.
 */
#include "obituary.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define SHOWN_MAX 5

struct text {
    char *at;
    size_t size, len;
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What does not fit is cut. */
static void add(struct text *text, const char *format, ...) {
    va_list args;
    if (text->len >= text->size)
        return;
    va_start(args, format);
    int more = vsnprintf(text->at + text->len, text->size - text->len, format, args);
    va_end(args);
    if (more > 0)
        text->len += (size_t)more;
}

static void add_frame(struct text *text, const struct score_frame *frame, const char *app) {
    const char *const names[SCORE_MODULE_COUNT] = {[SCORE_MODULE_APP] = app,
                                                   [SCORE_MODULE_WORKER] = "crewman-worker",
                                                   [SCORE_MODULE_LIBC] = "libc"};
    if (names[frame->module] && names[frame->module][0])
        add(text, "%s+0x%" PRIx64, names[frame->module], frame->offset);
    else
        add(text, "?");
}

void obituary_place(const struct score_page *page, const struct obituary_app *app,
                    char *out_text, size_t size) {
    struct score_frame frames[SCORE_FRAMES];
    struct text text = {out_text, size, 0};
    size_t count = scoreboard_frames(page, frames), first = 0;
    bool has_app = false;
    *out_text = '\0';
    /* abort() and raise() say nothing. */
    while (first + 1 < count && frames[first].module == SCORE_MODULE_LIBC)
        first++;
    for (size_t i = first; i < count && i < first + SHOWN_MAX; i++) {
        add(&text, "%s", i == first ? "; at " : ", ");
        add_frame(&text, &frames[i], app->name);
        has_app = has_app || frames[i].module == SCORE_MODULE_APP;
    }
    if (has_app && app->name[0] && app->build_id[0])
        add(&text, " (%s build-id %s)", app->name, app->build_id);
}
