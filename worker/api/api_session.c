/* SPDX-License-Identifier: MIT
 *
 * The crew_session_… functions of crewman.h.
 */

#include "cookie_session.h"
#include "crewman.h"
#include "request.h"

const char *crew_session_get(crew_request *request, const char *name) {
    int error;
    struct cookie_session *session = cookie_session_of(request, &error);
    json_t *value = session ? json_object_get(session->data, name) : NULL;
    return value ? arena_text(&request->arena, json_string_value(value),
                              json_string_length(value))
                 : NULL;
}

int crew_session_each(crew_request *request,
                      int (*visit)(const char *name, const char *value, void *arg), void *arg) {
    int result = 0;
    struct cookie_session *session = cookie_session_of(request, &result);
    json_t *data = session ? json_copy(session->data) : NULL; /* the visitor may change it */
    if (!data)
        return session ? CREW_ENOMEM : result;
    result = 0;
    for (void *place = json_object_iter(data); place && result == 0;
         place = json_object_iter_next(data, place))
        result = visit(json_object_iter_key(place),
                       json_string_value(json_object_iter_value(place)), arg);
    json_decref(data);
    return result;
}

int crew_session_set(crew_request *request, const char *name, const char *value) {
    int error;
    struct cookie_session *session = cookie_session_of(request, &error);
    return session ? cookie_session_set(request, session, name, value) : error;
}

int crew_session_del(crew_request *request, const char *name) {
    return crew_session_set(request, name, NULL);
}

int crew_session_clear(crew_request *request) {
    int error;
    struct cookie_session *session = cookie_session_of(request, &error);
    return session ? cookie_session_clear(request, session) : error;
}

int crew_session_regenerate(crew_request *request) {
    int error;
    struct cookie_session *session = cookie_session_of(request, &error);
    return session ? cookie_session_regenerate(request, session) : error;
}

const char *crew_session_id(crew_request *request) {
    int error;
    struct cookie_session *session = cookie_session_of(request, &error);
    return session ? session->id : "";
}
