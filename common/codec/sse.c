/* SPDX-License-Identifier: MIT
 *
 * Events: see sse.h.
 */
#include "sse.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec_memory.h"

static bool add(struct codec_buffer **out, const char *text, size_t len) {
    return codec_buffer_append(out, text, len, SIZE_MAX);
}

static bool add_line(struct codec_buffer **out, const char *name, const char *text,
                     size_t len) {
    return add(out, name, strlen(name)) && add(out, text, len) && add(out, "\n", 1);
}

static bool add_text(struct codec_buffer **out, const char *name, const char *text) {
    return !text || add_line(out, name, text, strlen(text));
}

/* The line ends of section 9.2.6: CR LF, LF, CR. */
static size_t measure_line(const char *data, size_t len, size_t *out_step) {
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n' && data[i] != '\r')
            continue;
        bool is_pair = data[i] == '\r' && i + 1 < len && data[i + 1] == '\n';
        *out_step = i + (is_pair ? 2 : 1);
        return i;
    }
    *out_step = 0; /* no line follows */
    return len;
}

static bool add_data(struct codec_buffer **out, const char *data, size_t len) {
    size_t step;
    do {
        size_t line = measure_line(data, len, &step);
        if (!add_line(out, "data: ", data, line))
            return false;
        data += step;
        len -= step;
    } while (step > 0);
    return true;
}

static bool add_all(struct codec_buffer **out, const struct sse_event *event) {
    char retry[24];
    snprintf(retry, sizeof(retry), "%ld", event->retry_ms);
    return add_text(out, ": ", event->comment) && add_text(out, "event: ", event->event) &&
           add_text(out, "id: ", event->id) &&
           (event->retry_ms < 0 || add_text(out, "retry: ", retry)) &&
           (!event->data || add_data(out, event->data, event->len)) && add(out, "\n", 1);
}

static bool is_one_line(const char *text) {
    return !text || text[strcspn(text, "\r\n")] == '\0';
}

int sse_encode(const struct sse_event *event, struct codec_buffer **out) {
    size_t before = *out ? (*out)->len : 0;
    if (!is_one_line(event->event) || !is_one_line(event->id) || !is_one_line(event->comment))
        return SSE_REFUSED;
    if (add_all(out, event))
        return 0;
    if (*out)
        (*out)->len = before;
    return SSE_NO_MEMORY;
}
