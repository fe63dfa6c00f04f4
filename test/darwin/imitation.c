/*
 * A library to preload: Linux as the local engine would find macOS, as far as that can be had. test/fixtures/darwin.ts does the rest, in JavaScript.
 *
 *  - open(2) with O_EXLOCK or O_SHLOCK locks the file as flock(2) does, after it was opened (XNU, open1 in bsd/vfs/vfs_syscalls.c).
 *  - A listener whose backlog is full refuses (XNU, unp_connect in bsd/kern/uipc_usrreq.c), and no backlog is longer than 128 (kern.ipc.somaxconn).
 *  - The address of a Unix socket has at most 103 bytes (sys/un.h).
 *  - mkdir(2) knows the nine permission bits alone (XNU, mkdir1at).
 *  - There is no /proc, as far as slocket reads it. (Node itself needs some of it.)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DARWIN_O_SHLOCK 0x10
#define DARWIN_O_EXLOCK 0x20
#define DARWIN_SOMAXCONN 128
#define DARWIN_SUN_PATH 103

/* The function of that name in the C library. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int fail(int code) {
  errno = code;
  return -1;
}

static int is_hidden(const char *path) {
  static const char *const hidden[] = {"/proc/self/fd", "/proc/self/mountinfo", "/proc/self/timens_offsets", "/proc/sys/kernel/random/",
                                       "/proc/uptime", "/proc/stat", "/proc/net/unix"};
  if (path == NULL || strncmp(path, "/proc/", 6) != 0) return 0;
  for (size_t index = 0; index < sizeof hidden / sizeof *hidden; index += 1)
    if (strncmp(path, hidden[index], strlen(hidden[index])) == 0) return 1;
  return 0;
}

static int lock_opened(int descriptor, int flags) {
  int how = (flags & DARWIN_O_EXLOCK ? LOCK_EX : LOCK_SH) | (flags & O_NONBLOCK ? LOCK_NB : 0);
  if (descriptor < 0 || flock(descriptor, how) == 0) return descriptor;
  int code = errno;
  close(descriptor);
  return fail(code);
}

#define DEFINE_OPEN(name)                                                        \
  int name(const char *path, int flags, ...) {                                   \
    va_list rest;                                                                \
    va_start(rest, flags);                                                       \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;      \
    va_end(rest);                                                                \
    if (is_hidden(path)) return fail(ENOENT);                                    \
    int locks = flags & (DARWIN_O_SHLOCK | DARWIN_O_EXLOCK);                     \
    int descriptor = NEXT(name)(path, flags & ~locks, mode);                     \
    return locks == 0 ? descriptor : lock_opened(descriptor, flags);             \
  }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

int access(const char *path, int mode) {
  return is_hidden(path) ? fail(ENOENT) : NEXT(access)(path, mode);
}

ssize_t readlink(const char *path, char *target, size_t size) {
  return is_hidden(path) ? fail(ENOENT) : NEXT(readlink)(path, target, size);
}

int scandir(const char *path, struct dirent ***names, int (*filter)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **)) {
  return is_hidden(path) ? fail(ENOENT) : NEXT(scandir)(path, names, filter, compare);
}

int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **)) {
  return is_hidden(path) ? fail(ENOENT) : NEXT(scandir64)(path, names, filter, compare);
}

int mkdir(const char *path, mode_t mode) {
  return NEXT(mkdir)(path, mode & 0777);
}

static int is_too_long(const struct sockaddr *address, socklen_t length) {
  if (address->sa_family != AF_UNIX || length <= offsetof(struct sockaddr_un, sun_path)) return 0;
  const char *path = ((const struct sockaddr_un *)address)->sun_path;
  return strnlen(path, length - offsetof(struct sockaddr_un, sun_path)) > DARWIN_SUN_PATH;
}

int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
  return is_too_long(address, length) ? fail(EINVAL) : NEXT(bind)(descriptor, address, length);
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
  if (is_too_long(address, length)) return fail(EINVAL);
  int result = NEXT(connect)(descriptor, address, length);
  if (result < 0 && errno == EAGAIN && address->sa_family == AF_UNIX) errno = ECONNREFUSED;
  return result;
}

int listen(int descriptor, int backlog) {
  return NEXT(listen)(descriptor, backlog > DARWIN_SOMAXCONN ? DARWIN_SOMAXCONN : backlog);
}
