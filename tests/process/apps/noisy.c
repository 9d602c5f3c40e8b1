/* SPDX-License-Identifier: MIT
 *
 * An app for test_log.py that prints: at its load, on demand, at its death, and through a
 * program that it starts. Each text line is a word and an argument.
 */
#include <crewman.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct verb {
    const char *word;
    int (*run)(char *arg); /* its answer */
};

__attribute__((constructor)) static void begin(void) {
    printf("noisy: a constructor prints\n");
    fprintf(stderr, "noisy: a constructor complains\n");
    for (int i = 0; getenv("NOISY_LOAD") && i < atoi(getenv("NOISY_LOAD")); i++)
        fprintf(stderr, "noisy: a constructor that does not come to an end, line %d\n", i);
}

/* Bytes in hexadecimal, to standard output in one piece. */
static int run_bytes(char *arg) {
    char bytes[512];
    size_t len = 0;
    for (unsigned byte; len < sizeof(bytes) && sscanf(arg, "%2x", &byte) == 1; arg += 2)
        bytes[len++] = (char)byte;
    return (int)write(STDOUT_FILENO, bytes, len);
}

/* Nothing is flushed: what is lost at a crash is lost. */
static int run_die(char *arg) {
    char *how = strsep(&arg, " ");
    printf("noisy: last words %s\n", arg);
    fprintf(stderr, "noisy: unfinished %s", arg);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "exit") == 0)
        _exit(3);
    return raise(SIGKILL);
}

static int run_half(char *arg) {
    printf("noisy: half a line %s", arg);
    abort();
}

/* How many files among its descriptors it could empty. */
static int run_truncate(char *arg) {
    int emptied = 0;
    (void)arg;
    for (int fd = 0; fd < 256; fd++)
        emptied += ftruncate(fd, 0) == 0;
    return emptied;
}

static int run_flood(char *arg) {
    int count = atoi(arg);
    for (int i = 0; i < count; i++)
        printf("noisy: flood %d of a line that is a hundred bytes long, or about that, or not\n",
               i);
    return count;
}

static int run_system(char *arg) {
    return system(arg);
}

static const struct verb verbs[] = {{"bytes", run_bytes},
                                    {"die", run_die},
                                    {"half", run_half},
                                    {"truncate", run_truncate},
                                    {"flood", run_flood},
                                    {"system", run_system}};

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char *arg = strndup(msg->data, msg->len), *whole = arg;
    const char *word = strsep(&arg, " ");
    int answer = (int)getpid();
    char text[16];
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].word, word) == 0)
            answer = verbs[i].run(arg);
    free(whole);
    snprintf(text, sizeof(text), "%d", answer);
    crew_conn_send(conn, text, strlen(text));
}

CREW_APP({.name = NOISY_NAME,
          .listen = "text://127.0.0.1:1",
          .workers = 1,
          .on_message = on_message})
