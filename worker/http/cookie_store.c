/* SPDX-License-Identifier: MIT
 *
 * See cookie_store.h: the choice of a store, and what both have in common.
 */
#include "cookie_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http_chars.h"
#include "service.h"
#include "worker.h"

#define SWEEP_MS      1000u
#define SWEEP_BUSY_MS 20u /* while there is much to forget */
#define MEMORY_SHARE  4u  /* of limits.memory, beside which they are held */

static void on_sweep(uv_timer_t *timer) {
    struct cookie_store *store = timer->data;
    bool is_busy = store->ops->sweep(store);
    uv_timer_start(timer, on_sweep, is_busy ? SWEEP_BUSY_MS : SWEEP_MS, 0);
}

static int open_folder(struct cookie_store *store, const char *service, char *out_why,
                       size_t size) {
    struct folder *folder = &store->folder;
    *folder = (struct folder){.service = service,
                              .key = "session.dir",
                              .path = store->config->dir,
                              .is_own = true,
                              .flags = O_RDONLY};
    char why[512];
    int error = folder_open(folder, why, sizeof(why));
    if (!error && faccessat(folder->fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        error = -errno;
        snprintf(why, sizeof(why), "%s: %s", folder->path, strerror(-error));
        folder_close(folder);
    }
    if (error)
        snprintf(out_why, size, "session.dir: %s", why);
    return error;
}

int cookie_store_open(struct service *service, char *out_why, size_t size) {
    struct cookie_store *store = &service->cookies;
    const struct config_session *config = &service->config->session;
    *store = (struct cookie_store){
        .config = config, .dir = -1, .workers = (int)service->config->workers};
    if (!http_is_token(config->cookie, strlen(config->cookie))) {
        snprintf(out_why, size, "session.cookie: found \"%s\"; expected a token",
                 config->cookie);
        return CREW_EINVAL;
    }
    int error = config->dir[0] ? open_folder(store, service->config->name, out_why, size) : 0;
    if (error)
        return error;
    store->ops = config->dir[0] ? &cookie_store_file : &cookie_store_memory;
    idmap_init(&store->sessions, 0);
    uint64_t memory = service->config->limits.memory;
    cookie_census_init(&store->census, service->admission.peers.seed, config->max_sessions,
                       memory > 0 ? (size_t)(memory / MEMORY_SHARE) : SIZE_MAX);
    uv_timer_init(&service->worker->loop, &store->sweeper);
    store->sweeper.data = store;
    uv_timer_start(&store->sweeper, on_sweep, SWEEP_MS, 0);
    uv_unref((uv_handle_t *)&store->sweeper);
    return 0;
}

void cookie_store_close(struct service *service) {
    struct cookie_store *store = &service->cookies;
    if (!store->ops)
        return;
    uv_close((uv_handle_t *)&store->sweeper, NULL);
    store->ops->close(store);
    cookie_census_done(&store->census);
    store->ops = NULL;
}
