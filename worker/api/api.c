/* SPDX-License-Identifier: MIT
 *
 * The functions of crewman.h that concern no connection: errors, names, logging, this worker.
 */
#include <string.h>

#include "crewman/uv.h"
#include "log.h"
#include "worker.h"

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

void crew_log(enum crew_log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_vwrite(level, format, args);
    va_end(args);
}

unsigned crew_worker_slot(void) {
    return worker_self()->plan.slot;
}

unsigned crew_worker_generation(void) {
    return worker_self()->plan.generation;
}

const char *crew_worker_service(void) {
    return worker_self()->plan.service.name;
}

void crew_worker_stop(void) {
    lifecycle_ask_stop(worker_self());
}

uv_loop_t *crew_worker_loop(void) {
    return &worker_self()->loop;
}
