/* SPDX-License-Identifier: MIT
 *
 * See pin.h.
 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"
#include "memory.h"

int pin_new(const char *path, struct pin **out_pin) {
    const char *slash = strrchr(path, '/');
    /* A worker of another user opens it for reading, by its name in /proc. */
    int fd = memfd_open(slash ? slash + 1 : path, 0644);
    if (fd < 0)
        return fd;
    struct pin *pin = memory_new(sizeof(*pin));
    pin->refs = 1;
    pin->fd = fd;
    pin->path = memory_copy_text(path);
    slash = strrchr(pin->path, '/');
    pin->name = slash ? slash + 1 : pin->path;
    *out_pin = pin;
    return 0;
}

static int check(const struct pin *pin) {
    struct stat file;
    int seals = fcntl(pin->fd, F_GET_SEALS);
    if (seals < 0 || fstat(pin->fd, &file) != 0)
        return -errno;
    if ((seals & (MEMFD_FROZEN | F_SEAL_SEAL)) != (MEMFD_FROZEN | F_SEAL_SEAL))
        return -EPERM;
    if (file.st_size > MEMFD_APP_MAX)
        return -EFBIG;
    return file.st_size > 0 ? 0 : -ENODATA;
}

/* Sealing fails where somebody can still write (EBUSY), and where it is sealed already (EPERM);
 * the check tells the good from the bad. */
int pin_seal(struct pin *pin, char *out_why, size_t size) {
    int err = fcntl(pin->fd, F_ADD_SEALS, MEMFD_FROZEN) == 0 &&
                      fcntl(pin->fd, F_ADD_SEALS, F_SEAL_SEAL) == 0
                  ? 0
                  : -errno;
    int found = check(pin);
    if (!found) {
        int reader = memfd_reopen(pin->fd);
        if (reader >= 0) {
            close(pin->fd);
            pin->fd = reader;
            return 0;
        }
        found = reader;
    }
    if (!err)
        err = found;
    snprintf(out_why, size, "%s: its copy cannot be sealed: %s", pin->path, strerror(-err));
    return err;
}

struct pin *pin_ref(struct pin *pin) {
    if (pin)
        pin->refs++;
    return pin;
}

void pin_unref(struct pin *pin) {
    if (!pin || --pin->refs > 0)
        return;
    close(pin->fd);
    free(pin->path);
    free(pin);
}

void pins_add(struct pins *pins, struct pin *pin) {
    pins->list = memory_resize(pins->list, pins->count + 1, sizeof(*pins->list));
    pins->list[pins->count++] = pin;
}

void pins_note(struct pins *pins, char *line) {
    pins->notes = memory_resize(pins->notes, pins->note_count + 1, sizeof(*pins->notes));
    pins->notes[pins->note_count++] = line;
}

struct pin *pins_find(const struct pins *pins, const char *path) {
    for (size_t i = 0; i < pins->count; i++)
        if (strcmp(pins->list[i]->path, path) == 0)
            return pins->list[i];
    return NULL;
}

void pins_done(struct pins *pins) {
    for (size_t i = 0; i < pins->count; i++)
        pin_unref(pins->list[i]);
    for (size_t i = 0; i < pins->note_count; i++)
        free(pins->notes[i]);
    free(pins->list);
    free(pins->notes);
    *pins = (struct pins){0};
}
