/* SPDX-License-Identifier: MIT
 *
 * Opening a config file, and the sentences for a file that cannot be read.
 */
#include "config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_value.h"
#include "cwd.h"
#include "memory.h"

static void refuse_file(const char *name, int rc, struct config_errors *out_errors) {
    if (rc == -EFBIG)
        config_report_line(out_errors, "%s: found more than 1 MiB; expected at most that",
                           name);
    else if (rc == -EISDIR)
        config_report_line(out_errors, "%s: found a folder; expected a file", name);
    else if (rc == -EINVAL)
        config_report_line(out_errors, "%s: found a pipe or a device; expected a file", name);
    else
        config_report_line(out_errors, "%s: cannot be read: %s", name, strerror(-rc));
}

static char *folder_of(const char *path) {
    char *folder = memory_copy_text(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

static char *absolute(const char *name) {
    char *cwd = cwd_name();
    char *path = config_value_absolute(name, cwd);
    free(cwd);
    return path;
}

int config_file_open(const char *name, struct config_file **out_file,
                     struct config_errors *out_errors) {
    struct config_position at;
    char why[512];
    char *data = NULL;
    size_t len = 0;
    int rc = config_text_read(name, &data, &len);
    if (rc < 0) {
        refuse_file(name, rc, out_errors);
        return -EINVAL;
    }
    struct config_file *file = memory_new(sizeof(*file));
    rc = config_text_parse(data, len, &file->text, &at, why, sizeof(why));
    free(data);
    if (rc < 0) {
        config_report_line(out_errors, "%s:%u:%u: %s", name, at.line, at.column, why);
        free(file);
        return -EINVAL;
    }
    file->name = memory_copy_text(name);
    file->path = absolute(name);
    file->folder = folder_of(file->path);
    *out_file = file;
    return 0;
}

void config_file_close(struct config_file *file) {
    if (!file)
        return;
    config_text_done(&file->text);
    free(file->name);
    free(file->path);
    free(file->folder);
    free(file);
}

struct config_source config_file_source(const struct config *config) {
    const struct config_file *file = config->file;
    if (!file)
        return (struct config_source){.name = "command line"};
    return (struct config_source){
        .name = file->name, .folder = file->folder, .text = &file->text};
}

const json_t *config_file_services(const struct config *config) {
    return config->file ? json_object_get(config->file->text.root, "services") : NULL;
}
