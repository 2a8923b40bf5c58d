/* The system calls of enforcer.apply, made by a C loop: what Python is compared with.
 * usage: host_loop ROOT COUNT create|noop|kept|delete
 * Prints nanoseconds a pod. A pod is one cgroup with five files, as benchmarks/host_apply.py has it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *FILES[5][2] = {{"cpu.weight", "39"}, {"cpu.max", "50000 100000"}, {"memory.max", "67108864"},
                                  {"memory.high", "33554432"}, {"pids.max", "100"}};
static int root;
static char text[16384];

static int open_beneath(const char *path, int flags) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    return syscall(SYS_openat2, root, path, &how, sizeof how);
}
static void must(long result, const char *what) {
    if (result < 0) { perror(what); exit(1); }
}
static void identity(const char *pod) {
    struct stat status;
    int fd = open_beneath(pod, O_PATH | O_DIRECTORY);
    if (fd < 0) return;
    must(fstat(fd, &status), "fstat");
    close(fd);
}
static void read_back(const char *path, const char *value) {
    int fd = open_beneath(path, O_RDONLY);
    must(fd, path);
    long size = pread(fd, text, sizeof text, 0);
    must(size, path);
    must(pread(fd, text + size, 1, size), path);
    close(fd);
    if (value && (size < (long)strlen(value) || memcmp(text, value, strlen(value)))) { fprintf(stderr, "%s: not %s\n", path, value); exit(1); }
}
static void put(const char *path, const char *value) {
    int fd = open_beneath(path, O_WRONLY);
    must(fd, path);
    must(write(fd, value, strlen(value)), path);
    close(fd);
    read_back(path, value);
}
int main(int argc, char **argv) {
    if (argc != 4) return 2;
    root = open(argv[1], O_RDONLY | O_DIRECTORY);
    must(root, argv[1]);
    int count = atoi(argv[2]);
    int *kept = calloc(count * 5, sizeof(int));
    char pod[64], path[96];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (!strcmp(argv[3], "kept"))
        for (int at = 0; at < count * 5; at++) {
            snprintf(path, sizeof path, "pods/p%d/%s", at / 5, FILES[at % 5][0]);
            must(kept[at] = open_beneath(path, O_RDONLY), path);
        }
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int at = 0; at < count; at++) {
        snprintf(pod, sizeof pod, "pods/p%d", at);
        if (!strcmp(argv[3], "create")) {
            identity(pod);
            int above = open_beneath("pods", O_PATH | O_DIRECTORY);
            must(mkdirat(above, strrchr(pod, '/') + 1, 0777), pod);
            close(above);
        } else if (!strcmp(argv[3], "noop"))
            identity(pod);
        for (int file = 0; file < 5; file++) {
            snprintf(path, sizeof path, "%s/%s", pod, FILES[file][0]);
            if (!strcmp(argv[3], "create")) put(path, FILES[file][1]);
            else if (!strcmp(argv[3], "noop")) read_back(path, FILES[file][1]);
            else if (!strcmp(argv[3], "kept")) must(pread(kept[at * 5 + file], text, 4096, 0), path);
        }
        if (!strcmp(argv[3], "create")) identity(pod);
        if (!strcmp(argv[3], "delete")) {
            int above = open_beneath("pods", O_PATH | O_DIRECTORY);
            must(unlinkat(above, strrchr(pod, '/') + 1, AT_REMOVEDIR), pod);
            close(above);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%.0f\n", ((ended.tv_sec - began.tv_sec) * 1e9 + (ended.tv_nsec - began.tv_nsec)) / count);
    return 0;
}
