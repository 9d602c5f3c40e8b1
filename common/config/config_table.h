/* SPDX-License-Identifier: MIT
 *
 * The one table of configuration keys. Checker, effective config, sample file and manual are
 * made from it: a new key is one row here and one member in config.h. Holds no state.
 */
#ifndef CREWMAN_CONFIG_TABLE_H
#define CREWMAN_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest string that a key takes unless its row says otherwise. */
#define CONFIG_STRING_MAX 4096

enum config_scope {
    CONFIG_OF_INSTANCE, /* at the top of the file; offsets into struct config */
    CONFIG_OF_SERVICE   /* in a service's block; offsets into struct config_service */
};

enum config_type {
    CONFIG_BOOL,     /* bool */
    CONFIG_COUNT,    /* uint32_t */
    CONFIG_DURATION, /* uint64_t, milliseconds */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_STRING,   /* char * */
    CONFIG_PATH,     /* char *, absolute once read; "" stays */
    CONFIG_PATHS,    /* char **, and size_t at count_offset; one string, or a list of them */
    CONFIG_STRINGS,  /* the same of texts that are no paths */
    CONFIG_USER,     /* char *, the name of a user */
    CONFIG_GROUP,    /* char *, the name of a group */
    CONFIG_MODE,     /* uint32_t, written in octal in a string */
    CONFIG_WORD,     /* int, the index in `words` */
    CONFIG_LISTEN,   /* char *, as written */
    CONFIG_WORKERS,  /* uint32_t, or "auto" */
    CONFIG_MEMORY,   /* uint64_t, bytes, or "auto": 0 until config_memory_settle() */
    CONFIG_LABEL,    /* char *, a line of text without control characters */
    CONFIG_NAME,     /* char *, [a-z0-9_-]; "" stays */
    CONFIG_OBJECT    /* json_t *, an object with any content */
};

enum config_reload {
    CONFIG_RELOAD_FREE = 0, /* a reload may change it */
    CONFIG_RELOAD_SOCKET, /* only together with the listen address, as it belongs to the socket
                           */
    CONFIG_RELOAD_NEVER   /* only a restart may */
};

struct config_row {
    const char *path;     /* "log.level"; of a service relative to its block */
    const char *fallback; /* the default as JSON */
    const char *example; /* shown in the sample file instead of the default, as JSON; or NULL */
    const char *help;    /* sentences for the sample file and the manual */
    const char *computed; /* what "" or 0 stands for, when the default is found at run time */
    const char *const *words; /* of CONFIG_WORD, ends with NULL */
    const char *was;   /* its path in earlier versions, refused with the new one; or NULL */
    uint64_t min, max; /* of numbers; of strings: max is the longest, 0: CONFIG_STRING_MAX */
    size_t offset, count_offset;
    enum config_type type;
    enum config_reload reload;
    bool zero_is_off; /* 0 is allowed below min */
    bool file_only;   /* an app may not declare it */
};

struct config_table {
    const struct config_row *rows;
    size_t count;
};

/* No scope has more rows. */
#define CONFIG_ROWS_MAX 128

const struct config_table *config_table_get(enum config_scope scope);

/* The row of that path, or NULL. */
const struct config_row *config_table_find(enum config_scope scope, const char *path);

/* The row that had that path in an earlier version, or NULL. */
const struct config_row *config_table_find_renamed(enum config_scope scope, const char *path);

/* True when some row lies below `path`: "log" for "log.level". */
bool config_table_has_group(enum config_scope scope, const char *path);

/* The key that was probably meant by the unknown `key` inside `group` ("" at the top): the
 * whole path of one of that name elsewhere in the scope, or one of its siblings that is near.
 * NULL when there is none. Written to `buffer` where it has to be cut out of a path. */
const char *config_table_suggest(enum config_scope scope, const char *group, const char *key,
                                 char *buffer, size_t size);

#endif
