/* SPDX-License-Identifier: MIT
 *
 * See cookie_session.h. An id that a client brings is only looked up, never taken on; without a
 * session of that name a new one gets an id of our own.
 */
#include "cookie_session.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "cookie.h"
#include "http_chars.h"
#include "log.h"
#include "networks.h"
#include "request.h"
#include "service.h"

#define COOKIE_MAX 512u
#define ID_BYTES   (COOKIE_ID_LEN * 6 / 8)

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct cookie_store *store_of(const struct crew_request *request) {
    return &service_of(request->conn)->cookies;
}

static int make_id(char out[COOKIE_ID_LEN + 1]) {
    unsigned char bytes[ID_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return CREW_ENOMEM;
    for (size_t i = 0; i < COOKIE_ID_LEN; i++) {
        unsigned from = (unsigned)bytes[i * 6 / 8] << 8;
        from |= i * 6 / 8 + 1 < ID_BYTES ? bytes[i * 6 / 8 + 1] : 0u;
        out[i] = alphabet[(from >> (10 - i * 6 % 8)) & 63];
    }
    out[COOKIE_ID_LEN] = '\0';
    return 0;
}

static bool is_id(const char *text) {
    return text && strlen(text) == COOKIE_ID_LEN && strspn(text, alphabet) == COOKIE_ID_LEN;
}

/* Not the app's or the client's doing: the disk is full, the folder has gone. */
static bool is_of_store(int error) {
    return error && error != CREW_ENOENT && error != CREW_ETOOBIG && error != CREW_EINVAL;
}

/* Answers `error`. */
static int note(struct crew_request *request, int error, const char *what) {
    struct cookie_store *store = store_of(request);
    struct conns *conns = conns_of(request->conn);
    const char *dir = store->config->dir;
    if (!is_of_store(error))
        return error;
    conns->totals.session_errors++;
    uint64_t count = news_add(&store->news, conns_now(conns));
    if (count > 0)
        log_warning("service \"%s\": cannot %s a session%s%s: %s; such errors since the last "
                    "line: %" PRIu64,
                    service_of(request->conn)->config->name, what, dir[0] ? " in " : "", dir,
                    crew_strerror(error), count);
    return error;
}

static int load(struct crew_request *request, struct cookie_session *session) {
    struct cookie_store *store = store_of(request);
    const char *id = crew_request_cookie(request, store->config->cookie);
    if (!is_id(id))
        return 0;
    json_t *data;
    int error = store->ops->load(store, id, &data);
    if (error)
        return error == CREW_ENOENT ? 0 : note(request, error, "read");
    json_decref(session->data);
    session->data = data;
    session->is_stored = true;
    memcpy(session->id, id, COOKIE_ID_LEN);
    return 0;
}

struct cookie_session *cookie_session_of(struct crew_request *request, int *out_error) {
    *out_error = CREW_ENOENT;
    if (!request || request->cookies)
        return request ? request->cookies : NULL;
    struct cookie_session *session = calloc(1, sizeof(*session));
    *out_error = CREW_ENOMEM;
    if (!session)
        return NULL;
    session->data = json_object();
    session->changes = json_object();
    int error = session->data && session->changes ? load(request, session) : CREW_ENOMEM;
    if (error) {
        *out_error = error;
        cookie_session_free(session);
        return NULL;
    }
    request->cookies = session;
    return session;
}

void cookie_session_free(struct cookie_session *session) {
    if (!session)
        return;
    json_decref(session->data);
    json_decref(session->changes);
    free(session);
}

/* Can it still be changed? */
static bool is_open(const struct crew_request *request, const struct cookie_session *session) {
    return !session->is_over && request->reply == REPLY_NONE;
}

int cookie_session_set(struct crew_request *request, struct cookie_session *session,
                       const char *name, const char *value) {
    json_t *old = json_object_get(session->data, name);
    size_t size =
        cookie_changes_size(session->data) + strlen(name) + (value ? strlen(value) : 0);
    size -= old ? strlen(name) + json_string_length(old) : 0;
    if (!is_open(request, session))
        return CREW_ESTATE;
    if (!value && !old)
        return CREW_ENOENT;
    if (value && size > store_of(request)->config->max_size)
        return CREW_ETOOBIG;
    json_t *text = value ? json_string(value) : json_null();
    if (!text) /* jansson refuses what is no UTF-8 */
        return CREW_EINVAL;
    int failed = json_object_set(session->changes, name, text);
    if (!failed)
        failed = value ? json_object_set(session->data, name, text)
                       : json_object_del(session->data, name);
    json_decref(text);
    session->is_changed = true;
    return failed ? CREW_EINVAL : 0;
}

int cookie_session_clear(struct crew_request *request, struct cookie_session *session) {
    if (!is_open(request, session))
        return CREW_ESTATE;
    json_object_clear(session->data);
    json_object_clear(session->changes);
    session->is_cleared = session->is_changed = true;
    return 0;
}

int cookie_session_regenerate(struct crew_request *request, struct cookie_session *session) {
    if (!is_open(request, session))
        return CREW_ESTATE;
    if (session->is_stored) {
        memcpy(session->old_id, session->id, sizeof(session->old_id));
        session->is_stored = false;
    }
    session->id[0] = '\0';
    session->is_changed = session->is_regenerated = true;
    return 0;
}

/* Over TLS, as far as we can know: by the configuration, or by a proxy that we trust. */
static bool is_secure(const struct crew_request *request) {
    const struct service *service = service_of(request->conn);
    const struct http_field *field = http_head_find(&request->head, "x-forwarded-proto");
    if (service->config->session.secure)
        return true;
    return field && http_slice_equals(field->value, "https") &&
           networks_have(&service->proxies, &request->conn->peer);
}

static int announce(struct crew_request *request, const char *id) {
    const struct config_session *config = store_of(request)->config;
    char text[COOKIE_MAX];
    struct cookie cookie = {.name = {config->cookie, (uint32_t)strlen(config->cookie)},
                            .value = {id, (uint32_t)strlen(id)},
                            .path = {"/", 1},
                            .domain = {"", 0},
                            .has_max_age = id[0] == '\0',
                            .max_age = 0,
                            .is_http_only = true,
                            .is_secure = is_secure(request),
                            .same_site = COOKIE_SAME_SITE_LAX};
    long len = cookie_encode(&cookie, text, sizeof(text));
    return len < 0 ? CREW_EINVAL
                   : request_add_reply_field(request, "Set-Cookie", text, (size_t)len);
}

static int end_old(struct cookie_store *store, const char *id) {
    int error = id[0] ? store->ops->remove(store, id) : 0;
    return error == CREW_ENOENT ? 0 : error;
}

/* It was ended by another request meanwhile, and stays so. */
static int settle(struct crew_request *request, int error) {
    return error == CREW_ENOENT ? announce(request, "") : error;
}

/* Somebody has logged in with it: it is none of those that anybody can make. */
static void vouch(struct cookie_store *store, const char *id) {
    json_t *data = NULL;
    if (store->ops->load(store, id, &data) == 0)
        json_decref(data);
}

static int create(struct crew_request *request, const struct cookie_session *session,
                  const char *id) {
    struct cookie_store *store = store_of(request);
    uint64_t client = address_key(conn_address(request->conn));
    int error = store->ops->create(store, client, id, session->data);
    if (!error && session->is_regenerated)
        vouch(store, id);
    return error;
}

/* Under an id of its own: a new session, or one that gets another id. */
static int store_anew(struct crew_request *request, struct cookie_session *session,
                      const struct cookie_changes *changes) {
    struct cookie_store *store = store_of(request);
    char id[COOKIE_ID_LEN + 1];
    int error = make_id(id);
    if (!error)
        error = session->old_id[0] ? store->ops->move(store, session->old_id, id, changes)
                                   : create(request, session, id);
    if (error)
        return settle(request, error);
    error = announce(request, id);
    if (error)
        (void)store->ops->remove(store, id); /* nobody would ever ask for it */
    else
        memcpy(session->id, id, sizeof(id));
    return error;
}

static int end(struct crew_request *request, struct cookie_session *session) {
    struct cookie_store *store = store_of(request);
    int error = end_old(store, session->is_stored ? session->id : session->old_id);
    bool had_cookie = session->is_stored || session->old_id[0];
    session->id[0] = '\0';
    return error || !had_cookie ? error : announce(request, "");
}

static int commit(struct crew_request *request, struct cookie_session *session) {
    struct cookie_store *store = store_of(request);
    if (json_object_size(session->data) == 0)
        return end(request, session);
    const struct cookie_changes changes = {session->is_cleared, session->changes};
    if (!session->is_stored)
        return store_anew(request, session, &changes);
    return settle(request, store->ops->change(store, session->id, &changes));
}

int cookie_session_commit(struct crew_request *request) {
    struct cookie_session *session = request->cookies;
    if (!session || session->is_over)
        return 0;
    session->is_over = true;
    return session->is_changed ? note(request, commit(request, session), "store") : 0;
}
