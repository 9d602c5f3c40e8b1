/* SPDX-License-Identifier: MIT
 *
 * The command line: what is understood, and that what is not is answered with the word that was
 * probably meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"

#define WORDS_MAX 16

static struct options options;
static char said[1024]; /* on standard error, by the last read_line() */

static int read_words(int argc, char **argv) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    int result = options_read(&options, argc, argv);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
    fclose(file);
    return result;
}

/* The words of a line, parted by spaces. */
static int read_line(const char *line) {
    char copy[256], *argv[WORDS_MAX + 1], *at = copy;
    int argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    while (argc < WORDS_MAX && at) {
        char *word = strsep(&at, " ");
        if (*word)
            argv[argc++] = word;
    }
    argv[argc] = NULL;
    return read_words(argc, argv);
}

static void assert_refused(const char *line, const char *why) {
    options = (struct options){.app_count = 4711};
    assert_int_equal(read_line(line), EXIT_USAGE);
    assert_int_equal(options.app_count, 4711); /* untouched */
    if (!strstr(said, why))
        fail_msg("%s: \"%s\" has no \"%s\"", line, said, why);
    assert_non_null(strstr(said, "try: crewman help\n"));
}

static void every_verb_is_known(void **state) {
    (void)state;
    static const char *const words[] = {
#define WORD(id, word, help) word,
        VERBS(WORD)
#undef WORD
    };
    for (int i = 0; i < VERB_COUNT; i++) {
        char line[64];
        snprintf(line, sizeof(line), "crewman %s -c /c.json", words[i]);
        bool is_bare = i == VERB_VERSION || i == VERB_HELP;
        if (is_bare)
            snprintf(line, sizeof(line), "crewman %s", words[i]);
        assert_int_equal(read_line(line), 0);
        assert_int_equal(options.verb, i);
        assert_string_equal(said, "");
        options_done(&options);
    }
}

static void customs_of_other_programs_are_kept(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum verb verb;
    } rows[] = {{"crewman --help", VERB_HELP},
                {"crewman -h", VERB_HELP},
                {"crewman --version", VERB_VERSION},
                {"crewman -v", VERB_VERSION}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_line(rows[i].line), 0);
        assert_int_equal(options.verb, rows[i].verb);
        options_done(&options);
    }
}

static void a_start_has_its_flags_and_apps(void **state) {
    (void)state;
    assert_int_equal(read_line("crewman start -d /a.so -q --run-dir /run/x /b.so"), 0);
    assert_true(options.is_daemon && options.is_quiet);
    assert_false(options.is_graceful || options.is_json || options.watches);
    assert_string_equal(options.run_dir, "/run/x");
    assert_null(options.config_path);
    assert_int_equal(options.app_count, 2);
    assert_string_equal(options.apps[0], "/a.so");
    assert_string_equal(options.apps[1], "/b.so");
    options_done(&options);
    assert_int_equal(read_line("crewman stop -g"), 0);
    assert_true(options.is_graceful);
    options_done(&options);
    assert_int_equal(read_line("crewman status --watch --json"), 0);
    assert_true(options.watches && options.is_json);
    options_done(&options);
}

/* A daemon leaves the folder that they are relative to. */
static void paths_become_absolute(void **state) {
    (void)state;
    char expected[512], folder[400];
    assert_non_null(getcwd(folder, sizeof(folder)));
    assert_int_equal(read_line("crewman start -c etc/c.json --run-dir run a.so"), 0);
    snprintf(expected, sizeof(expected), "%s/etc/c.json", folder);
    assert_string_equal(options.config_path, expected);
    snprintf(expected, sizeof(expected), "%s/run", folder);
    assert_string_equal(options.run_dir, expected);
    snprintf(expected, sizeof(expected), "%s/a.so", folder);
    assert_string_equal(options.apps[0], expected);
    options_done(&options);
}

static void the_last_of_a_flag_counts(void **state) {
    (void)state;
    assert_int_equal(read_line("crewman stop -c /a -c /b --run-dir /c --run-dir /d"), 0);
    assert_string_equal(options.config_path, "/b");
    assert_string_equal(options.run_dir, "/d");
    options_done(&options);
}

static void wrong_words_are_answered_with_right_ones(void **state) {
    (void)state;
    assert_refused("crewman", "which verb? For example: crewman start APP.so");
    assert_refused("crewman strat a.so", "unknown verb \"strat\"; did you mean \"start\"?");
    assert_refused("crewman stat", "unknown verb \"stat\"; did you mean \"");
    assert_refused("crewman reopen", "unknown verb \"reopen\"; did you mean \"reopen-logs\"?");
    assert_refused("crewman xyzzy", "unknown verb \"xyzzy\"\n");
    assert_refused("crewman status --jsn",
                   "unknown option \"--jsn\"; did you mean \"--json\"?");
    assert_refused("crewman start --frobnicate a.so", "unknown option \"--frobnicate\"\n");
}

static void misplaced_words_are_told(void **state) {
    (void)state;
    assert_refused("crewman stop -d", "stop takes no -d");
    assert_refused("crewman start --json a.so", "start takes no --json");
    assert_refused("crewman version -c /c", "version takes no -c");
    assert_refused("crewman stop now", "unexpected word \"now\"");
    assert_refused("crewman stop -c", "-c needs a FILE");
    assert_refused("crewman stop --run-dir", "--run-dir needs a DIR");
    assert_refused("crewman start chat.json", "a config file comes behind -c");
    assert_refused("crewman start", "start: no app; name one, or a config file with -c");
    assert_refused("crewman check", "check: no app");
    assert_refused("crewman restart --run-dir /x", "restart: no app");
}

/* They go into plans and answers, which are JSON: a start failed without saying why. */
static void paths_are_text(void **state) {
    (void)state;
    assert_refused("crewman check -c /tmp/\xff/c.json", "/c.json: found a path that is");
    assert_refused("crewman start /tmp/\xff.so", "expected one that is");
    assert_refused("crewman stop --run-dir /tmp/\xff", "not UTF-8");
    assert_int_equal(read_line("crewman check /tmp/\xc3\xa4.so"), 0);
    options_done(&options);
}

static void empty_words_are_no_words(void **state) {
    (void)state;
    char program[] = "crewman", empty[] = "", verb[] = "stop";
    char *no_verb[] = {program, empty, NULL}, *no_word[] = {program, verb, empty, NULL};
    assert_int_equal(read_words(2, no_verb), EXIT_USAGE);
    assert_non_null(strstr(said, "unknown verb \"\"\n"));
    assert_int_equal(read_words(3, no_word), EXIT_USAGE);
    assert_non_null(strstr(said, "unexpected word \"\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_is_known),
        cmocka_unit_test(customs_of_other_programs_are_kept),
        cmocka_unit_test(a_start_has_its_flags_and_apps),
        cmocka_unit_test(paths_become_absolute),
        cmocka_unit_test(the_last_of_a_flag_counts),
        cmocka_unit_test(wrong_words_are_answered_with_right_ones),
        cmocka_unit_test(misplaced_words_are_told),
        cmocka_unit_test(paths_are_text),
        cmocka_unit_test(empty_words_are_no_words),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
