/* Preloaded into a process: appends a line to $WATCHED for each host it looks up or talks to and each file it writes.

   cc -shared -fPIC -o watched.so watched.c -ldl

   In C, so that native libraries are seen as well as Python. What is said of loopback, and of reading, is not noted. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static void note(const char *what, const char *which) {
    char line[4300];
    const char *path = getenv("WATCHED");
    int saved = errno, length = snprintf(line, sizeof line, "%s %s\n", what, which ? which : "");
    if (path && length > 0) {
        /* By the system call, as the functions below would note this too. */
        int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file >= 0) {
            if (write(file, line, (size_t)length) < 0) abort();
            close(file);
        }
    }
    errno = saved;
}

static void note_address(const char *what, const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (!address) return;
    if (address->sa_family == AF_INET) {
        const struct in_addr *host = &((const struct sockaddr_in *)address)->sin_addr;
        if ((ntohl(host->s_addr) >> 24) == 127) return;
        inet_ntop(AF_INET, host, text, sizeof text);
        note(what, text);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *host = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_LOOPBACK(host)) return;
        inet_ntop(AF_INET6, host, text, sizeof text);
        note(what, text);
    }
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    note_address("connect", address);
    return NEXT(connect)(socket, address, length);
}

ssize_t sendto(int socket, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length) {
    note_address("sendto", address);
    return NEXT(sendto)(socket, data, size, flags, address, length);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    note_address("sendmsg", message ? message->msg_name : NULL);
    return NEXT(sendmsg)(socket, message, flags);
}

static int is_loopback(const char *name) {
    struct in6_addr host;
    return !name || !strcmp(name, "localhost") || !strncmp(name, "127.", 4) || !strcmp(name, "::1")
        || (inet_pton(AF_INET6, name, &host) == 1 && IN6_IS_ADDR_LOOPBACK(&host));
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (!is_loopback(name)) note("look up", name);
    return NEXT(getaddrinfo)(name, service, hints, found);
}

struct hostent *gethostbyname(const char *name) {
    if (!is_loopback(name)) note("look up", name);
    return NEXT(gethostbyname)(name);
}

static void note_file(const char *path, int flags) {
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) note("write", path);
}

#define OPEN(name)                                                            \
    int name(const char *path, int flags, ...) {                              \
        va_list rest;                                                         \
        va_start(rest, flags);                                                \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                         \
        note_file(path, flags);                                               \
        return NEXT(name)(path, flags, mode);                                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                          \
    int name(int folder, const char *path, int flags, ...) {                  \
        va_list rest;                                                         \
        va_start(rest, flags);                                                \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                         \
        note_file(path, flags);                                               \
        return NEXT(name)(folder, path, flags, mode);                         \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                           \
    FILE *name(const char *path, const char *mode) {                          \
        if (strpbrk(mode, "wa+")) note("write", path);                        \
        return NEXT(name)(path, mode);                                        \
    }
FOPEN(fopen)
FOPEN(fopen64)

int mkdir(const char *path, mode_t mode) {
    note("mkdir", path);
    return NEXT(mkdir)(path, mode);
}
