/* Reads of one byte of one file fail with EIO, as on a disk with a bad block.
 *
 * LD_PRELOAD loads this library; BROKEN_FILE names the file by the end of its path, BROKEN_BYTE the byte. To map the byte
 * into memory is refused too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_broken(int fd, off_t start, size_t count)
{
    const char *file = getenv("BROKEN_FILE"), *byte = getenv("BROKEN_BYTE");
    char link[64], path[PATH_MAX];
    if (!file || !byte || fd < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < (ssize_t)strlen(file))
        return 0;
    path[length] = 0;
    return !strcmp(path + length - strlen(file), file) && start <= atoll(byte) && atoll(byte) < start + (off_t)count;
}

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(failure) do { errno = EIO; return failure; } while (0)

ssize_t read(int fd, void *buffer, size_t count)
{
    if (is_broken(fd, lseek(fd, 0, SEEK_CUR), count))
        REFUSE(-1);
    return ORIGINAL(read)(fd, buffer, count);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset)
{
    if (is_broken(fd, offset, count))
        REFUSE(-1);
    return ORIGINAL(pread)(fd, buffer, count, offset);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset)
{
    return pread(fd, buffer, count, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (is_broken(fd, offset, length))
        REFUSE(MAP_FAILED);
    return ORIGINAL(mmap)(address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    return mmap(address, length, protection, flags, fd, offset);
}
