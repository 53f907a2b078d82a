/* Makes one change of files fail: loaded by LD_PRELOAD, it counts the calls of the C
 * library that change a file below a folder, and lets the n-th one fail with an errno.
 * Python, PyArrow, DuckDB, h5py and Annoy all reach the disk through these calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static char last[PATH_MAX + 32];
static long count, first;
static int error, is_persistent;

/* Count changes below `folder` from 0 on; the `n`-th fails with `code`, and so do all
 * that follow if `persistent`. With n = 0 none fails; with folder "" none is counted. */
void refuse_arm(const char *folder, long n, int code, int persistent) {
    snprintf(root, sizeof root, "%s", folder);
    last[0] = 0;
    count = 0;
    first = n;
    error = code;
    is_persistent = persistent;
}

long refuse_count(void) { return count; }

/* The call that was refused first, and its path. */
const char *refuse_last(void) { return last; }

static int is_below(const char *path) {
    return root[0] && path && strncmp(path, root, strlen(root)) == 0;
}

static int refused(const char *call, const char *path) {
    if (!is_below(path)) return 0;
    long now = __sync_add_and_fetch(&count, 1);
    if (!first || now < first || (now > first && !is_persistent)) return 0;
    if (now == first) snprintf(last, sizeof last, "%s %.4000s", call, path);
    errno = error;
    return 1;
}

static const char *path_at(int folder, const char *path, char *buffer) {
    if (!root[0] || !path || path[0] == '/') return path;
    if (folder == AT_FDCWD) return path;
    char link[64], base[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length < 0) return NULL;
    base[length] = 0;
    if (snprintf(buffer, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return NULL;
    return buffer;
}

static const char *path_of(int descriptor, char *buffer) {
    if (!root[0]) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return buffer;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
#define MODE(flags, arguments)                                                          \
    mode_t mode = 0;                                                                    \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                              \
        va_list arguments;                                                              \
        va_start(arguments, flags);                                                     \
        mode = va_arg(arguments, mode_t);                                               \
        va_end(arguments);                                                              \
    }

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        MODE(flags, arguments)                                                          \
        if (WRITES(flags) && refused("open", path)) return -1;                          \
        return REAL(name)(path, flags, mode);                                           \
    }
#define OPENAT(name)                                                                    \
    int name(int folder, const char *path, int flags, ...) {                            \
        MODE(flags, arguments)                                                          \
        char buffer[PATH_MAX];                                                          \
        if (WRITES(flags) && refused("open", path_at(folder, path, buffer))) return -1; \
        return REAL(name)(folder, path, flags, mode);                                   \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                                     \
    FILE *name(const char *path, const char *mode) {                                    \
        if (strpbrk(mode, "wa+") && refused("open", path)) return NULL;                 \
        return REAL(name)(path, mode);                                                  \
    }
FOPEN(fopen)
FOPEN(fopen64)

size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file) {
    char buffer[PATH_MAX];
    if (refused("write", path_of(fileno(file), buffer))) return 0;
    return REAL(fwrite)(bytes, size, n, file);
}

int fclose(FILE *file) {
    char buffer[PATH_MAX];
    int descriptor = fileno(file);
    int is_written = root[0] && WRITES(fcntl(descriptor, F_GETFL));
    if (is_written && refused("close", path_of(descriptor, buffer))) {
        REAL(fclose)(file);
        errno = error;
        return EOF;
    }
    return REAL(fclose)(file);
}

#define ON_DESCRIPTOR(type, name, call, parameters, arguments)                          \
    type name parameters {                                                              \
        char buffer[PATH_MAX];                                                          \
        if (refused(call, path_of(descriptor, buffer))) return -1;                      \
        return REAL(name) arguments;                                                    \
    }
ON_DESCRIPTOR(ssize_t, write, "write", (int descriptor, const void *bytes, size_t n),
              (descriptor, bytes, n))
ON_DESCRIPTOR(ssize_t, pwrite, "write",
              (int descriptor, const void *bytes, size_t n, off_t at),
              (descriptor, bytes, n, at))
ON_DESCRIPTOR(ssize_t, pwrite64, "write",
              (int descriptor, const void *bytes, size_t n, off64_t at),
              (descriptor, bytes, n, at))
ON_DESCRIPTOR(ssize_t, writev, "write",
              (int descriptor, const struct iovec *parts, int n), (descriptor, parts, n))
ON_DESCRIPTOR(int, fsync, "flush", (int descriptor), (descriptor))
ON_DESCRIPTOR(int, fdatasync, "flush", (int descriptor), (descriptor))
ON_DESCRIPTOR(int, ftruncate, "truncate", (int descriptor, off_t n), (descriptor, n))
ON_DESCRIPTOR(int, ftruncate64, "truncate", (int descriptor, off64_t n), (descriptor, n))

#define ON_PATH(name, call, parameters, arguments)                                      \
    int name parameters {                                                               \
        if (refused(call, path)) return -1;                                             \
        return REAL(name) arguments;                                                    \
    }
ON_PATH(rename, "rename", (const char *old, const char *path), (old, path))
ON_PATH(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, "remove", (const char *path), (path))
ON_PATH(rmdir, "remove", (const char *path), (path))
ON_PATH(remove, "remove", (const char *path), (path))

#define ON_PATH_AT(name, call, parameters, arguments)                                   \
    int name parameters {                                                               \
        char buffer[PATH_MAX];                                                          \
        if (refused(call, path_at(folder, path, buffer))) return -1;                    \
        return REAL(name) arguments;                                                    \
    }
ON_PATH_AT(renameat, "rename",
           (int from, const char *old, int folder, const char *path),
           (from, old, folder, path))
ON_PATH_AT(mkdirat, "mkdir", (int folder, const char *path, mode_t mode),
           (folder, path, mode))
ON_PATH_AT(unlinkat, "remove", (int folder, const char *path, int flags),
           (folder, path, flags))
