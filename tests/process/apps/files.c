/* SPDX-License-Identifier: MIT
 *
 * Answers with files that the query names: ?file=PATH, with &type=TYPE for a Content-Type of
 * its own and &close=1 to close right behind. Anything else is answered "app: METHOD PATH".
 * Compiled with FILES_ONLY it has no on_request.
 */
#include <stdio.h>
#include <string.h>

#include <crewman.h>

#ifndef FILES_ONLY
static void answer_file(crew_conn *conn, crew_request *request, const char *file) {
    const char *type = crew_request_query(request, "type");
    int closes = crew_request_query(request, "close") != NULL;
    if (type)
        crew_reply_header(request, "Content-Type", type);
    crew_reply_header(request, "X-App", "yes");
    int result = crew_reply_file(request, file);
    if (result < 0) {
        const char *text = crew_strerror(result);
        crew_reply(request, 404, "text/plain", text, strlen(text));
    }
    if (closes)
        crew_conn_close(conn);
}

static void on_request(crew_conn *conn, crew_request *request) {
    char text[512];
    const char *file = crew_request_query(request, "file");
    if (file) {
        answer_file(conn, request, file);
        return;
    }
    snprintf(text, sizeof(text), "app: %s %s", crew_request_method(request),
             crew_request_path(request));
    crew_reply(request, 200, "text/plain", text, strlen(text));
}
#endif

CREW_APP({
    .name = "probe",
#ifndef FILES_ONLY
    .on_request = on_request,
#endif
})
