/* SPDX-License-Identifier: MIT
 *
 * See options.h. Relative paths become absolute here: a daemon leaves its folder.
 */
#include "options.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cwd.h"
#include "memory.h"
#include "nearest.h"
#include "printable.h"

#define VERB_WORD(id, word, help) word,
static const char *const words[] = {VERBS(VERB_WORD) NULL};
#undef VERB_WORD
#define VERB_HELP(id, word, help) help,
static const char *const helps[] = {VERBS(VERB_HELP)};
#undef VERB_HELP

#define BIT(verb) (1u << VERB_##verb)
#define INSTANCE                                                                               \
    (BIT(START) | BIT(STOP) | BIT(RESTART) | BIT(RELOAD) | BIT(STATUS) | BIT(CONNECTIONS) |    \
     BIT(CHECK) | BIT(REOPEN_LOGS))

static const struct flag {
    const char *word, *value, *help;
    unsigned verbs;
} flags[] = {
    {"-c", "FILE", "configuration file", INSTANCE},
    {"--run-dir", "DIR", "the instance with that run directory", INSTANCE},
    {"-d", NULL, "run as a daemon; returns when every worker is ready",
     BIT(START) | BIT(RESTART)},
    {"-q", NULL, "no banner", BIT(START) | BIT(RESTART)},
    {"-g", NULL, "gracefully: let connections end by themselves, up to drain_timeout",
     BIT(STOP) | BIT(RESTART) | BIT(RELOAD)},
    {"--watch", NULL, "again each second", BIT(STATUS)},
    {"--json", NULL, "for programs", BIT(STATUS) | BIT(CONNECTIONS)},
};
#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

void options_print_help(void) {
    puts("usage: crewman VERB [options] [APP.so ...]\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %-12s %s\n", words[i], helps[i]);
    puts("\noptions:");
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char left[32];
        snprintf(left, sizeof(left), "%s %s", flags[i].word,
                 flags[i].value ? flags[i].value : "");
        printf("  %-15s %s (", left, flags[i].help);
        const char *comma = "";
        for (size_t verb = 0; flags[i].verbs != INSTANCE && verb < VERB_COUNT; verb++) {
            if (!(flags[i].verbs & (1u << verb)))
                continue;
            printf("%s%s", comma, words[verb]);
            comma = ", ";
        }
        puts(flags[i].verbs == INSTANCE ? "every verb)" : ")");
    }
    puts("\nexit codes: 0 done, 1 failed, 2 wrong usage, 3 not running");
}

static const char *nearest_word(const char *word, const char *const *known, size_t count) {
    struct nearest nearest;
    nearest_init(&nearest, word);
    for (size_t i = 0; i < count; i++)
        nearest_offer(&nearest, known[i]);
    return nearest.best;
}

static int complain(const char *what, const char *word, const char *nearest) {
    fprintf(stderr, "crewman: %s \"%s\"", what, word);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\ntry: crewman help\n");
    return EXIT_USAGE;
}

/* Takes `folder`. */
static char *below(char *folder, const char *path) {
    char *text = path[0] == '/' ? memory_copy_text(path)
                                : memory_format("%s/%s", folder ? folder : ".", path);
    free(folder);
    return text;
}

/* Read again at each reload: through the links that the shell went. */
static char *as_the_shell_names_it(const char *path) {
    return below(cwd_name(), path);
}

/* The same folder as long as the instance runs, whatever becomes of the links to it. */
static char *without_links(const char *path) {
    return below(getcwd(NULL, 0), path);
}

static int read_verb(struct options *options, const char *word) {
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0)
        word = "version";
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(words[i], word) == 0) {
            options->verb = (enum verb)i;
            return 0;
        }
    }
    return complain("unknown verb", word, nearest_word(word, words, VERB_COUNT));
}

static void set_flag(struct options *options, const char *word, const char *value) {
    if (strcmp(word, "-c") == 0) {
        free(options->config_path);
        options->config_path = as_the_shell_names_it(value);
    } else if (strcmp(word, "--run-dir") == 0) {
        free(options->run_dir);
        options->run_dir = without_links(value);
    } else if (strcmp(word, "-d") == 0) {
        options->is_daemon = true;
    } else if (strcmp(word, "-q") == 0) {
        options->is_quiet = true;
    } else if (strcmp(word, "-g") == 0) {
        options->is_graceful = true;
    } else if (strcmp(word, "--watch") == 0) {
        options->watches = true;
    } else {
        options->is_json = true;
    }
}

static const struct flag *find_flag(const char *word) {
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (strcmp(flags[i].word, word) == 0)
            return &flags[i];
    return NULL;
}

static int unknown_flag(const char *word) {
    const char *names[FLAG_COUNT];
    for (size_t i = 0; i < FLAG_COUNT; i++)
        names[i] = flags[i].word;
    return complain("unknown option", word, nearest_word(word, names, FLAG_COUNT));
}

/* Answers how many words it took, or -1 after a complaint. */
static int read_flag(struct options *options, char **argv) {
    const struct flag *flag = find_flag(argv[0]);
    if (!flag) {
        unknown_flag(argv[0]);
        return -1;
    }
    if (!(flag->verbs & (1u << options->verb))) {
        fprintf(stderr, "crewman: %s takes no %s\ntry: crewman help\n", words[options->verb],
                flag->word);
        return -1;
    }
    if (flag->value && !argv[1]) {
        fprintf(stderr, "crewman: %s needs a %s\ntry: crewman help\n", flag->word, flag->value);
        return -1;
    }
    set_flag(options, flag->word, argv[1]);
    return flag->value ? 2 : 1;
}

static bool takes_apps(enum verb verb) {
    return verb == VERB_START || verb == VERB_RESTART || verb == VERB_CHECK;
}

static bool is_config(const char *word) {
    size_t len = strlen(word);
    return len > 5 && strcmp(word + len - 5, ".json") == 0;
}

static int read_app(struct options *options, const char *word) {
    if (!takes_apps(options->verb))
        return complain("unexpected word", word, NULL);
    if (is_config(word))
        return complain("a config file comes behind -c, and not as an app:", word, NULL);
    options->apps = memory_resize(options->apps, options->app_count + 1, sizeof(char *));
    options->apps[options->app_count++] = as_the_shell_names_it(word);
    return 0;
}

/* It goes into plans and answers, which are JSON. */
static int check_path(const char *path) {
    json_t *text = path ? json_string(path) : NULL;
    json_decref(text);
    if (text || !path)
        return 0;
    char *shown = memory_copy_text(path);
    printable_make(shown, '?');
    fprintf(stderr,
            "crewman: %s: found a path that is not UTF-8; expected one that is\n"
            "try: crewman help\n",
            shown);
    free(shown);
    return EXIT_USAGE;
}

static int check_paths(const struct options *options) {
    int err = check_path(options->config_path);
    if (!err)
        err = check_path(options->run_dir);
    for (size_t i = 0; !err && i < options->app_count; i++)
        err = check_path(options->apps[i]);
    return err;
}

int options_read(struct options *out_options, int argc, char **argv) {
    struct options options = {0};
    int err = 0;
    if (argc < 2) {
        fputs("crewman: which verb? For example: crewman start APP.so\ntry: crewman help\n",
              stderr);
        return EXIT_USAGE;
    }
    err = read_verb(&options, argv[1]);
    for (int i = 2; !err && i < argc;) {
        if (argv[i][0] != '-') {
            err = read_app(&options, argv[i++]);
            continue;
        }
        int taken = read_flag(&options, argv + i);
        err = taken < 0 ? EXIT_USAGE : 0;
        i += taken;
    }
    if (!err && takes_apps(options.verb) && !options.config_path && options.app_count == 0) {
        fprintf(stderr,
                "crewman: %s: no app; name one, or a config file with -c\ntry: crewman help\n",
                words[options.verb]);
        err = EXIT_USAGE;
    }
    if (!err)
        err = check_paths(&options);
    if (err) {
        options_done(&options);
        return err;
    }
    *out_options = options;
    return 0;
}

void options_done(struct options *options) {
    for (size_t i = 0; i < options->app_count; i++)
        free(options->apps[i]);
    free(options->apps);
    free(options->config_path);
    free(options->run_dir);
}
