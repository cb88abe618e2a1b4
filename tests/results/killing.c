/* Counts what a process does to the files of one folder, and kills it at the k-th such call.
 *
 * Loaded with LD_PRELOAD. A write may be torn: half of it reaches the file before the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITES, FSYNCS, RENAMES, KINDS };

static char folder[4096];
static long counts[KINDS];
static int armed_kind = -1, torn;
static long armed_at;

void killing_arm(const char *where, int kind, long at, int half)
{
    strncpy(folder, where, sizeof folder - 1);
    memset(counts, 0, sizeof counts);
    armed_kind = kind;
    armed_at = at;
    torn = half;
}

long killing_count(int kind) { return counts[kind]; }

static int inside(int fd)
{
    char link[64], path[4096];
    if (!folder[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int due(int kind) { return ++counts[kind] == armed_at && kind == armed_kind; }

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define PWRITE(name)                                                      \
    ssize_t name(int fd, const void *data, size_t size, off_t at)         \
    {                                                                     \
        if (inside(fd) && due(WRITES)) {                                  \
            if (torn)                                                     \
                REAL(name)(fd, data, size / 2, at);                       \
            die();                                                        \
        }                                                                 \
        return REAL(name)(fd, data, size, at);                            \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t size)
{
    if (inside(fd) && due(WRITES)) {
        if (torn)
            REAL(write)(fd, data, size / 2);
        die();
    }
    return REAL(write)(fd, data, size);
}

ssize_t copy_file_range(int from, off_t *start, int fd, off_t *at, size_t size, unsigned flags)
{
    if (inside(fd) && due(WRITES)) {
        if (torn)
            REAL(copy_file_range)(from, start, fd, at, size < 8192 ? size / 2 : 4096, flags);
        die();
    }
    return REAL(copy_file_range)(from, start, fd, at, size, flags);
}

#define TRUNCATE(name)               \
    int name(int fd, off_t size)     \
    {                                \
        if (inside(fd) && due(WRITES)) \
            die();                   \
        return REAL(name)(fd, size); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name)                     \
    int name(int fd)                   \
    {                                  \
        if (inside(fd) && due(FSYNCS)) \
            die();                     \
        return REAL(name)(fd);         \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to)
{
    if (folder[0] && strncmp(to, folder, strlen(folder)) == 0 && due(RENAMES)) {
        if (torn) /* right after, rather than right before */
            REAL(rename)(from, to);
        die();
    }
    return REAL(rename)(from, to);
}
