/* Reads FILES of p0 … pN-1 below ROOT through descriptors opened before: nanoseconds of CPU time a pod of the second pass.
   sample_loop ROOT N FILE...  Every number is parsed by strtoull, as the Python side parses it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned long long sum;

static void read_all(const int *fds, long count) {
    static char text[8192];
    for (long i = 0; i < count; i++) {
        ssize_t size = pread(fds[i], text, sizeof text - 1, 0);
        if (size < 0) continue;
        text[size] = 0;
        for (char *at = text; *at;) {
            if (*at >= '0' && *at <= '9') sum += strtoull(at, &at, 10);
            else at++;
        }
    }
}

int main(int argc, char **argv) {
    long pods = atol(argv[2]), files = argc - 3, n = 0;
    int *fds = malloc(sizeof(int) * pods * files);
    char path[4096];
    for (long pod = 0; pod < pods; pod++)
        for (long file = 0; file < files; file++) {
            snprintf(path, sizeof path, "%s/p%ld/%s", argv[1], pod, argv[3 + file]);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0) { perror(path); return 1; }
            fds[n++] = fd;
        }
    struct timespec begin, end;
    read_all(fds, n);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    read_all(fds, n);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    fprintf(stderr, "%llu\n", sum);
    printf("%.1f\n", ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / pods);
    return 0;
}
