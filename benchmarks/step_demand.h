/* The demand of step_loop.c and step_simgrid.cpp: the same pods, random numbers and weights (also those of qos). */
#ifndef STEP_DEMAND_H
#define STEP_DEMAND_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

#endif
