/* SPDX-License-Identifier: MIT
 *
 * The app of the process tests: it does what a message asks for ("pid", "crash", "close 3000
 * bye") and sends everything else back. Every callback leaves a line in the log, so that a test
 * can see what was called, in which order and why. Built in several states of health, see
 * meson.build.
 */
#include <crewman.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PROBE_VERSION
#define PROBE_VERSION 1
#endif
#ifndef PROBE_ABI
#define PROBE_ABI CREW_ABI
#endif
#ifndef PROBE_MAGIC
#define PROBE_MAGIC CREW_MAGIC
#endif

#define ARG_MAX_BYTES 120u

/* A command: its word, and the rest of the message as a terminated string. */
struct command {
    const char *word;
    void (*run)(crew_conn *conn, const char *arg);
};

/* Of the one timer that "timer" starts. */
static unsigned ticks_left;
static crew_id ticks_for;

static void reply(crew_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void reply(crew_conn *conn, const char *format, ...) {
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    crew_conn_send_text(conn, text, (size_t)len);
}

static void run_pid(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%d", (int)getpid());
}

/* "service slot generation version". */
static void run_who(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%s %u %u %d", crew_worker_service(), crew_worker_slot(),
          crew_worker_generation(), PROBE_VERSION);
}

static void run_crash(crew_conn *conn, const char *arg) {
    (void)conn;
    (void)arg;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

/* Real faults, each in a function of its own: their names are found by the obituary's offset.
 */
static void run_fault(crew_conn *conn, const char *arg) {
    int *volatile place = (int *)16;
    (void)conn;
    (void)arg;
    *place = 1;
}

static void run_abort(crew_conn *conn, const char *arg) {
    (void)conn;
    (void)arg;
    abort();
}

static unsigned grow_stack(volatile unsigned char *above, unsigned depth) {
    volatile unsigned char here[512];
    here[depth % sizeof(here)] = above[0];
    return depth == 0 ? here[0] : grow_stack(here, depth - 1) + here[1];
}

static void run_deep(crew_conn *conn, const char *arg) {
    volatile unsigned char start[1] = {0};
    (void)arg;
    reply(conn, "%u", grow_stack(start, 1u << 30));
}

static void run_nowhere(crew_conn *conn, const char *arg) {
    void (*volatile nowhere)(void) = NULL;
    (void)arg;
    nowhere();
    reply(conn, "back"); /* so that it is a call and no jump */
}

static void run_exit(crew_conn *conn, const char *arg) {
    (void)conn;
    _exit((int)strtol(arg, NULL, 10));
}

/* Blocks the loop for so many milliseconds. */
static void run_block(crew_conn *conn, const char *arg) {
    struct timespec nap;
    long ms = strtol(arg, NULL, 10);

    nap.tv_sec = ms / 1000;
    nap.tv_nsec = (ms % 1000) * 1000000;
    while (nanosleep(&nap, &nap) < 0 && errno == EINTR)
        continue;
    reply(conn, "blocked");
}

static void run_close(crew_conn *conn, const char *arg) {
    char *reason;
    long code = strtol(arg, &reason, 10);

    if (code == 0) {
        crew_conn_close(conn);
        return;
    }
    while (*reason == ' ')
        reason++;
    int answer = crew_conn_close_with(conn, (int)code, *reason != '\0' ? reason : NULL);
    if (answer < 0)
        reply(conn, "error %s", crew_strerror(answer));
}

/* A send after a close is refused; the answer goes to the log, since nobody can be told. */
static void run_close_then_send(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "last words");
    crew_conn_close(conn);
    crew_log(CREW_LOG_NOTICE, "probe: send after close answers %d",
             crew_conn_send(conn, "x", 1) == CREW_ECLOSED);
}

static void run_destroy(crew_conn *conn, const char *arg) {
    (void)arg;
    crew_conn_destroy(conn);
}

static void run_stop(crew_conn *conn, const char *arg) {
    (void)conn;
    (void)arg;
    crew_worker_stop();
}

static void run_id(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%" PRIu64, crew_conn_id(conn));
}

/* "ID TEXT" to another connection of this worker. */
static void run_tell(crew_conn *conn, const char *arg) {
    char *text;
    crew_id id = strtoull(arg, &text, 10);
    crew_conn *other = crew_conn_find(id);

    if (other == NULL) {
        reply(conn, "nobody");
        return;
    }
    crew_conn_send_text(other, text + (*text == ' '), strlen(text + (*text == ' ')));
    reply(conn, "told");
}

static const char *addr_text(const struct crew_addr *addr, char *text, size_t size) {
    snprintf(text, size, "%d %s %u", (int)addr->family, addr->text, (unsigned)addr->port);
    return text;
}

static void run_addr(crew_conn *conn, const char *arg) {
    struct crew_addr peer, local;
    char peer_line[160], local_line[160];

    (void)arg;
    crew_conn_peer(conn, &peer);
    crew_conn_local(conn, &local);
    reply(conn, "%s | %s", addr_text(&peer, peer_line, sizeof(peer_line)),
          addr_text(&local, local_line, sizeof(local_line)));
}

static void run_stats(crew_conn *conn, const char *arg) {
    struct crew_conn_stats stats;

    (void)arg;
    crew_conn_stats(conn, &stats);
    reply(conn,
          "{\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"messages_in\":%" PRIu64
          ",\"messages_out\":%" PRIu64 ",\"queued\":%zu,\"idle_ms\":%" PRIu64
          ",\"rtt_ms\":%" PRId64 ",\"age_ms\":%" PRIu64 ",\"service\":\"%s\"}",
          stats.bytes_in, stats.bytes_out, stats.messages_in, stats.messages_out, stats.queued,
          stats.idle_ms, stats.rtt_ms, stats.age_ms, crew_conn_service(conn));
}

/* "COUNT SIZE": sends until refused; logs what the sends answered. */
static void run_flood(crew_conn *conn, const char *arg) {
    char *rest;
    unsigned long count = strtoul(arg, &rest, 10), size = strtoul(rest, NULL, 10);
    unsigned long sent = 0, queued = 0, full = 0, other = 0;
    char *data = calloc(1, size + 1);

    for (unsigned long i = 0; data != NULL && i < count; i++) {
        int answer = crew_conn_send_binary(conn, data, size);
        sent += answer == CREW_SENT;
        queued += answer == CREW_QUEUED;
        full += answer == CREW_EFULL;
        other += answer < 0 && answer != CREW_EFULL;
    }
    free(data);
    crew_log(CREW_LOG_NOTICE, "probe: flood sent=%lu queued=%lu full=%lu other=%lu", sent,
             queued, full, other);
}

static void fill(crew_conn *conn) {
    static const char data[4096];

    while (crew_conn_send_binary(conn, data, sizeof(data)) >= 0)
        continue;
}

static void fill_again(crew_timer timer, void *arg) {
    crew_conn *conn = crew_conn_find((crew_id)(uintptr_t)arg);
    struct crew_conn_stats stats = {0};

    if (conn == NULL) {
        crew_timer_del(timer);
        return;
    }
    crew_conn_stats(conn, &stats);
    if (stats.queued < 100000)
        fill(conn);
}

/* From now on there is always something queued. */
static void run_stream(crew_conn *conn, const char *arg) {
    (void)arg;
    fill(conn);
    crew_timer_add(10, fill_again, (void *)(uintptr_t)crew_conn_id(conn));
}

static void resume_later(crew_timer timer, void *arg) {
    crew_conn *conn = crew_conn_find((crew_id)(uintptr_t)arg);

    (void)timer;
    if (conn != NULL)
        crew_conn_resume(conn);
}

static void run_pause(crew_conn *conn, const char *arg) {
    reply(conn, "paused");
    crew_conn_pause(conn);
    crew_timer_add_once(strtoul(arg, NULL, 10), resume_later,
                        (void *)(uintptr_t)crew_conn_id(conn));
}

static void run_authenticated(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%d", crew_conn_authenticated(conn));
}

static void run_count(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%zu", crew_conn_count());
}

static int visit_send(crew_conn *conn, void *arg) {
    const char *text = arg;

    crew_conn_send_text(conn, text, strlen(text));
    return 0;
}

static int visit_destroy(crew_conn *conn, void *arg) {
    if (conn != arg)
        crew_conn_destroy(conn);
    return 0;
}

static int visit_crash(crew_conn *conn, void *arg) {
    (void)arg;
    run_crash(conn, "");
    return 0;
}

static void run_crash_each(crew_conn *conn, const char *arg) {
    (void)conn;
    (void)arg;
    crew_conn_each(visit_crash, NULL);
}

static void run_all(crew_conn *conn, const char *arg) {
    char text[ARG_MAX_BYTES + 1];

    (void)conn;
    snprintf(text, sizeof(text), "%s", arg);
    crew_conn_each(visit_send, text);
}

static void run_destroy_others(crew_conn *conn, const char *arg) {
    (void)arg;
    crew_conn_each(visit_destroy, conn);
    reply(conn, "%zu", crew_conn_count());
}

static void tick(crew_timer timer, void *arg) {
    crew_conn *conn = crew_conn_find(ticks_for);

    (void)arg;
    if (conn != NULL)
        reply(conn, "tick %" PRIu64, crew_now_ms());
    if (--ticks_left == 0)
        crew_timer_del(timer);
}

/* "MS COUNT": so many ticks. */
static void run_timer(crew_conn *conn, const char *arg) {
    char *rest;
    unsigned long ms = strtoul(arg, &rest, 10);

    ticks_for = crew_conn_id(conn);
    ticks_left = (unsigned)strtoul(rest, NULL, 10);
    reply(conn, "start %" PRIu64, crew_now_ms());
    crew_timer_add(ms, tick, NULL);
}

static void run_timer_errors(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%d %d", crew_timer_add(0, tick, NULL) == CREW_EINVAL,
          crew_timer_del(123456789) == CREW_ENOENT);
}

static void forget_data(void *data) {
    crew_log(CREW_LOG_NOTICE, "probe: destructor of %s", (char *)data);
    free(data);
}

static void run_data(crew_conn *conn, const char *arg) {
    const char *old = crew_conn_data(conn);

    reply(conn, "was %s", old != NULL ? old : "nothing");
    crew_conn_set_data(conn, strdup(arg), forget_data);
}

static void run_log(crew_conn *conn, const char *arg) {
    crew_log(CREW_LOG_WARNING, "probe: says %s", arg);
    reply(conn, "logged");
}

static void run_print(crew_conn *conn, const char *arg) {
    printf("probe: printed %s\n", arg);
    fflush(stdout);
    fprintf(stderr, "probe: complained %s\n", arg);
    reply(conn, "printed");
}

static void run_type(crew_conn *conn, const char *arg) {
    (void)arg;
    crew_conn_send(conn, "kept", 4);
}

static void run_uid(crew_conn *conn, const char *arg) {
    (void)arg;
    reply(conn, "%u %u %u %u", (unsigned)getuid(), (unsigned)geteuid(), (unsigned)getgid(),
          (unsigned)getegid());
}

/* What a program says that is started here; its first 500 bytes. */
static void run_run(crew_conn *conn, const char *arg) {
    char text[501];
    FILE *program = popen(arg, "r");

    if (program == NULL) {
        reply(conn, "error %s", strerror(errno));
        return;
    }
    text[fread(text, 1, sizeof(text) - 1, program)] = '\0';
    pclose(program);
    reply(conn, "%s", text);
}

static const struct command commands[] = {
    {"pid", run_pid},
    {"who", run_who},
    {"crash", run_crash},
    {"crash-each", run_crash_each},
    {"fault", run_fault},
    {"abort", run_abort},
    {"deep", run_deep},
    {"nowhere", run_nowhere},
    {"exit", run_exit},
    {"block", run_block},
    {"close", run_close},
    {"close-then-send", run_close_then_send},
    {"destroy", run_destroy},
    {"destroy-others", run_destroy_others},
    {"stop", run_stop},
    {"id", run_id},
    {"tell", run_tell},
    {"addr", run_addr},
    {"stats", run_stats},
    {"flood", run_flood},
    {"stream", run_stream},
    {"pause", run_pause},
    {"authenticated", run_authenticated},
    {"count", run_count},
    {"all", run_all},
    {"timer", run_timer},
    {"timer-errors", run_timer_errors},
    {"data", run_data},
    {"log", run_log},
    {"print", run_print},
    {"type", run_type},
    {"uid", run_uid},
    {"run", run_run},
};

static void run_command(crew_conn *conn, char *line) {
    char *arg = strchr(line, ' ');

    if (arg != NULL)
        *arg++ = '\0';
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(line, commands[i].word) == 0) {
            commands[i].run(conn, arg != NULL ? arg : "");
            return;
        }
    }
    reply(conn, "unknown command");
}

/* "!command argument" is done, everything else is sent back. */
static void on_message(crew_conn *conn, const crew_msg *msg) {
    char line[ARG_MAX_BYTES + 1];

    if (msg->len < 2 || msg->data[0] != '!' || msg->len > ARG_MAX_BYTES) {
        crew_conn_send(conn, msg->data, msg->len);
        return;
    }
    memcpy(line, msg->data + 1, msg->len - 1);
    line[msg->len - 1] = '\0';
    run_command(conn, line);
}

static int on_worker_start(const struct crew_service_ref *service) {
    const char *fail_slot = getenv("PROBE_FAIL_SLOT"), *bar = getenv("PROBE_BAR"),
               *bar_slot = getenv("PROBE_BAR_SLOT");
    bool is_barred = bar_slot == NULL || strtoul(bar_slot, NULL, 10) == crew_worker_slot();

#ifdef PROBE_FAIL_START
    crew_log(CREW_LOG_ERROR, "probe: cannot reach the database");
    return -1;
#elif defined(PROBE_CRASH_START)
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
#elif defined(PROBE_HANG_START)
    for (;;)
        pause();
#endif
    if (fail_slot != NULL && strtoul(fail_slot, NULL, 10) == crew_worker_slot())
        return -1;
    if (bar != NULL && is_barred && access(bar, F_OK) == 0) /* as long as that file is there */
        _exit(78);
    crew_log(CREW_LOG_NOTICE, "probe: worker start, slot %u", service->slot);
    return 0;
}

static void on_worker_stop(const struct crew_service_ref *service) {
    (void)service;
    crew_log(CREW_LOG_NOTICE, "probe: worker stop, %zu connections", crew_conn_count());
}

static void on_worker_drain(const struct crew_service_ref *service, int reason) {
    (void)service;
    crew_log(CREW_LOG_NOTICE, "probe: worker drain, %s", crew_close_reason_name(reason));
}

static void on_connect(crew_conn *conn) {
    crew_log(CREW_LOG_INFO, "probe: connect %" PRIu64, crew_conn_id(conn));
}

static void on_open(crew_conn *conn) {
    crew_log(CREW_LOG_INFO, "probe: open %" PRIu64, crew_conn_id(conn));
}

static void on_close(crew_conn *conn, int reason) {
    crew_log(CREW_LOG_NOTICE, "probe: close %" PRIu64 " reason=%s code=%d", crew_conn_id(conn),
             crew_close_reason_name(reason), crew_conn_close_code(conn));
}

static void on_error(crew_conn *conn, int error, const char *text) {
    crew_log(CREW_LOG_NOTICE, "probe: problem %" PRIu64 " error=%d %s", crew_conn_id(conn),
             error, text);
}

static void on_buffer_full(crew_conn *conn) {
    crew_log(CREW_LOG_NOTICE, "probe: buffer full %" PRIu64, crew_conn_id(conn));
}

static void on_buffer_drain(crew_conn *conn) {
    crew_log(CREW_LOG_NOTICE, "probe: buffer drain %" PRIu64, crew_conn_id(conn));
}

static const struct crew_service services[] = {{
    .name = "probe",
    .listen = "websocket://127.0.0.1:2397",
    .workers = 1,
    .on_worker_start = on_worker_start,
    .on_worker_stop = on_worker_stop,
    .on_worker_drain = on_worker_drain,
    .on_connect = on_connect,
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
    .on_error = on_error,
    .on_buffer_full = on_buffer_full,
    .on_buffer_drain = on_buffer_drain,
}};

/* By hand in place of CREW_APP, so that its numbers can be wrong. */
#ifdef PROBE_NO_SYMBOL
#define PROBE_DESCRIPTOR another_name
#else
#define PROBE_DESCRIPTOR crew_app
#endif
__attribute__((visibility("default"))) extern const struct crew_app PROBE_DESCRIPTOR;
const struct crew_app PROBE_DESCRIPTOR = {
    .magic = PROBE_MAGIC,
    .abi = PROBE_ABI,
    .size = sizeof(struct crew_app),
    .service_size = sizeof(struct crew_service),
    .protocol_size = sizeof(struct crew_protocol),
    .service_count = 1,
    .services = services,
    .version = CREW_VERSION,
};
