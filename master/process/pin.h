/* SPDX-License-Identifier: MIT
 *
 * A pin: the sealed copy of an app's file, which every worker of a generation loads. Made empty
 * by the master, filled by the describe child as the workers' user, checked and sealed by the
 * master, which never opens the app's path itself. A pool holds that of its generation; so what
 * happens to the file later changes nothing before a reload.
 */
#ifndef CREWMAN_PIN_H
#define CREWMAN_PIN_H

#include <stddef.h>

#define PIN_BUILD_ID_MAX 40

struct pin {
    unsigned refs;
    int fd;                              /* writable until it is sealed, then read-only */
    char *path;                          /* of the app */
    const char *name;                    /* the last part of that */
    char build_id[PIN_BUILD_ID_MAX + 1]; /* hexadecimal; "": it has none */
};

/* What is pinned of a configuration, and what people should know of the rest. */
struct pins {
    struct pin **list;
    size_t count;
    char **notes;
    size_t note_count;
};

/* Empty. 0, or a negative errno number. */
int pin_new(const char *path, struct pin **out_pin);

/* Nobody can change it any more, nor could have since it was filled. A negative errno number
 * with a line for people when that cannot be had. */
int pin_seal(struct pin *pin, char *out_why, size_t size);

/* NULL is allowed in both. */
struct pin *pin_ref(struct pin *pin);
void pin_unref(struct pin *pin);

/* Takes the reference. */
void pins_add(struct pins *pins, struct pin *pin);
/* Takes the line. */
void pins_note(struct pins *pins, char *line);
/* Borrowed; NULL: that app is loaded by its path. */
struct pin *pins_find(const struct pins *pins, const char *path);
void pins_done(struct pins *pins);

#endif
