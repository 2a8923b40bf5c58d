/* The floor for stepped simulation: the least C that computes one workload, on one core.
 *
 * N nodes of P pods; each second every pod is on or off (Markov) and wants U(0, 2) CPUs while on; what is not
 * served waits (backlog). A node's tree is {guaranteed pods, burstable -> pods, besteffort -> pods}; CPU is shared
 * by weighted max-min with a cap of 2 CPUs a pod. Use is written as float32 [steps, pods].
 * Names, random numbers and weights are those of benchmarks/step_speed.py, so that results can be compared.
 *
 *   gcc -O3 -march=native -o step_loop step_loop.c && ./step_loop NODES PODS STEPS SEED [FILE] [array]
 *
 * "array": demand is drawn before the clock starts, and read from memory in the loop.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PODS 256
#define GOLDEN 0x9E3779B9u

typedef struct {
    double backlog[MAX_PODS], want[MAX_PODS], weight[MAX_PODS], use[MAX_PODS];
    uint32_t key0[MAX_PODS], key1[MAX_PODS], on[MAX_PODS];
} Node;

static const uint32_t STAY = (uint32_t)(0.9 * 4294967296.0), GO = (uint32_t)(0.1 * 4294967296.0);

static uint64_t mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t fnv1a(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text; text++) hash = (hash ^ (uint8_t)*text) * 0x100000001B3u;
    return hash;
}

static inline uint32_t first_draw(uint32_t step, uint32_t key0, uint32_t key1) {
    uint32_t x = step * GOLDEN + key0;
    x = (x ^ (x >> 16)) * 0x7FEB352Du ^ key1;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return x ^ (x >> 16);
}

static inline uint32_t second_draw(uint32_t x) {
    x += GOLDEN;
    x = (x ^ (x >> 16)) * 0x21F0AAADu;
    x = (x ^ (x >> 15)) * 0x735A2D97u;
    return x ^ (x >> 15);
}

static inline double demand_of(Node *node, int pod, uint32_t step) {
    uint32_t x = first_draw(step, node->key0[pod], node->key1[pod]);
    node->on[pod] = x < (node->on[pod] ? STAY : GO);
    return node->on[pod] ? second_draw(x) * (2.0 / 4294967296.0) : 0.0;
}

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

static void start(Node *node, int number, int pods, uint64_t seed) {
    char name[64];
    memset(node, 0, sizeof *node);
    for (int i = 0; i < pods; i++) {
        snprintf(name, sizeof name, "pod-%d-%03d/main", number, i);
        uint64_t key = mix64(mix64(fnv1a(name) ^ mix64(seed)));
        node->key0[i] = (uint32_t)key;
        node->key1[i] = (uint32_t)(key >> 32);
        node->on[i] = first_draw(0xFFFFFFFFu, node->key0[i], node->key1[i]) < 0x80000000u;
        node->weight[i] = ((i % 7 + 1) * 20 * 1024 + 50) / 100;
    }
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    int nodes = atoi(argv[1]), pods = atoi(argv[2]);
    long steps = atol(argv[3]);
    uint64_t seed = strtoull(argv[4], NULL, 10);
    int drawn = argc > 6;
    double cpus = (double)(int)(pods * 0.5 / 0.9 + 0.5);
    int g = pods / 3, b = g + pods / 3;
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
