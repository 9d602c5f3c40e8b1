/* SPDX-License-Identifier: MIT
 *
 * The texts of error numbers and close reasons: of crewman.h, and used by every part.
 */
#include <string.h>

#include "crewman.h"

const char *crew_strerror(int error) {
    switch (error) {
#define CREW_ERROR_CASE(name, number, text)                                                    \
    case number:                                                                               \
        return text;
        CREW_ERRORS(CREW_ERROR_CASE)
#undef CREW_ERROR_CASE
    default:
        return error < 0 ? strerror((int)(0u - (unsigned)error)) : "no error";
    }
}

const char *crew_close_reason_name(int reason) {
    switch (reason) {
#define CREW_CLOSE_CASE(name, number, word, text)                                              \
    case number:                                                                               \
        return word;
        CREW_CLOSE_REASONS(CREW_CLOSE_CASE)
#undef CREW_CLOSE_CASE
    default:
        return "unknown";
    }
}
