/* SPDX-License-Identifier: MIT
 *
 * The text of an id, for keys, logs and other programs: crew_id_text() and crew_id_parse().
 */
#include <inttypes.h>
#include <stdio.h>

#include "crewman.h"

#define DIGITS (CREW_ID_TEXT_SIZE - 1)

const char *crew_id_text(crew_id id, char *out_text) {
    snprintf(out_text, CREW_ID_TEXT_SIZE, "%016" PRIx64, id);
    return out_text;
}

static int value_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Stops at the NUL of a text that is too short, which is no digit. */
int crew_id_parse(const char *text, crew_id *out_id) {
    crew_id id = 0;
    for (unsigned i = 0; i < DIGITS; i++) {
        int value = text ? value_of(text[i]) : -1;
        if (value < 0)
            return CREW_EINVAL;
        id = id << 4 | (crew_id)value;
    }
    if (text[DIGITS] != '\0' || id == 0)
        return CREW_EINVAL;
    *out_id = id;
    return 0;
}
