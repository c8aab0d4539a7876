/* Makes the nth call of a kind fail, for the crash sweep of the tests: cc -shared -fPIC -o faults.so faults.c -ldl
 *
 *   MSDATA_FAULT=OP:N:ACTION    OP     write fsync rename open unlink
 *                               N      the first call that fails, counted from 1; later ones fail too
 *                               ACTION KILL ENOSPC EIO SHORT (half a write, then ENOSPC)
 *   MSDATA_FAULT_BELOW=DIR      only calls on files below DIR count
 *   MSDATA_FAULT_MARK=FILE      made when the first call fails
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum outcome { PASS, FAIL, HALF };

static atomic_int calls;

static int is_below(const char *path) {
    const char *below = getenv("MSDATA_FAULT_BELOW");
    return !below || (path && strstr(path, below) != NULL);
}

static int is_file_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static enum outcome fate(const char *op, int counts) {
    const char *fault = getenv("MSDATA_FAULT");
    size_t length = strlen(op);
    if (!fault || !counts || strncmp(fault, op, length) != 0 || fault[length] != ':')
        return PASS;
    char *action;
    long at = strtol(fault + length + 1, &action, 10);
    int call = atomic_fetch_add(&calls, 1) + 1;
    if (call < at)
        return PASS;
    const char *mark = getenv("MSDATA_FAULT_MARK");
    if (mark) {
        long made = syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0644);
        if (made >= 0)
            syscall(SYS_close, made);
    }
    action++;
    if (strcmp(action, "KILL") == 0) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    errno = strcmp(action, "EIO") == 0 ? EIO : ENOSPC;
    return strcmp(action, "SHORT") == 0 && call == at ? HALF : FAIL;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) \
        real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static size_t some(enum outcome outcome, size_t length) { return outcome == HALF && length > 1 ? length / 2 : length; }

ssize_t write(int fd, const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    enum outcome outcome = fate("write", fd > 2 && is_file_below(fd));
    return outcome == FAIL ? -1 : real(fd, data, some(outcome, length));
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    enum outcome outcome = fate("write", is_file_below(fd));
    return outcome == FAIL ? -1 : real(fd, data, some(outcome, length), at);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return pwrite64(fd, data, length, at); }

int fsync(int fd) {
    REAL(int, fsync, int);
    return fate("fsync", is_file_below(fd)) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int);
    return fate("fsync", is_file_below(fd)) ? -1 : real(fd);
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return fate("rename", is_below(to)) ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    return fate("unlink", is_below(path)) ? -1 : real(path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
        } \
        REAL(int, name, const char *, int, ...); \
        return fate("open", (flags & O_CREAT) && is_below(path)) ? -1 : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
