/* SPDX-License-Identifier: MIT
 *
 * The functions of crewman.h that concern no connection: logging and this worker.
 */
#include <string.h>

#include "crewman/uv.h"
#include "log.h"
#include "services.h"
#include "sized.h"
#include "worker.h"

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
    const struct worker *worker = worker_self();
    const struct plan *plan = &worker->plan;
    if (worker->running)
        return worker->running->config->name;
    return plan->service_count > 0 ? plan->services[0].config.name : "";
}

const char *crew_worker_settings(const char *service) {
    const struct worker *worker = worker_self();
    if (!service && worker->running)
        return worker->running->settings;
    const char *name = service ? service : crew_worker_service();
    services_each (found, worker)
        if (found->stage != SERVICE_STOPPED && strcmp(found->config->name, name) == 0)
            return found->settings;
    return NULL;
}

int crew_worker_listen_sized(const char *address, const struct crew_service *service,
                             size_t size, size_t protocol_size, void *arg) {
    struct crew_service whole;
    struct crew_protocol framing;
    if (!address || !service)
        return CREW_EINVAL;
    if (worker_self()->is_describing)
        return CREW_ESTATE;
    sized_copy(&whole, sizeof(whole), service, size);
    if (whole.protocol) {
        sized_copy(&framing, sizeof(framing), whole.protocol, protocol_size);
        whole.protocol = &framing;
    }
    return lifecycle_listen(worker_self(), address, &whole, arg);
}

void crew_worker_stop(void) {
    struct worker *worker = worker_self();
    if (!worker->is_describing)
        lifecycle_ask_stop(worker);
}

uv_loop_t *crew_worker_loop(void) {
    struct worker *worker = worker_self();
    if (worker->is_describing)
        return NULL;
    turn_share(&worker->turn);
    return &worker->loop;
}
