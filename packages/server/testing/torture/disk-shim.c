// Preloaded into a broker, for its files below DISK_WATCHED. With DISK_JOURNAL: writes down everything that it does to
// them, in one order, in that file; `disk-journal.ts` reads it. With DISK_FAULTS: what fails is what that file says as of
// now; `disk-faults.ts` writes it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, FLUSH, MKDIR };

struct head {
  uint32_t kind;
  uint32_t is_durable; // the descriptor is O_DSYNC or O_SYNC
  uint64_t inode;
  uint64_t offset; // of a truncation: the new length
  uint64_t at_ns;  // CLOCK_MONOTONIC
  uint32_t path_length;
  uint32_t data_length;
};

struct faults {
  uint64_t free_bytes; // what the file system says is free, at most
  uint32_t write_errno; // 0: writes are done
  uint32_t flush_errno;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static char root[PATH_MAX];
static const struct faults no_faults = {.free_bytes = UINT64_MAX};
static const volatile struct faults *faults = &no_faults;

__attribute__((constructor)) static void start(void) {
  const char *journal_path = getenv("DISK_JOURNAL"), *faults_path = getenv("DISK_FAULTS");
  const char *root_path = getenv("DISK_WATCHED");
  if (root_path) snprintf(root, sizeof root, "%s", root_path);
  if (journal_path)
    journal = (int)syscall(SYS_openat, AT_FDCWD, journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (!faults_path) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, faults_path, O_RDONLY | O_CLOEXEC, 0);
  void *mapped = mmap(NULL, sizeof no_faults, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) abort();
  faults = mapped;
}

static int is_watched(const char *path) {
  size_t length = strlen(root);
  return length > 0 && strncmp(path, root, length) == 0 && path[length] == '/';
}

static int fails(uint32_t error) {
  if (error != 0) errno = (int)error;
  return error != 0;
}

// The path of a descriptor below the root; 0: it is none.
static int path_of(int fd, char *path) {
  char link[64];
  if (root[0] == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_watched(path) || strcmp(path, root) == 0;
}

// With the lock held. `path` may be two paths, with a NUL between them.
static void note(struct head head, const char *path, const struct iovec *data, int count) {
  if (journal < 0) return;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  head.at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  syscall(SYS_write, journal, &head, sizeof head);
  syscall(SYS_write, journal, path, head.path_length);
  size_t left = head.data_length;
  for (int i = 0; i < count && left > 0; i++) {
    size_t bytes = data[i].iov_len < left ? data[i].iov_len : left;
    syscall(SYS_write, journal, data[i].iov_base, bytes);
    left -= bytes;
  }
}

static struct head head_of(enum kind kind, int fd, const char *path) {
  struct stat stats;
  struct head head = {.kind = kind, .path_length = (uint32_t)strlen(path)};
  if (fstat(fd, &stats) == 0) head.inode = stats.st_ino;
  head.is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
  return head;
}

static void note_write(int fd, uint64_t offset, const struct iovec *data, int count, ssize_t written) {
  char path[PATH_MAX];
  if (written <= 0 || !path_of(fd, path)) return;
  struct head head = head_of(WRITE, fd, path);
  head.offset = offset;
  head.data_length = (uint32_t)written;
  note(head, path, data, count);
}

static ssize_t write_at(int fd, const struct iovec *data, int count, off_t offset, int has_offset) {
  if (fails(faults->write_errno)) return -1;
  pthread_mutex_lock(&lock);
  uint64_t at = has_offset ? (uint64_t)offset : (uint64_t)lseek(fd, 0, SEEK_CUR);
  ssize_t written = has_offset ? syscall(SYS_pwritev, fd, data, count, offset, 0) : syscall(SYS_writev, fd, data, count);
  int error = errno;
  note_write(fd, at, data, count, written);
  pthread_mutex_unlock(&lock);
  errno = error;
  return written;
}

static int is_of_interest(int fd) {
  char path[PATH_MAX];
  int error = errno, is = path_of(fd, path);
  errno = error;
  return is;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  if (!is_of_interest(fd)) return syscall(SYS_pwrite64, fd, bytes, length, offset);
  struct iovec data = {(void *)bytes, length};
  return write_at(fd, &data, 1, offset, 1);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t offset) {
  if (!is_of_interest(fd)) return syscall(SYS_pwritev, fd, data, count, offset, 0);
  return write_at(fd, data, count, offset, 1);
}
ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t offset) { return pwritev(fd, data, count, offset); }
ssize_t write(int fd, const void *bytes, size_t length) {
  if (!is_of_interest(fd)) return syscall(SYS_write, fd, bytes, length);
  struct iovec data = {(void *)bytes, length};
  return write_at(fd, &data, 1, 0, 0);
}
ssize_t writev(int fd, const struct iovec *data, int count) {
  if (!is_of_interest(fd)) return syscall(SYS_writev, fd, data, count);
  return write_at(fd, data, count, 0, 0);
}

static int truncate_to(int fd, off_t length) {
  char path[PATH_MAX];
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_ftruncate, fd, length), error = errno;
  if (result == 0 && path_of(fd, path)) {
    struct head head = head_of(TRUNCATE, fd, path);
    head.offset = (uint64_t)length;
    note(head, path, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}
int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_to(fd, length); }

// What is durable is what was written before the call; the record is there when the flush is done.
static int flush(int fd, long call) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return (int)syscall(call, fd);
  if (fails(faults->flush_errno)) return -1;
  pthread_mutex_lock(&lock);
  int result = (int)syscall(call, fd), error = errno;
  if (result == 0) note(head_of(FLUSH, fd, path), path, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}
int fsync(int fd) { return flush(fd, SYS_fsync); }
int fdatasync(int fd) { return flush(fd, SYS_fdatasync); }

// The file that is mapped at the address; its place in the file is set. -1: none below the root.
static int mapped_file(const void *address, char *path, uint64_t *offset) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[PATH_MAX + 200];
  int fd = -1;
  while (maps && fd < 0 && fgets(line, sizeof line, maps)) {
    unsigned long from, to, at;
    int name = 0;
    if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %n", &from, &to, &at, &name) < 3 || name == 0) continue;
    if ((unsigned long)address < from || (unsigned long)address >= to) continue;
    line[strcspn(line, "\n")] = 0;
    if (!is_watched(line + name)) break;
    strcpy(path, line + name);
    *offset = at + ((unsigned long)address - from);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  }
  if (maps) fclose(maps);
  return fd;
}

// What was changed in memory since the last time is not known: all of the stretch counts as written.
int msync(void *address, size_t length, int flags) {
  char path[PATH_MAX];
  uint64_t offset = 0;
  int fd = mapped_file(address, path, &offset);
  if (fd < 0) return (int)syscall(SYS_msync, address, length, flags);
  int error = 0, result = -1;
  if (!fails(faults->flush_errno)) {
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_msync, address, length, flags);
    error = errno;
    struct iovec data = {address, length};
    struct head head = head_of(WRITE, fd, path);
    head.offset = offset;
    head.data_length = (uint32_t)length;
    head.is_durable = result == 0 && (flags & MS_SYNC);
    note(head, path, &data, 1);
    pthread_mutex_unlock(&lock);
  } else error = errno;
  syscall(SYS_close, fd);
  errno = error;
  return result;
}

static void bound_free(const char *path, fsblkcnt_t *available, long block_bytes) {
  if (strcmp(path, root) != 0 && !is_watched(path)) return;
  uint64_t blocks = faults->free_bytes / (uint64_t)block_bytes;
  if (*available > blocks) *available = blocks;
}
int statfs(const char *path, struct statfs *stats) {
  int result = (int)syscall(SYS_statfs, path, stats);
  if (result == 0) bound_free(path, &stats->f_bavail, stats->f_bsize);
  return result;
}
int statfs64(const char *path, struct statfs64 *stats) { return statfs(path, (struct statfs *)stats); }

static int opened(const char *path, int flags, mode_t mode) {
  if (!(flags & O_CREAT) || !is_watched(path)) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  pthread_mutex_lock(&lock);
  int is_new = access(path, F_OK) != 0;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), error = errno;
  if (fd >= 0 && is_new) note(head_of(CREATE, fd, path), path, NULL, 0);
  else if (fd >= 0 && (flags & O_TRUNC)) note(head_of(TRUNCATE, fd, path), path, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode_t mode = va_arg(rest, mode_t);                                                                                \
    va_end(rest);                                                                                                      \
    return opened(path, flags, mode);                                                                                  \
  }
OPEN(open)
OPEN(open64)

static int note_names(enum kind kind, const char *from, const char *to, int result) {
  int error = errno;
  if (result == 0 && is_watched(from)) {
    char both[2 * PATH_MAX + 2];
    int length = snprintf(both, sizeof both, "%s", from);
    if (to) length += 1 + snprintf(both + length + 1, sizeof both - (size_t)length - 1, "%s", to);
    struct head head = {.kind = kind, .path_length = (uint32_t)length};
    note(head, both, NULL, 0);
  }
  errno = error;
  return result;
}
int rename(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int result = note_names(RENAME, from, to, (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
  pthread_mutex_unlock(&lock);
  return result;
}
int link(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int result = note_names(LINK, from, to, (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
  pthread_mutex_unlock(&lock);
  return result;
}
int mkdir(const char *path, mode_t mode) {
  pthread_mutex_lock(&lock);
  int result = note_names(MKDIR, path, NULL, (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode));
  pthread_mutex_unlock(&lock);
  return result;
}
int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  int result = note_names(UNLINK, path, NULL, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  pthread_mutex_unlock(&lock);
  return result;
}
int remove(const char *path) {
  int result = unlink(path);
  if (result != 0 && (errno == EISDIR || errno == EPERM)) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
  return result;
}
