/* SPDX-License-Identifier: MIT
 *
 * The rows. Order is the order of the sample file, the manual and `crewman check`; the rows of
 * a group stand together. Help texts are sentences that a reader of the sample file understands
 * alone.
 */
#include "config_table.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "crewman.h"
#include "nearest.h"

#define SECOND 1000ull
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    1024ull
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

#define AT(member)         .offset = offsetof(struct config, member)
#define AT_SERVICE(member) .offset = offsetof(struct config_service, member)

static const char *const log_levels[] = {"debug", "info", "notice", "warning", "error", NULL};

/* In order of enum config_kind. */
static const char *const kinds[] = {"app", "static", NULL};

_Static_assert(sizeof(kinds) / sizeof(*kinds) == CONFIG_KIND_COUNT + 1, "a name for each");
_Static_assert(CREW_LOG_DEBUG == 0 && CREW_LOG_ERROR == 4, "log_levels is indexed by them");

static const struct config_row instance_rows[] = {
    {"app", "[]", .example = "\"/srv/chat/chat.so\"", .type = CONFIG_PATHS, AT(apps),
     .count_offset = offsetof(struct config, app_count),
     .computed = "none; it may be given to `crewman start` in place of a config file",
     .help = "The app: the path of a shared object, or a list of several. A relative path "
             "begins at the folder of this file. A file with another extension is run by the "
             "runtime of its language, app.py by py.so."},
    {"runtimes", "\"\"", .example = "\"/usr/local/lib/crewman/runtimes\"", .type = CONFIG_PATH,
     AT(runtimes), .computed = "lib/crewman/runtimes of the installation",
     .help = "The folder of the language runtimes."},
    {"pin", "true", .type = CONFIG_BOOL, AT(pin),
     .help = "Workers load a sealed copy of the app, made at start and reload, and run the "
             "program crewman-worker as it was at the start: a change of either file has no "
             "effect until a reload, or a restart. false loads both by their paths."},
    {"user", "\"\"", .type = CONFIG_USER, AT(user), .reload = CONFIG_RELOAD_NEVER,
     .computed = "stay who started it",
     .help =
         "The user that workers run as. Needs a start by root, who binds the addresses first."},
    {"group", "\"\"", .type = CONFIG_GROUP, AT(group), .reload = CONFIG_RELOAD_NEVER,
     .computed = "the group of `user`",
     .help = "The group that workers run as, in place of the user's own."},
    {"run_dir", "\"\"", .example = "\"/run/crewman\"", .type = CONFIG_PATH, AT(run_dir),
     .reload = CONFIG_RELOAD_NEVER,
     .computed =
         "/run/crewman for root; $XDG_RUNTIME_DIR/crewman or /tmp/crewman-UID for others",
     .help =
         "The folder of the pid file and the admin socket. It tells instances on one "
         "machine apart. XDG_RUNTIME_DIR counts when it names a folder of the same user; an "
         "instance that runs in another default folder is found there."},
    {"trusted_groups", "[]", .example = "[\"adm\"]", .type = CONFIG_STRINGS, AT(trusted_groups),
     .count_offset = offsetof(struct config, trusted_group_count), .computed = "none",
     .help = "Groups whose members may write into the folders of the log, the pid file and the "
             "admin socket, as syslog may into /var/log of Ubuntu. Any other folder into which "
             "another user or group may write is refused, unless it is sticky, as /tmp is, and "
             "the file in it is ours."},
    {"start_timeout", "\"1m\"", .type = CONFIG_DURATION, AT(start_timeout_ms), .min = SECOND,
     .max = DAY,
     .help = "How long a worker may take until it is ready, on_worker_start included. One that "
             "is not is killed: the start or the reload fails."},
    {"stop_timeout", "\"2s\"", .type = CONFIG_DURATION, AT(stop_timeout_ms), .min = 100,
     .max = HOUR,
     .help =
         "How long a stop lets workers close their connections politely before it kills them."},
    {"drain_timeout", "\"30s\"", .type = CONFIG_DURATION, AT(drain_timeout_ms), .max = 7 * DAY,
     .help =
         "How long a graceful stop or reload, or a worker whose master was killed, waits for "
         "connections to end by themselves."},
    {"reload_spread", "\"3s\"", .type = CONFIG_DURATION, AT(reload_spread_ms),
     .max = 10 * MINUTE,
     .help = "A reload closes the connections of an old worker evenly over this time, so that "
             "clients do not all come back at once."},
    {"watchdog", "\"60s\"", .type = CONFIG_DURATION, AT(watchdog_ms), .min = 2 * SECOND,
     .max = DAY, .zero_is_off = true,
     .help = "A worker whose event loop stands still for so long is killed and replaced."},
    {"log.file", "\"\"", .example = "\"/var/log/crewman.log\"", .type = CONFIG_PATH,
     AT(log_file), .reload = CONFIG_RELOAD_NEVER,
     .computed = "standard error; crewman.log in run_dir for a daemon",
     .help = "The log: a file, a FIFO, or /dev/stderr. Its folder must exist. What apps print "
             "goes there too."},
    {"log.level", "\"notice\"", .type = CONFIG_WORD, AT(log_level), .words = log_levels,
     .help = "Log messages of this level and above."},
};

static const struct config_row service_rows[] = {
    {"kind", "\"app\"", .type = CONFIG_WORD, AT_SERVICE(kind), .words = kinds,
     .file_only = true, .reload = CONFIG_RELOAD_NEVER,
     .help = "\"app\": an app serves it. \"static\": the worker itself serves the files of "
             "static.root, without an app; listen is an http address then."},
    {"app", "\"\"", .example = "\"/srv/chat/chat.so\"", .type = CONFIG_PATH, AT_SERVICE(app),
     .file_only = true, .computed = "the one app that declares the service",
     .help = "The app that serves it. Needed only when several apps declare a service of this "
             "name."},
    {"label", "\"\"", .example = "\"Chat of the shop\"", .type = CONFIG_LABEL,
     AT_SERVICE(label), .max = CONFIG_LABEL_MAX, .computed = "none",
     .help = "A line for people, shown by `crewman status`."},
    {"listen", "\"\"", .example = "\"websocket://0.0.0.0:8282\"", .type = CONFIG_LISTEN,
     AT_SERVICE(listen_text),
     .computed = "as the app declares it; no listener when it does not",
     .help = "The address, as PROTOCOL://HOST:PORT or PROTOCOL://unix:/PATH. Protocols are "
             "websocket, http, text, frame, tcp, udp, udp+text and udp+frame. "
             "Hosts are numeric; [::] takes IPv4 and IPv6."},
    {"workers", "\"auto\"", .type = CONFIG_WORKERS, AT_SERVICE(workers), .min = 1,
     .max = CONFIG_WORKERS_MAX,
     .help = "The number of processes; \"auto\" starts one per available CPU."},
    {"process", "\"\"", .type = CONFIG_NAME, AT_SERVICE(process), .max = CONFIG_NAME_MAX,
     .computed = "processes of its own",
     .help = "The name of the processes that serve it, or of another service, whose they are "
             "then. Services of one process agree in app, workers, user, group and reloadable: "
             "a value that one gives holds for all."},
    {"user", "\"\"", .type = CONFIG_USER, AT_SERVICE(user),
     .computed = "the `user` of the instance, else the one that the app asks for",
     .help = "The user that its workers run as. An app can never ask for root."},
    {"group", "\"\"", .type = CONFIG_GROUP, AT_SERVICE(group),
     .computed = "the group that stands beside `user`, else the user's own",
     .help = "The group that its workers run as."},
    {"reloadable", "true", .type = CONFIG_BOOL, AT_SERVICE(reloadable),
     .help =
         "Whether a reload replaces its workers. With false they stay as they are, with "
         "the code and the settings they have, until `listen` changes or a restart. One that "
         "has died comes back with the old code (see pin) and the new settings."},
    {"settings", "{}", .example = "{ \"greeting\": \"hello\" }", .type = CONFIG_OBJECT,
     AT_SERVICE(settings),
     .help = "The app's own settings: any JSON object, which the app reads with "
             "crew_worker_settings()."},
    {"reuse_port", "false", .type = CONFIG_BOOL, AT_SERVICE(reuse_port),
     .reload = CONFIG_RELOAD_SOCKET,
     .help = "Give each worker a listening socket of its own, among which the kernel spreads "
             "new connections, in place of one that they share."},
    {"backlog", "4096", .type = CONFIG_COUNT, AT_SERVICE(backlog), .min = 1, .max = 65535,
     .reload = CONFIG_RELOAD_SOCKET,
     .help = "How many new connections may wait to be accepted. The kernel's "
             "net.core.somaxconn bounds it."},
    {"socket.mode", "\"0660\"", .type = CONFIG_MODE, AT_SERVICE(socket_mode), .max = 0777,
     .reload = CONFIG_RELOAD_SOCKET, .help = "The mode of a unix socket's file, in octal."},
    {"socket.user", "\"\"", .type = CONFIG_USER, AT_SERVICE(socket_user),
     .reload = CONFIG_RELOAD_SOCKET, .computed = "who started it",
     .help = "The owner of a unix socket's file."},
    {"socket.group", "\"\"", .type = CONFIG_GROUP, AT_SERVICE(socket_group),
     .reload = CONFIG_RELOAD_SOCKET, .computed = "the group of who started it",
     .help = "The group of a unix socket's file."},

    {"heartbeat.ping_interval", "\"25s\"", .type = CONFIG_DURATION,
     AT_SERVICE(heartbeat.ping_interval_ms), .min = SECOND, .max = DAY, .zero_is_off = true,
     .help = "A connection that was silent for so long is sent a probe, one in each silence: a "
             "WebSocket ping, or ping_data."},
    {"heartbeat.idle_timeout", "\"60s\"", .type = CONFIG_DURATION,
     AT_SERVICE(heartbeat.idle_timeout_ms), .min = SECOND, .max = 7 * DAY, .zero_is_off = true,
     .help = "A connection from which nothing was received for so long is dead and is closed. "
             "A client that is still receiving what lies before the probe has longer."},
    {"heartbeat.ping_data", "\"\"", .type = CONFIG_STRING, AT_SERVICE(heartbeat.ping_data),
     .computed = "the protocol's own ping, where it has one",
     .help = "A message to send as the probe, for protocols without a ping, and for WebSocket "
             "clients whose script must see it."},
    {"heartbeat.client_ping", "\"\"", .type = CONFIG_STRING, AT_SERVICE(heartbeat.client_ping),
     .computed = "off",
     .help = "A message that is a client's own heartbeat: the server answers client_pong, and "
             "the app does not see it."},
    {"heartbeat.client_pong", "\"\"", .type = CONFIG_STRING, AT_SERVICE(heartbeat.client_pong),
     .computed = "no answer", .help = "The answer to client_ping."},
    {"heartbeat.tcp_keepalive", "\"55s\"", .type = CONFIG_DURATION,
     AT_SERVICE(heartbeat.tcp_keepalive_ms), .min = SECOND, .max = 9 * HOUR,
     .zero_is_off = true,
     .help = "After so long a silence the kernel probes the peer by itself (TCP keep-alive)."},
    {"heartbeat.tcp_user_timeout", "\"0\"", .type = CONFIG_DURATION,
     AT_SERVICE(heartbeat.tcp_user_timeout_ms), .min = SECOND, .max = DAY, .zero_is_off = true,
     .help = "The kernel gives up a connection whose peer has not acknowledged sent data for "
             "so long (TCP_USER_TIMEOUT)."},

    {"limits.handshake_timeout", "\"10s\"", .type = CONFIG_DURATION,
     AT_SERVICE(limits.handshake_timeout_ms), .min = SECOND, .max = HOUR,
     .help = "How long a client may take for the protocol's handshake."},
    {"limits.close_timeout", "\"5s\"", .type = CONFIG_DURATION,
     AT_SERVICE(limits.close_timeout_ms), .min = SECOND, .max = HOUR,
     .help =
         "How long a polite close may take before the connection is cut; counted anew while "
         "the client acknowledges some of what is queued."},
    {"limits.header_size", "\"16k\"", .type = CONFIG_SIZE, AT_SERVICE(limits.header_size),
     .min = KIB, .max = MIB, .help = "The longest head of a request, all headers together."},
    {"limits.headers", "100", .type = CONFIG_COUNT, AT_SERVICE(limits.headers), .min = 8,
     .max = 1000, .help = "The most headers of a request."},
    {"limits.max_message", "\"10m\"", .type = CONFIG_SIZE, AT_SERVICE(limits.max_message),
     .min = 1, .max = GIB, .help = "The longest message that a client may send."},
    {"limits.max_send_buffer", "\"1m\"", .type = CONFIG_SIZE,
     AT_SERVICE(limits.max_send_buffer), .min = KIB, .max = GIB,
     .help = "The most that may wait to be sent to one client. Half of it is the high-water "
             "mark: below the mark a message of any size is taken, above it a send that would "
             "pass the maximum is refused."},
    {"limits.memory", "\"auto\"", .type = CONFIG_MEMORY, AT_SERVICE(limits.memory), .min = MIB,
     .max = 1024 * GIB,
     .help =
         "The most memory that the clients of one worker may make it hold: unfinished "
         "messages and bodies, what waits to be sent, the connections themselves. Beyond it "
         "the client address that holds most loses its largest connection first. \"auto\" "
         "shares half of the machine's or the control group's memory among all workers. Of "
         "services in one process the value of one holds for all."},
    {"limits.max_connections", "0", .type = CONFIG_COUNT, AT_SERVICE(limits.max_connections),
     .max = 10000000, .computed = "as many as the limit of open files allows",
     .help = "Maximum connections of this service per worker. When every worker is full, a new "
             "connection takes the place of the one that has waited longest for its next HTTP "
             "request; without one it is answered 503 (HTTP, WebSocket) or closed."},
    {"limits.max_connections_per_address", "0", .type = CONFIG_COUNT,
     AT_SERVICE(limits.max_connections_per_address), .max = 10000000, .computed = "off",
     .help = "Maximum connections of this service per worker from one client address; more are "
             "answered 429 or closed. With 4 workers a client can have 4 times as many. Behind "
             "trusted_proxies the client that the proxy names is counted, not the proxy. An "
             "IPv6 address counts as its /64."},
    {"limits.handshakes_per_address", "0", .type = CONFIG_COUNT,
     AT_SERVICE(limits.handshakes_per_address), .max = 1000000, .computed = "off",
     .help = "Maximum new connections a second, per worker, from one client address; more are "
             "answered 429 or closed. Behind trusted_proxies: new WebSockets."},
    {"limits.requests_per_address", "0", .type = CONFIG_COUNT,
     AT_SERVICE(limits.requests_per_address), .max = 1000000, .computed = "off",
     .help = "Maximum HTTP requests a second, per worker, from one client address, WebSocket "
             "handshakes among them; more are answered 429."},
    {"limits.auth_timeout", "\"0\"", .type = CONFIG_DURATION,
     AT_SERVICE(limits.auth_timeout_ms), .min = SECOND, .max = DAY, .zero_is_off = true,
     .help = "How long a connection may stay open before the app calls "
             "crew_conn_authenticated(); then it is closed (WebSocket code 1008). Does not "
             "concern plain HTTP requests, also of a websocket service: keep_alive bounds "
             "their connections."},
    {"limits.max_body", "\"10m\"", .type = CONFIG_SIZE, AT_SERVICE(limits.max_body),
     .max = 16 * GIB,
     .help = "The largest body of an HTTP request; a larger one is answered 413."},
    {"limits.keep_alive", "\"75s\"", .type = CONFIG_DURATION, AT_SERVICE(limits.keep_alive_ms),
     .min = SECOND, .max = DAY, .zero_is_off = true,
     .help = "How long an HTTP connection may wait for its next request."},
    {"limits.message_timeout", "\"30s\"", .type = CONFIG_DURATION,
     AT_SERVICE(limits.message_timeout_ms), .min = SECOND, .max = DAY, .zero_is_off = true,
     .was = "limits.body_timeout",
     .help = "While a message, line, frame or HTTP body is unfinished, at least min_rate must "
             "come in each span of this length; else the connection is closed (HTTP: 408). "
             "The time stands while the app has paused the connection."},
    {"limits.min_rate", "\"64b\"", .type = CONFIG_SIZE, AT_SERVICE(limits.min_rate), .min = 1,
     .max = GIB,
     .help = "Bytes a second that must come of an unfinished message, on average over "
             "message_timeout."},
    {"limits.send_timeout", "\"60s\"", .type = CONFIG_DURATION,
     AT_SERVICE(limits.send_timeout_ms), .min = SECOND, .max = DAY, .zero_is_off = true,
     .help = "A client that has acknowledged not a byte for so long, while more waits to be "
             "sent to it, or while it has an answer in pieces, is disconnected."},
    {"limits.message_rate", "0", .type = CONFIG_COUNT, AT_SERVICE(limits.message_rate),
     .max = 1000000, .computed = "off",
     .help = "The most messages a second from one connection."},

    {"trusted_proxies", "[]", .example = "[\"127.0.0.1\", \"10.0.0.0/8\"]",
     .type = CONFIG_STRINGS, AT_SERVICE(trusted_proxies),
     .count_offset = offsetof(struct config_service, trusted_proxy_count), .computed = "nobody",
     .help = "Addresses and networks of proxies whose X-Forwarded-For, Forwarded or X-Real-IP "
             "tells "
             "who the client is."},
    {"proxy_protocol", "false", .type = CONFIG_BOOL, AT_SERVICE(proxy_protocol),
     .help = "Each connection begins with a PROXY protocol header (version 1 or 2); from "
             "trusted_proxies only, when some are named."},

    {"http.max_upload", "\"0\"", .type = CONFIG_SIZE, AT_SERVICE(http.max_upload),
     .max = 64 * GIB, .computed = "limits.max_body",
     .help = "The largest body of a form with files (multipart/form-data); a larger one is "
             "answered 413. What of it is held in memory is bounded by limits.max_body."},
    {"http.upload_memory", "\"64k\"", .type = CONFIG_SIZE, AT_SERVICE(http.upload_memory),
     .max = GIB,
     .help = "A file of a form is held in memory up to this size; a larger one goes to a "
             "temporary file while it comes in."},
    {"http.upload_dir", "\"/tmp\"", .type = CONFIG_PATH, AT_SERVICE(http.upload_dir),
     .help = "The folder of these temporary files, which have no name and go with their "
             "request. On the file system on which the app keeps files, keeping one costs no "
             "copy. All together take an eighth of the files that a worker may open; a form "
             "that finds no place is answered 503."},
    {"http.max_parts", "1024", .type = CONFIG_COUNT, AT_SERVICE(http.max_parts), .min = 1,
     .max = 100000,
     .help = "The most parts of a multipart form, more are answered 413; and the most fields "
             "of an urlencoded one, the app gets none of more (CREW_ETOOBIG)."},

    {"websocket.origins", "[]", .example = "[\"https://example.com\"]", .type = CONFIG_STRINGS,
     AT_SERVICE(websocket.origins),
     .count_offset = offsetof(struct config_service, websocket.origin_count), .computed = "any",
     .help =
         "The origins whose pages may open a WebSocket; others are answered 403. A client that "
         "sends no Origin is no browser and is not held by this."},
    {"websocket.deflate", "false", .type = CONFIG_BOOL, AT_SERVICE(websocket.deflate),
     .help = "Compress messages (permessage-deflate) with clients that offer it."},
    {"websocket.deflate_context", "false", .type = CONFIG_BOOL,
     AT_SERVICE(websocket.deflate_context),
     .help = "Let messages refer to those before them: smaller, for some 300 KiB of memory a "
             "connection."},
    {"websocket.deflate_level", "1", .type = CONFIG_COUNT, AT_SERVICE(websocket.deflate_level),
     .min = 1, .max = 9, .help = "From 1, fastest, to 9, smallest."},
    {"websocket.deflate_min", "\"64b\"", .type = CONFIG_SIZE, AT_SERVICE(websocket.deflate_min),
     .max = GIB, .help = "Shorter messages are sent as they are."},

    {"static.root", "\"\"", .example = "\"/srv\"", .type = CONFIG_PATH, AT_SERVICE(files.root),
     .computed = "none are served",
     .help = "The folder whose files answer GET and HEAD requests of an http or websocket "
             "service, before on_request is asked. A symbolic link that is absolute or leads "
             "out of it, and a name with a leading dot other than .well-known, is as if it "
             "were not there. The folder may be replaced, or be a link that is changed, while "
             "the server runs."},
    {"static.index", "\"index.html\"", .type = CONFIG_STRING, AT_SERVICE(files.index),
     .max = 255, .computed = "none",
     .help = "The file that answers for its folder, when the path ends with a slash."},
    {"static.cache_control", "\"\"", .example = "\"public, max-age=3600\"",
     .type = CONFIG_STRING, AT_SERVICE(files.cache_control), .computed = "no such header",
     .help = "The Cache-Control header of these answers."},
    {"static.gzip", "true", .type = CONFIG_BOOL, AT_SERVICE(files.gzip),
     .help =
         "Send NAME.gz in place of NAME to clients that accept gzip, if it is there and not "
         "older (by whole seconds) than NAME."},
    {"static.types", "[]", .example = "[\"gmi=text/gemini\"]", .type = CONFIG_STRINGS,
     AT_SERVICE(files.types), .count_offset = offsetof(struct config_service, files.type_count),
     .computed = "the common ones",
     .help = "Media types by extension, as EXTENSION=TYPE, before those that are known."},

    {"session.dir", "\"\"", .example = "\"/var/lib/chat\"", .type = CONFIG_PATH,
     AT_SERVICE(session.dir), .computed = "the memory of each worker",
     .help =
         "The folder in which cookie sessions are kept, a file each, shared by the workers and "
         "kept over a reload. It may be replaced while the server runs. One that belongs to "
         "another user than the worker's or root is refused, and one that others may write "
         "and that is not sticky. Without one a session "
         "is "
         "known to one worker only and ends with it."},
    {"session.cookie", "\"CREWSID\"", .type = CONFIG_STRING, AT_SERVICE(session.cookie),
     .max = 64,
     .help =
         "The name of the cookie. It is HttpOnly and SameSite=Lax, and ends with the browser."},
    {"session.lifetime", "\"24m\"", .type = CONFIG_DURATION, AT_SERVICE(session.lifetime_ms),
     .min = SECOND, .max = 366 * DAY,
     .help = "A session that was not used for so long has ended."},
    {"session.secure", "false", .type = CONFIG_BOOL, AT_SERVICE(session.secure),
     .help =
         "Mark the cookie as Secure. Without this it is when a proxy of trusted_proxies says "
         "that the client came by https (X-Forwarded-Proto)."},
    {"session.max_size", "\"16k\"", .type = CONFIG_SIZE, AT_SERVICE(session.max_size),
     .min = 1024, .max = 16 * MIB, .help = "The names and values of one session together."},
    {"session.max_sessions", "10000", .type = CONFIG_COUNT, AT_SERVICE(session.max_sessions),
     .min = 1, .max = 10000000,
     .help =
         "Maximum sessions in the memory of one worker, where all together may take a quarter "
         "of limits.memory. One more ends the oldest of those that no second request has used, "
         "then one of the client address that holds most, or the least recently used. One "
         "client address "
         "can have half of both (16 sessions at least). With session.dir it bounds the unused "
         "sessions that one worker makes for one address."},
    {"session.max_files", "100000", .type = CONFIG_COUNT, AT_SERVICE(session.max_files),
     .min = 16, .max = 100000000,
     .help =
         "With session.dir: about how many sessions the folder holds, of all workers together. "
         "When there are more, those that no second request has used go first, then those that "
         "were used longest ago."},

    {"udp.session_timeout", "\"0\"", .type = CONFIG_DURATION,
     AT_SERVICE(udp_session_timeout_ms), .min = SECOND, .max = 7 * DAY, .zero_is_off = true,
     .help =
         "Of a udp service: treat each peer as a connection, which ends when nothing was "
         "received from it for so long. A peer that has not answered yet is not probed, and "
         "ends first when there is no room."},
};

static const struct config_table tables[] = {
    [CONFIG_OF_INSTANCE] = {instance_rows, sizeof(instance_rows) / sizeof(*instance_rows)},
    [CONFIG_OF_SERVICE] = {service_rows, sizeof(service_rows) / sizeof(*service_rows)},
};

_Static_assert(sizeof(service_rows) / sizeof(*service_rows) <= CONFIG_ROWS_MAX, "raise it");
_Static_assert(sizeof(instance_rows) / sizeof(*instance_rows) <= CONFIG_ROWS_MAX, "raise it");

const struct config_table *config_table_get(enum config_scope scope) {
    return &tables[scope];
}

const struct config_row *config_table_find(enum config_scope scope, const char *path) {
    for (size_t i = 0; i < tables[scope].count; i++)
        if (strcmp(tables[scope].rows[i].path, path) == 0)
            return &tables[scope].rows[i];
    return NULL;
}

const struct config_row *config_table_find_renamed(enum config_scope scope, const char *path) {
    for (size_t i = 0; i < tables[scope].count; i++) {
        const struct config_row *row = &tables[scope].rows[i];
        if (row->was && strcmp(row->was, path) == 0)
            return row;
    }
    return NULL;
}

/* What of `path` lies below `group`, or NULL. */
static const char *below(const char *path, const char *group) {
    size_t len = strlen(group);
    if (len == 0)
        return path;
    return strncmp(path, group, len) == 0 && path[len] == '.' ? path + len + 1 : NULL;
}

bool config_table_has_group(enum config_scope scope, const char *path) {
    for (size_t i = 0; i < tables[scope].count; i++)
        if (below(tables[scope].rows[i].path, path))
            return true;
    return false;
}

/* The path in `table` whose last part is `key`, or NULL. */
static const char *find_leaf(const struct config_table *table, const char *key) {
    for (size_t i = 0; i < table->count; i++) {
        const char *dot = strrchr(table->rows[i].path, '.');
        if (strcmp(dot ? dot + 1 : table->rows[i].path, key) == 0)
            return table->rows[i].path;
    }
    return NULL;
}

/* The sibling in `group` that is near to `key`, in `buffer`, or NULL. */
static const char *near_sibling(enum config_scope scope, const char *group, const char *key,
                                char *buffer, size_t size) {
    struct nearest nearest;
    nearest_init(&nearest, key);
    for (size_t i = 0; i < tables[scope].count; i++) {
        char sibling[NEAREST_WORD_MAX];
        const char *rest = below(tables[scope].rows[i].path, group);
        if (!rest)
            continue;
        snprintf(sibling, sizeof(sibling), "%.*s", (int)strcspn(rest, "."), rest);
        if (nearest_offer(&nearest, sibling))
            snprintf(buffer, size, "%s", sibling);
    }
    if (scope == CONFIG_OF_INSTANCE && *group == '\0' && nearest_offer(&nearest, "services"))
        snprintf(buffer, size, "services");
    return nearest.best ? buffer : NULL;
}

const char *config_table_suggest(enum config_scope scope, const char *group, const char *key,
                                 char *buffer, size_t size) {
    const char *elsewhere = find_leaf(&tables[scope], key);
    if (elsewhere)
        return elsewhere;
    elsewhere = scope == CONFIG_OF_INSTANCE ? find_leaf(&tables[CONFIG_OF_SERVICE], key) : NULL;
    if (!elsewhere)
        return near_sibling(scope, group, key, buffer, size);
    snprintf(buffer, size, "services.NAME.%s", elsewhere);
    return buffer;
}
