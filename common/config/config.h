/* SPDX-License-Identifier: MIT
 *
 * The configuration of one instance, checked and with every default filled in. Read by the
 * master only; a worker gets the part that it needs as JSON in its plan (config_service_json /
 * config_service_load). All keys come from one table (config_table.h): checker, sample file and
 * docs are made from it.
 */
#ifndef CREWMAN_CONFIG_H
#define CREWMAN_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listen.h"

#define CONFIG_NAME_MAX     32
#define CONFIG_WORKERS_MAX  512
#define CONFIG_SERVICES_MAX 64
#define CONFIG_LABEL_MAX    128

/* The longest name of a socket that the master makes in run_dir, and so the longest run_dir:
 * both and a slash fit in sun_path. */
#define CONFIG_SOCKET_NAME_MAX 55
#define CONFIG_RUN_DIR_MAX     (107 - 1 - CONFIG_SOCKET_NAME_MAX)

struct config_heartbeat {
    uint64_t ping_interval_ms;                      /* 0: off */
    uint64_t idle_timeout_ms;                       /* 0: off */
    char *ping_data;                                /* "" : the protocol's own ping, or none */
    char *client_ping, *client_pong;                /* "" : off */
    uint64_t tcp_keepalive_ms, tcp_user_timeout_ms; /* 0: off */
};

struct config_limits {
    uint64_t handshake_timeout_ms, close_timeout_ms;
    uint64_t header_size, max_message, max_send_buffer;
    uint32_t headers;
    uint32_t max_connections;             /* a worker; 0: as RLIMIT_NOFILE allows */
    uint32_t max_connections_per_address; /* a worker; 0: off */
    uint64_t auth_timeout_ms;             /* 0: off */
    uint32_t handshakes_per_address, requests_per_address; /* a second and worker; 0: off */
    uint64_t max_body;
    uint64_t memory; /* a worker; 0: not settled yet */
    uint64_t keep_alive_ms, message_timeout_ms, send_timeout_ms; /* 0: off */
    uint64_t min_rate;     /* bytes a second, of an unfinished message */
    uint32_t message_rate; /* messages a second a connection; 0: off */
};

struct config_websocket {
    char **origins; /* none: any */
    size_t origin_count;
    bool deflate, deflate_context;
    uint32_t deflate_level;
    uint64_t deflate_min;
};

/* Cookie sessions. */
struct config_session {
    char *dir; /* absolute; "": in the memory of each worker */
    char *cookie;
    uint64_t lifetime_ms; /* since the last use */
    uint64_t max_size;    /* names and values of one */
    uint32_t max_sessions;
    uint32_t max_files; /* in dir, of all workers */
    bool secure;
};

/* Forms with files. */
struct config_http {
    uint64_t max_upload;    /* 0: limits.max_body */
    uint64_t upload_memory; /* a file */
    char *upload_dir;
    uint32_t max_parts;
};

struct config_static {
    char *root;  /* absolute; "" : off */
    char *index; /* "" : none */
    char *cache_control;
    char **types; /* EXTENSION=TYPE */
    size_t type_count;
    bool gzip;
};

enum config_kind { CONFIG_KIND_APP, CONFIG_KIND_STATIC, CONFIG_KIND_COUNT };

struct config_service {
    char name[CONFIG_NAME_MAX + 1];
    int kind;          /* enum config_kind */
    char *app;         /* absolute path of its shared object; "" : of a built-in kind */
    char *label;       /* "" : none */
    char *listen_text; /* as written; "" : no listener */
    struct listen_address listen;
    char *process; /* the name of its processes; "" : its own */
    char *user;    /* "" : stay; resolved: the file's, the instance's, then the app's */
    char *group;   /* "" : the user's own */
    bool reloadable;
    uint32_t workers; /* "auto" resolved to the number of usable CPUs */
    bool reuse_port;
    uint32_t backlog;
    uint32_t socket_mode;             /* of a unix socket, for example 0660 */
    char *socket_user, *socket_group; /* "" : leave */
    struct config_heartbeat heartbeat;
    struct config_limits limits;
    struct config_http http;
    struct config_session session;
    struct config_websocket websocket;
    char **trusted_proxies; /* addresses and networks; none: nobody */
    size_t trusted_proxy_count;
    bool proxy_protocol;
    struct config_static files;
    uint64_t udp_session_timeout_ms; /* 0: no sessions */
    json_t *settings;                /* an object, the app's own; owned */
    json_t *effective;               /* the whole effective block as JSON; owned */
};

struct config {
    char *path;  /* of the file, absolute; NULL when there is none */
    char **apps; /* absolute paths */
    size_t app_count;
    bool pin;                 /* programs and apps as they were at the start or reload */
    char *runtimes;           /* absolute; "" : the folder of the installation */
    char *user, *group;       /* "" : stay */
    char *run_dir;            /* absolute */
    bool has_default_run_dir; /* neither the file nor the command line names one */
    char **trusted_groups;    /* whose members may write into the folders of our files */
    size_t trusted_group_count;
    uint64_t start_timeout_ms, stop_timeout_ms, drain_timeout_ms, watchdog_ms;
    uint64_t reload_spread_ms; /* over which the old connections are closed by a reload */
    char *log_file;            /* absolute; "" : stderr, or run_dir/crewman.log of a daemon */
    int log_level;
    struct config_service *services; /* empty until config_merge() */
    size_t service_count;
    struct config_file
        *file; /* the text and its positions, NULL when there is none; of config*.c only */
};

/* Errors found, as lines for people: "FILE:LINE:COLUMN: path.to.key: what was found; what was
 * expected". */
struct config_errors {
    char **lines;
    size_t count;
};

/* What an app declares, as crewman-worker --describe printed it:
 * {"v":1,"abi":2,"services":[{"name","listen","workers", …, "config":{...}}]}. Kept apart from
 * the file: a caller reads the file first (for app, user, run_dir), describes the apps, then
 * merges. config_merge() sets config->apps to the paths given. */
struct config_app {
    const char *path;          /* absolute; borrowed */
    const json_t *description; /* borrowed */
};

/* Step 1: read and check all of `path` (NULL: an empty config) but what only the apps can tell.
 * Relative paths in it are relative to the file's folder. `run_dir` (NULL or an override from
 * the command line). On failure answers -EINVAL, and fills out_errors (freed with
 * config_errors_done); 0 fills *out_config (freed with config_free). */
int config_read(const char *path, const char *run_dir, struct config **out_config,
                struct config_errors *out_errors);

/* Only to find its run_dir: what is wrong with other keys, or with the folders that they name,
 * keeps nobody from asking or stopping an instance. Same answers. */
int config_read_run_dir(const char *path, struct config **out_config,
                        struct config_errors *out_errors);

/* Step 2: put the declared services under the file's service blocks (file wins over the app's
 * "config", that over listen/workers of the descriptor, that over defaults), check names both
 * ways and resolve. Errors inside an app's own declaration are prefixed with the app's path.
 * Same answers; on failure *config is unchanged. */
int config_merge(struct config *config, const struct config_app *apps, size_t count,
                 struct config_errors *out_errors);

/* Does the file have a service that needs no app? Then an instance needs none. */
bool config_has_builtin(const struct config *config);

/* Whom the apps are described as, before it is known which services they have: the instance's
 * user; else, where each service in the file that runs an app names one, the first of these.
 * "" : nobody else than who started it. Both borrowed from the config. */
void config_describing_user(const struct config *config, const char **out_user,
                            const char **out_group);

/* The name of the processes that serve it. */
const char *config_process_name(const struct config_service *service);

void config_errors_done(struct config_errors *errors);
void config_free(struct config *config);

/* Keys that a reload may not change and that differ; adds a line for each to out_errors,
 * answers their number. */
size_t config_reload_conflicts(const struct config *old, const struct config *new,
                               struct config_errors *out_errors);

/* The whole effective configuration as JSON (new reference), durations and sizes with units:
 * `crewman check`. */
json_t *config_effective(const struct config *config);

/* Worker side: the block in a plan (config_service.effective) back to a struct. `out_why` gets
 * a line on -EINVAL. */
int config_service_load(const char *name, const json_t *effective,
                        struct config_service *out_service, char *out_why, size_t size);
void config_service_done(struct config_service *service);

#endif
