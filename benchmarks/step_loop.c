/* The floor for stepped simulation: the least C that computes one workload, on one core.
 *
 * N nodes of P pods; each second every pod is on or off (Markov) and wants U(0, 2) CPUs while on; what is not
 * served waits (backlog). A node's tree is {guaranteed pods, burstable -> pods, besteffort -> pods}; CPU is shared
 * by weighted max-min with a cap of 2 CPUs a pod. Use is written as float32 [steps, pods].
 * Names, random numbers and weights are those of benchmarks/step_speed.py, so that results can be compared.
 *
 *   gcc -O3 -march=native -o step_loop step_loop.c && ./step_loop NODES PODS STEPS SEED [FILE] [array | flat]
 *
 * "flat": no classes, all pods beside one another (SimGrid cannot nest weights).
 * "array": demand is drawn before the clock starts, and read from memory in the loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "step_demand.h"

/* Weighted max-min of `supply` among items that want at most want[i]: raise the level until nobody more is served
 * in full by it (Newton's steps; 1.4 times as fast here as marking who is served). */
static void fill(const double *restrict want, const double *restrict weight, double *restrict got, int count,
                 double supply) {
    double level = 0.0, wanted = 0.0;
    for (int i = 0; i < count; i++) wanted += want[i];
    for (int served = -1; wanted > supply;) {
        double rest = supply, weights = 0.0;
        int full = 0;
        for (int i = 0; i < count; i++) {
            int is_full = want[i] <= weight[i] * level;
            rest -= is_full ? want[i] : 0.0;
            weights += is_full ? 0.0 : weight[i];
            full += is_full;
        }
        if (full == served) break;
        level = rest / weights;
        served = full;
    }
    if (wanted <= supply) level = 1e300;
    for (int i = 0; i < count; i++) got[i] = want[i] < weight[i] * level ? want[i] : weight[i] * level;
}

/* Guaranteed pods stand first, [0, g), then burstable ones, [g, b), then besteffort ones, [b, pods). */
static void share(Node *node, int g, int b, int pods, double cpus) {
    double want[MAX_PODS + 2], weight[MAX_PODS + 2], got[MAX_PODS + 2];
    memcpy(want, node->want, g * sizeof *want);
    memcpy(weight, node->weight, g * sizeof *weight);
    want[g] = want[g + 1] = 0.0;
    for (int i = g; i < b; i++) want[g] += node->want[i];
    for (int i = b; i < pods; i++) want[g + 1] += node->want[i];
    if (want[g] > cpus) want[g] = cpus;
    if (want[g + 1] > cpus) want[g + 1] = cpus;
    weight[g] = 3072.0;
    weight[g + 1] = 10.0;
    fill(want, weight, got, g + 2, cpus);
    memcpy(node->use, got, g * sizeof *got);
    fill(node->want + g, node->weight + g, node->use + g, b - g, got[g]);
    fill(node->want + b, node->weight + b, node->use + b, pods - b, got[g + 1]);
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    int nodes = atoi(argv[1]), pods = atoi(argv[2]);
    long steps = atol(argv[3]);
    uint64_t seed = strtoull(argv[4], NULL, 10);
    int drawn = argc > 6 && !strcmp(argv[6], "array"), flat = argc > 6 && !drawn;
    double cpus = (double)(int)(pods * 0.5 / 0.9 + 0.5);
    int g = flat ? pods : pods / 3, b = flat ? pods : g + pods / 3;
    size_t width = (size_t)nodes * pods;
    Node *all = malloc(nodes * sizeof *all);
    float *out = malloc(width * steps * sizeof *out), *given = NULL;
    for (int n = 0; n < nodes; n++) start(&all[n], n, pods, seed);
    if (drawn) {
        given = malloc(width * steps * sizeof *given);
        for (long t = 0; t < steps; t++)
            for (int n = 0; n < nodes; n++)
                for (int i = 0; i < pods; i++) given[t * width + n * pods + i] = (float)demand_of(&all[n], i, t);
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (long from = 0; from < steps; from += 64)
        for (int n = 0; n < nodes; n++)
            for (long t = from; t < from + 64 && t < steps; t++) {
                Node *node = &all[n];
                double total = 0.0;
                for (int i = 0; i < pods; i++)
                    node->backlog[i] += drawn ? given[t * width + n * pods + i] : demand_of(node, i, (uint32_t)t);
                for (int i = 0; i < pods; i++) {
                    node->want[i] = node->backlog[i] < 2.0 ? node->backlog[i] : 2.0;
                    total += node->want[i];
                }
                const double *use = node->want;
                if (total > cpus) {
                    share(node, g, b, pods, cpus);
                    use = node->use;
                }
                float *row = out + t * width + (size_t)n * pods;
                for (int i = 0; i < pods; i++) {
                    node->backlog[i] -= use[i];
                    row[i] = (float)use[i];
                }
            }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) * 1e-9, sum = 0.0;
    for (size_t i = 0; i < width * steps; i++) sum += out[i];
    printf("%.6f %.9f\n", seconds, sum);
    if (argc > 5 && strcmp(argv[5], "-")) {
        FILE *file = fopen(argv[5], "wb");
        if (!file || fwrite(out, sizeof *out, width * steps, file) != width * steps || fclose(file)) return 1;
    }
    return 0;
}
